//! Real clients, fast, slow, silent and many.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::*;

const START: Millis = Millis(1_000);
const STATS: Endpoint = Endpoint::Stats;

struct Bench {
    answering: Answering,
    address: std::net::SocketAddr,
}

impl Bench {
    fn new(http: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let fd = Arc::new(OwnedFd::from(listener));
        let open = Open { endpoint: STATS, fd, http };
        Self { answering: Answering { endpoints: vec![open], ..Answering::default() }, address }
    }

    fn connect(&mut self) -> (TcpStream, u32) {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        (stream, until(|| self.answering.accept(STATS, START)))
    }

    /// Goes on with a client until it asks.
    fn asked(&mut self, number: u32) -> Asked {
        until(|| match self.answering.proceed(number) {
            Next::Wait => None,
            Next::Answer(asked) => Some(asked),
            Next::Gone => panic!("it is gone"),
        })
    }

    fn answer(&mut self, number: u32, bytes: &[u8]) -> Next {
        self.answering.give(number, bytes.to_vec());
        self.answering.proceed(number)
    }
}

/// Waits for something that the kernel does soon.
fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn who_connects_is_answered_at_once() {
    let mut bench = Bench::new(false);
    assert_eq!(bench.answering.accept(STATS, START), None);
    assert_eq!(bench.answering.accept(Endpoint::Health, START), None);
    let (stream, number) = bench.connect();
    assert_eq!(bench.asked(number), Asked { method: String::new(), path: String::new() });
    assert_eq!(bench.answer(number, b"{}"), Next::Gone);
    assert!(bench.answering.take(number).is_some());
    assert_eq!(rest(stream), b"{}");
    assert_eq!((bench.answering.next_wake(), bench.answering.proceed(number)), (None, Next::Gone));
}

#[test]
fn a_request_is_read_first_however_it_comes() {
    for pieces in [
        &["GET /readyz?a=b HTTP/1.1\r\nHost: x\r\n\r\n"][..],
        &["GET /rea", "dyz HTTP/1.0\r\n", "\r", "\n"],
        &["GET /readyz\n\n"],
    ] {
        let mut bench = Bench::new(true);
        let (mut stream, number) = bench.connect();
        assert_eq!(bench.answering.proceed(number), Next::Wait);
        for piece in pieces {
            stream.write_all(piece.as_bytes()).unwrap();
        }
        let asked = bench.asked(number);
        assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/readyz"));
        assert_eq!(bench.answer(number, b"ok"), Next::Gone);
        bench.answering.take(number);
        assert_eq!(rest(stream), b"ok");
    }
}

#[test]
fn an_endless_head_is_asked_by_its_beginning() {
    let mut bench = Bench::new(true);
    let (mut stream, number) = bench.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nX: ").unwrap();
    stream.write_all(&[b'x'; HEAD_BYTES_MAX]).unwrap();
    assert_eq!(bench.asked(number).path, "/healthz");
    assert_eq!(bench.answer(number, b"ok"), Next::Gone);
    bench.answering.take(number);
    assert_eq!(rest(stream), b"ok");
}

#[test]
fn who_leaves_before_asking_is_forgotten() {
    let mut bench = Bench::new(true);
    let (stream, number) = bench.connect();
    stream.shutdown(Shutdown::Write).unwrap();
    until(|| (bench.answering.proceed(number) == Next::Gone).then_some(()));
}

#[test]
fn a_slow_reader_gets_everything_or_is_cut() {
    let answer = vec![b'x'; 32 << 20];
    let mut bench = Bench::new(false);
    let (stream, number) = bench.connect();
    bench.asked(number);
    assert_eq!(bench.answer(number, &answer), Next::Wait);
    let reader = std::thread::spawn(move || rest(stream));
    until(|| (bench.answering.proceed(number) == Next::Gone).then_some(()));
    bench.answering.take(number);
    assert_eq!(reader.join().unwrap().len(), answer.len());

    let (stream, number) = bench.connect();
    bench.asked(number);
    assert_eq!(bench.answer(number, &answer), Next::Wait);
    assert_eq!(bench.answering.next_wake(), Some(START + CLIENT_MS_MAX));
    assert!(bench.answering.expired(Millis(START.0 + CLIENT_MS_MAX - 1)).is_empty());
    assert_eq!(bench.answering.expired(START + CLIENT_MS_MAX), [number]);
    bench.answering.take(number);
    assert!(rest(stream).len() < answer.len());
}

#[test]
fn the_silent_keep_nobody_out() {
    let mut bench = Bench::new(true);
    let silent: Vec<_> = (0..CLIENTS_MAX).map(|_| bench.connect()).collect();
    assert_eq!(bench.answering.surplus(STATS), None);
    let (mut stream, number) = bench.connect();
    assert_eq!(bench.answering.surplus(STATS), Some(silent[0].1));
    assert_eq!(bench.answering.surplus(Endpoint::Health), None);
    bench.answering.take(silent[0].1);
    assert_eq!(bench.answering.surplus(STATS), None);
    stream.write_all(b"GET /healthz HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(bench.asked(number).path, "/healthz");
}

#[test]
fn where_more_wait_there_is_something_to_do() {
    let mut bench = Bench::new(false);
    bench.answering.set_crowded(STATS, true);
    bench.answering.set_crowded(STATS, true);
    assert_eq!(
        (bench.answering.next_wake(), bench.answering.crowded()),
        (Some(Millis(0)), vec![STATS])
    );
    bench.answering.set_crowded(STATS, false);
    assert_eq!(bench.answering.next_wake(), None);
}

#[test]
fn nonsense_asks_for_nothing() {
    for (head, method, path) in [
        (&b"\n\n"[..], "", ""),
        (b"GET\r\n\r\n", "GET", ""),
        (b"\xff\xfe /?\r\n\r\n", "\u{fffd}\u{fffd}", "/"),
    ] {
        assert_eq!(asked(head), Asked { method: method.to_owned(), path: path.to_owned() });
    }
}

#[test]
fn who_has_no_whole_answer_yet_gets_it_from_the_next_image() {
    let mut bench = Bench::new(true);
    let (mut asks, first) = bench.connect();
    asks.write_all(b"GET /\xff").unwrap();
    until(|| (bench.answering.proceed(first) == Next::Wait).then_some(()));
    let (mut takes, second) = bench.connect();
    takes.write_all(b"GET /two HTTP/1.1\r\n\r\n").unwrap();
    bench.asked(second);
    bench.answering.give(second, b"answer".to_vec());

    let (mut text, mut fds) = (String::new(), Vec::new());
    bench.answering.save(&mut text, &mut fds);
    // An exec closes nothing that is passed; here a copy stays open.
    let copies = bench.answering.clients.iter().map(|client| client.fd.try_clone().unwrap());
    let mut passed = fds.into_iter().map(|(name, _)| name).zip(copies).collect();
    let endpoints = std::mem::take(&mut bench.answering.endpoints);
    bench.answering = Answering { endpoints, ..Answering::default() };
    for line in text.lines() {
        bench.answering.restore(line, &mut passed);
    }

    assert_eq!(bench.answering.clients(), [first, second]);
    assert_eq!(bench.answering.proceed(second), Next::Gone);
    bench.answering.take(second);
    assert_eq!(rest(takes), b"answer");
    asks.write_all(b" HTTP/1.1\r\n\r\n").unwrap();
    assert_eq!(bench.asked(first).path, "/\u{fffd}");
    let (_third, number) = bench.connect();
    assert_eq!(number, second + 1);
}

#[test]
fn what_another_program_left_is_no_client() {
    let mut answering = Answering::default();
    for line in ["client", "client 1 stats", "client x stats 1 asks 00", "client 1 other 1 asks 0g"]
    {
        answering.restore(line, &mut Passed::new());
    }
    assert!(answering.clients().is_empty());
}
