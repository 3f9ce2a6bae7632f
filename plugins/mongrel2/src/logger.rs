//! The log by ZeroMQ: each line is a message of a PUSH socket that connects (behaviour note 8), with its line break.
//!
//! Nobody waits for whoever reads it. What ZeroMQ does not take, because nobody is there or reads too slowly, is dropped, and
//! how many lines that were is told to where the log went before.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use uwsgi_plugin_api::option::{chapter, list};
use uwsgi_plugin_api::settings::logger;
use uwsgi_plugin_api::{Cargo, Gateway, OptionRow, PluginError, Post, Section, Settings};

/// Where lines go.
const LOG_ZEROMQ: &str = "log-zeromq";
/// Loggers that are the same.
const LOGGERS: &[&str] = &["zeromq", "zmq"];
/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
/// A longer line is cut into several messages.
const LINE_BYTES_MAX: usize = 64 * 1024;
/// Lines that may wait for a reader, for each endpoint.
const LINES_MAX: i32 = 10_000;
/// How long the last lines may take to leave.
const LINGER_MS: i32 = 2_000;
/// How often it is told that lines are dropped.
const COMPLAINTS: Duration = Duration::from_secs(10);
/// At the end, so long nothing must have been written.
const QUIET_MS: u16 = 50;

const ROWS: &[OptionRow] = &chapter(
    Section::Logging,
    [list(
        LOG_ZEROMQ,
        "ENDPOINT",
        "Send each line to this ZeroMQ endpoint, by a PUSH socket that connects to it; logger = zeromq:ENDPOINT is the same. \
         Lines that nobody takes are dropped and counted.",
    )
    .implies(&["master", "log-master"])
    .extra()],
);

/// The gateway `zeromq-log`.
#[derive(Debug, Default)]
pub struct ZeromqLog;

/// Endpoints in their order.
fn endpoints(settings: &Settings) -> Vec<String> {
    let own = settings.all(LOG_ZEROMQ).map(str::to_owned);
    let loggers = settings.all("logger").filter_map(|text| logger(text, LOGGERS));
    own.chain(loggers.map(str::to_owned)).collect()
}

impl Gateway for ZeromqLog {
    fn name(&self) -> &'static str {
        "zeromq-log"
    }

    fn cargo(&self) -> Cargo {
        Cargo::Log
    }

    fn options(&self) -> &'static [OptionRow] {
        ROWS
    }

    fn settings(&self, settings: &Settings) -> Vec<(String, String)> {
        endpoints(settings).into_iter().map(|endpoint| (LOG_ZEROMQ.to_owned(), endpoint)).collect()
    }

    fn is_wanted(&self, settings: &Settings) -> bool {
        !endpoints(settings).is_empty()
    }

    fn check(&self, settings: &Settings) -> Result<(), PluginError> {
        Lines::open(&endpoints(settings)).map(drop)
    }

    fn run(&self, settings: &Settings, post: Post<'_>) -> Result<(), PluginError> {
        let mut lines = Lines::open(&endpoints(settings))?;
        let read = lines.carry(post);
        lines.tell_dropped(post.log, true);
        read.map_err(|error| PluginError(format!("{LOG_ZEROMQ}: {error}")))
    }
}

/// The sockets, and the line that is not whole.
struct Lines {
    sockets: Vec<(String, zmq::Socket, u64)>,
    part: Vec<u8>,
    told: Option<Instant>,
}

impl Lines {
    fn open(endpoints: &[String]) -> Result<Self, PluginError> {
        let context = zmq::Context::new();
        let open = |endpoint: &String| -> zmq::Result<_> {
            let socket = context.socket(zmq::PUSH)?;
            socket.set_sndhwm(LINES_MAX)?;
            socket.set_linger(LINGER_MS)?;
            socket.connect(endpoint)?;
            Ok((endpoint.clone(), socket, 0))
        };
        let opened = endpoints.iter().map(|endpoint| {
            open(endpoint).map_err(|error| {
                PluginError(format!(
                    "{LOG_ZEROMQ} = {endpoint}: {error}; accepted: a ZeroMQ endpoint such as tcp://127.0.0.1:5140"
                ))
            })
        });
        let sockets = opened.collect::<Result<_, _>>()?;
        Ok(Self { sockets, part: Vec::new(), told: None })
    }

    /// Until nobody writes any more, or the end was asked for and nothing comes.
    fn carry(&mut self, post: Post<'_>) -> io::Result<()> {
        let mut input = std::fs::File::from(post.input.try_clone_to_owned()?);
        let mut buffer = vec![0; READ_BYTES];
        let mut leaving = false;
        loop {
            let mut fds = [
                PollFd::new(post.input, PollFlags::POLLIN),
                PollFd::new(post.stop, PollFlags::POLLIN),
            ];
            let (count, timeout) = match leaving {
                true => (1, PollTimeout::from(QUIET_MS)),
                false => (2, PollTimeout::NONE),
            };
            match poll(&mut fds[..count], timeout) {
                Ok(0) => break,
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            leaving |= fds[1].any().unwrap_or(false);
            if !fds[0].any().unwrap_or(false) {
                continue;
            }
            match input.read(&mut buffer)? {
                0 => break,
                count => self.take(&buffer[..count]),
            }
            self.tell_dropped(post.log, false);
        }
        self.end();
        Ok(())
    }

    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let whole = piece.ends_with(b"\n");
            if whole && self.part.is_empty() {
                self.send(piece);
                continue;
            }
            self.part.extend_from_slice(piece);
            if whole || self.part.len() >= LINE_BYTES_MAX {
                self.end();
            }
        }
    }

    /// What is here is all there is of this line.
    fn end(&mut self) {
        let part = std::mem::take(&mut self.part);
        if !part.is_empty() {
            self.send(&part);
        }
    }

    fn send(&mut self, line: &[u8]) {
        for (_, socket, dropped) in &mut self.sockets {
            if socket.send(line, zmq::DONTWAIT).is_err() {
                *dropped += 1;
            }
        }
    }

    fn tell_dropped(&mut self, log: &dyn Fn(&str), last: bool) {
        let now = Instant::now();
        if !last && self.told.is_some_and(|told| now < told + COMPLAINTS) {
            return;
        }
        for (endpoint, _, dropped) in &mut self.sockets {
            if *dropped > 0 {
                log(&format!(
                    "{LOG_ZEROMQ}: {dropped} lines were dropped: {endpoint} does not take them"
                ));
                (*dropped, self.told) = (0, Some(now));
            }
        }
    }
}
