//! A load generator for what wrk cannot do: a connection per request, the uwsgi protocol, and connections that only
//! hold the server's attention. One thread, one poll, as many connections as descriptors allow.
//!
//! ```text
//! load ask  http|uwsgi ADDRESS [--connections N] [--seconds S] [--close] [--path P] [--browser]
//! load hold http ADDRESS [--idle N] [--half N]        until standard input ends
//! load rate http|uwsgi ADDRESS --rate N --out FILE [--close] [--path P]       until standard input ends
//! ```
//! `ask` prints one line `requests=.. errors=.. seconds=.. p50_us=.. p99_us=.. max_us=..`; `hold` prints `ready`;
//! `rate` writes a line for each request (see `load/rate.rs`).

#![allow(unreachable_pub)] // a program has no outside

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

#[path = "load/options.rs"]
mod options;
#[path = "load/rate.rs"]
mod rate;
#[path = "load/response.rs"]
mod response;

use options::{Mode, Options};
use response::Progress;

/// A response larger than this is a mistake of the case.
const RESPONSE_BYTES_MAX: usize = 16 << 20;

fn main() -> ExitCode {
    let Some(options) = Options::parse(std::env::args().skip(1)) else {
        // cargo runs benches without arguments of ours: nothing to do is no failure.
        println!("{}", options::USAGE);
        return ExitCode::SUCCESS;
    };
    let outcome = match options.mode {
        Mode::Ask => {
            Load::new(&options).and_then(|load| load.run()).map(|report| println!("{report}"))
        }
        Mode::Hold => hold(&options),
        Mode::Rate => rate::Rate::new(&options).and_then(rate::Rate::run),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}

/// One client: sends the request, reads the answer, and does so again.
struct Client {
    stream: TcpStream,
    sent: usize,
    input: Vec<u8>,
    started: Instant,
    /// Answered at least once on this connection.
    used: bool,
}

/// What a client found when it was turned.
enum Turn {
    Waiting,
    Answered {
        good: bool,
        reuse: bool,
    },
    /// The server closed a kept connection between two requests: not an error, the client connects again.
    Stale,
    Failed,
}

impl Client {
    fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        let _ = stream.set_nodelay(true);
        Ok(Self {
            stream,
            sent: 0,
            input: Vec::with_capacity(4096),
            started: Instant::now(),
            used: false,
        })
    }

    fn restart(&mut self) {
        self.sent = 0;
        self.input.clear();
        self.started = Instant::now();
        self.used = true;
    }

    fn turn(&mut self, request: &[u8], to_end: bool) -> Turn {
        while self.sent < request.len() {
            match self.stream.write(&request[self.sent..]) {
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Turn::Waiting,
                Err(error) if error.kind() == ErrorKind::NotConnected => return Turn::Waiting,
                Err(_) => return self.broken(),
            }
        }
        self.read(to_end)
    }

    fn read(&mut self, to_end: bool) -> Turn {
        let mut buffer = [0; 65536];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return self.ended(),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Turn::Waiting,
                Err(_) => return self.broken(),
            }
            if self.input.len() > RESPONSE_BYTES_MAX {
                return Turn::Failed;
            }
            if !to_end {
                match response::progress(&self.input) {
                    Progress::Complete { good, close } => {
                        return Turn::Answered { good, reuse: !close };
                    }
                    Progress::Incomplete => {}
                    Progress::Malformed => return Turn::Failed,
                }
            }
        }
    }

    fn ended(&self) -> Turn {
        match response::at_end(&self.input) {
            Some(good) => Turn::Answered { good, reuse: false },
            None => self.broken(),
        }
    }

    fn broken(&self) -> Turn {
        if self.used && self.input.is_empty() { Turn::Stale } else { Turn::Failed }
    }
}

struct Load<'a> {
    options: &'a Options,
    request: Vec<u8>,
    poll: Poll,
    clients: Vec<Client>,
    report: Report,
}

#[derive(Default)]
struct Report {
    errors: u64,
    seconds: f64,
    latencies_us: Vec<u32>,
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.latencies_us.clone();
        sorted.sort_unstable();
        let at = |share: usize| {
            sorted.get((sorted.len() * share / 100).min(sorted.len().saturating_sub(1)))
        };
        let at = |share| at(share).copied().unwrap_or(0);
        let (count, errors, seconds) = (sorted.len(), self.errors, self.seconds);
        let (p50, p99, max) = (at(50), at(99), at(100));
        write!(
            f,
            "requests={count} errors={errors} seconds={seconds:.3} p50_us={p50} p99_us={p99} max_us={max}"
        )
    }
}

impl<'a> Load<'a> {
    fn new(options: &'a Options) -> io::Result<Self> {
        let (poll, request) = (Poll::new()?, options.request());
        let mut load =
            Self { options, request, poll, clients: Vec::new(), report: Report::default() };
        for number in 0..options.connections {
            let client = load.connect(number)?;
            load.clients.push(client);
        }
        Ok(load)
    }

    fn connect(&self, number: usize) -> io::Result<Client> {
        let mut client = Client::open(self.options.address)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut client.stream, Token(number), interest)?;
        Ok(client)
    }

    fn run(mut self) -> io::Result<Report> {
        let mut events = Events::with_capacity(1024);
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(self.options.seconds);
        loop {
            let now = Instant::now();
            let Some(left) = end.checked_duration_since(now).filter(|left| !left.is_zero()) else {
                break;
            };
            match self.poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                other => other?,
            }
            for number in events.iter().map(|event| event.token().0) {
                self.turn(number)?;
            }
        }
        self.report.seconds = start.elapsed().as_secs_f64();
        Ok(self.report)
    }

    /// Edge-triggered: turns a client until it waits for the server.
    fn turn(&mut self, number: usize) -> io::Result<()> {
        loop {
            let client = &mut self.clients[number];
            match client.turn(&self.request, self.options.close) {
                Turn::Waiting => return Ok(()),
                Turn::Answered { good, reuse } => {
                    if good {
                        let age = client.started.elapsed().as_micros();
                        self.report.latencies_us.push(u32::try_from(age).unwrap_or(u32::MAX));
                    } else {
                        self.report.errors += 1;
                    }
                    if reuse {
                        client.restart();
                        continue;
                    }
                }
                Turn::Stale => {}
                Turn::Failed => self.report.errors += 1,
            }
            self.clients[number] = self.connect(number)?;
            return Ok(());
        }
    }
}

/// Holds idle kept connections and half-sent heads until standard input ends.
fn hold(options: &Options) -> io::Result<()> {
    let address = options.address;
    let request = options.request();
    let open = || {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        io::Result::Ok(stream)
    };
    let mut idle = Vec::new();
    for _ in 0..options.idle {
        let mut stream = open()?;
        stream.write_all(&request)?;
        let mut input = Vec::new();
        while matches!(response::progress(&input), Progress::Incomplete) {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                return Err(io::Error::other("the server does not keep connections"));
            }
            input.extend_from_slice(&buffer[..count]);
        }
        idle.push(stream);
    }
    let half_open = || {
        let mut stream = open()?;
        stream.write_all(&request[..request.len() / 2])?;
        stream.set_nonblocking(true)?;
        io::Result::Ok(stream)
    };
    let mut half = (0..options.half).map(|_| half_open()).collect::<io::Result<Vec<_>>>()?;
    println!("ready");
    let (ended, end) = std::sync::mpsc::channel::<()>();
    std::thread::spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        drop(ended);
    });
    // What the server gives up on is half-sent again, so that their number stays.
    while end.recv_timeout(Duration::from_millis(50))
        == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
    {
        for stream in &mut half {
            let mut buffer = [0; 512];
            let given_up = match stream.read(&mut buffer) {
                Err(error) => error.kind() != ErrorKind::WouldBlock,
                Ok(_) => true,
            };
            if given_up {
                *stream = half_open()?;
            }
        }
    }
    Ok(())
}
