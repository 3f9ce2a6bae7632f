//! `load rate`: requests by a schedule, whatever the server does, and a line for each of them.
//!
//! Open loop: request `n` is due at `start + n / rate`, and its latency counts from then, so that a server that answers
//! nobody for a while shows it in every request of that time. A kept connection that the server closed before the first
//! byte of an answer is no failure: the request goes out once more on a new connection, as clients do, and says so.
//!
//! A line is `DUE_US LATE_US LATENCY_US OUTCOME`: when it was due on the monotonic clock, how much later this program
//! got round to it, how long until the whole answer counted from DUE, and `ok`, `ok-again`, or what went wrong.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use nix::time::{ClockId, clock_gettime};

use crate::options::Options;
use crate::response::{self, Progress};

/// Requests under way at the same time; one more is a failure of this program's user, not of the server.
const FLIGHTS_MAX: usize = 15_000;
/// A request that takes longer has failed.
const ANSWER_SECONDS_MAX: u64 = 60;
/// A response larger than this is a mistake of the case.
const RESPONSE_BYTES_MAX: usize = 1 << 20;

/// A connection, and the request on it.
struct Flight {
    stream: TcpStream,
    due_us: u64,
    late_us: u64,
    sent: usize,
    input: Vec<u8>,
    /// An answer came on this connection before.
    used: bool,
    /// The request was on another connection before.
    again: bool,
    idle: bool,
}

/// What became of a flight when it was looked at.
enum Landing {
    Under,
    Answered { good: bool, keep: bool },
    Stale,
    Failed(String),
}

pub struct Rate<'a> {
    options: &'a Options,
    request: Vec<u8>,
    poll: Poll,
    flights: Vec<Option<Flight>>,
    free: Vec<usize>,
    /// Kept connections, the one that was used last at the end.
    idle: VecDeque<usize>,
    /// Tokens by due time, for the end of patience.
    oldest: VecDeque<(u64, usize)>,
    out: BufWriter<File>,
}

fn now_us() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    u64::try_from(now.as_micros()).unwrap_or(u64::MAX)
}

impl<'a> Rate<'a> {
    pub fn new(options: &'a Options) -> io::Result<Self> {
        Ok(Self {
            options,
            request: options.request(),
            poll: Poll::new()?,
            flights: Vec::new(),
            free: Vec::new(),
            idle: VecDeque::new(),
            oldest: VecDeque::new(),
            out: BufWriter::new(File::create(&options.out)?),
        })
    }

    /// Sends until standard input ends, then waits for what is under way.
    pub fn run(mut self) -> io::Result<()> {
        let (ended, end) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let _ = io::copy(&mut io::stdin(), &mut io::sink());
            drop(ended);
        });
        let mut events = Events::with_capacity(1024);
        let (start_us, mut sent, mut flushed) = (now_us(), 0_u64, Instant::now());
        let due = |number: u64| start_us + (number as f64 * 1e6 / self.options.rate) as u64;
        let mut over = false;
        println!("ready");
        loop {
            over |= end.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected);
            if over && self.under_way() == 0 {
                return self.out.flush();
            }
            while !over && due(sent) <= now_us() {
                self.start(due(sent))?;
                sent += 1;
            }
            let pause = due(sent).saturating_sub(now_us()).min(50_000);
            let pause = if over { 50_000 } else { pause };
            match self.poll.poll(&mut events, Some(Duration::from_micros(pause))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for token in events.iter().map(|event| event.token().0) {
                self.look(token)?;
            }
            self.give_up_on_the_oldest()?;
            if flushed.elapsed() > Duration::from_millis(200) {
                self.out.flush()?;
                flushed = Instant::now();
            }
        }
    }

    fn under_way(&self) -> usize {
        self.flights.len() - self.free.len() - self.idle.len()
    }

    fn start(&mut self, due_us: u64) -> io::Result<()> {
        let late_us = now_us().saturating_sub(due_us);
        while let Some(token) = self.idle.pop_back() {
            let Some(flight) = self.flights[token].as_mut() else { continue };
            (flight.idle, flight.again) = (false, false);
            (flight.due_us, flight.late_us, flight.sent) = (due_us, late_us, 0);
            flight.input.clear();
            self.oldest.push_back((due_us, token));
            return self.look(token);
        }
        self.open(due_us, late_us, false)
    }

    fn open(&mut self, due_us: u64, late_us: u64, again: bool) -> io::Result<()> {
        if self.under_way() >= FLIGHTS_MAX {
            return self.record(due_us, late_us, "too-many-under-way");
        }
        let mut stream = match TcpStream::connect(self.options.address) {
            Ok(stream) => stream,
            Err(error) => return self.record(due_us, late_us, &reason("connect", &error)),
        };
        let _ = stream.set_nodelay(true);
        let token = self.free.pop().unwrap_or_else(|| {
            self.flights.push(None);
            self.flights.len() - 1
        });
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(token), interest)?;
        let input = Vec::with_capacity(512);
        let (sent, used, idle) = (0, false, false);
        self.flights[token] =
            Some(Flight { stream, due_us, late_us, sent, input, used, again, idle });
        self.oldest.push_back((due_us, token));
        Ok(()) // the event of the connection sends the request
    }

    /// Edge-triggered: goes on with a flight until it waits for the server.
    fn look(&mut self, token: usize) -> io::Result<()> {
        let Some(flight) = self.flights.get_mut(token).and_then(Option::as_mut) else {
            return Ok(());
        };
        if flight.idle {
            if flight.is_closed() {
                self.idle.retain(|&idle| idle != token);
                self.close(token);
            }
            return Ok(());
        }
        let (due_us, late_us, again) = (flight.due_us, flight.late_us, flight.again);
        match flight.turn(&self.request, self.options.close) {
            Landing::Under => Ok(()),
            Landing::Answered { good, keep } => {
                let status = response::status(&flight.input).unwrap_or(0);
                if keep {
                    (flight.used, flight.idle) = (true, true);
                    self.idle.push_back(token);
                } else {
                    self.close(token);
                }
                match (good, again) {
                    (true, false) => self.record(due_us, late_us, "ok"),
                    (true, true) => self.record(due_us, late_us, "ok-again"),
                    (false, _) => self.record(due_us, late_us, &format!("status-{status}")),
                }
            }
            Landing::Stale => {
                self.close(token);
                self.open(due_us, late_us, true)
            }
            Landing::Failed(why) => {
                self.close(token);
                self.record(due_us, late_us, &why)
            }
        }
    }

    fn close(&mut self, token: usize) {
        if let Some(mut flight) = self.flights[token].take() {
            let _ = self.poll.registry().deregister(&mut flight.stream);
            self.free.push(token);
        }
    }

    fn give_up_on_the_oldest(&mut self) -> io::Result<()> {
        let limit = now_us().saturating_sub(ANSWER_SECONDS_MAX * 1_000_000);
        while let Some(&(due_us, token)) = self.oldest.front() {
            let flight = self.flights.get(token).and_then(Option::as_ref);
            let current = flight.filter(|flight| !flight.idle && flight.due_us == due_us);
            match current {
                Some(flight) if due_us < limit => {
                    let late_us = flight.late_us;
                    self.close(token);
                    self.record(due_us, late_us, "no-answer-in-60-s")?;
                }
                Some(_) => return Ok(()),
                None => {}
            }
            self.oldest.pop_front();
        }
        Ok(())
    }

    fn record(&mut self, due_us: u64, late_us: u64, outcome: &str) -> io::Result<()> {
        let latency = now_us().saturating_sub(due_us);
        writeln!(self.out, "{due_us} {late_us} {latency} {outcome}")
    }
}

/// `send:reset` and the like: where it happened, and what.
fn reason(place: &str, error: &io::Error) -> String {
    let what = match error.kind() {
        ErrorKind::ConnectionRefused => "refused".to_owned(),
        ErrorKind::ConnectionReset => "reset".to_owned(),
        ErrorKind::BrokenPipe => "closed".to_owned(),
        ErrorKind::AddrNotAvailable => "no-local-port".to_owned(),
        _ => error.to_string().replace(' ', "-"),
    };
    format!("{place}:{what}")
}

impl Flight {
    /// Whether the peer has closed a connection that rests.
    fn is_closed(&mut self) -> bool {
        let mut byte = [0; 1];
        !matches!(self.stream.read(&mut byte), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    fn turn(&mut self, request: &[u8], to_end: bool) -> Landing {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Landing::Under,
                Err(error) if error.kind() == ErrorKind::NotConnected => {
                    return match self.stream.take_error() {
                        Ok(Some(error)) => Landing::Failed(reason("connect", &error)),
                        _ => Landing::Under,
                    };
                }
                Err(error) => return self.broken("send", &error),
            }
        }
        self.receive(to_end)
    }

    fn receive(&mut self, to_end: bool) -> Landing {
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.ended(),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Landing::Under,
                Err(error) => return self.broken("receive", &error),
            }
            if self.input.len() > RESPONSE_BYTES_MAX {
                return Landing::Failed("receive:too-long".to_owned());
            }
            match response::progress(&self.input) {
                Progress::Malformed => return Landing::Failed("receive:malformed".to_owned()),
                Progress::Complete { good, close } => {
                    return Landing::Answered { good, keep: !close && !to_end };
                }
                Progress::Incomplete => {}
            }
        }
    }

    fn ended(&self) -> Landing {
        match response::at_end(&self.input) {
            Some(good) => Landing::Answered { good, keep: false },
            None if self.input.is_empty() && self.used => Landing::Stale,
            None if self.input.is_empty() => Landing::Failed("receive:empty".to_owned()),
            None => Landing::Failed("receive:truncated".to_owned()),
        }
    }

    fn broken(&self, place: &str, error: &io::Error) -> Landing {
        if self.used && self.input.is_empty() {
            return Landing::Stale;
        }
        Landing::Failed(reason(place, error))
    }
}
