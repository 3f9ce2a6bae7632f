//! Hundreds of clients that send or read a byte a second, beside others: nobody loses anything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{Answer, Connection, Request, Server, Setup, Wire, fastcgi, setup};

const SENDERS: usize = 500;
const READERS: usize = 100;
/// How long each of them is slow.
const SECONDS: usize = 8;
/// More than a unix socket takes, and more than the server keeps for a reader before it lets an application wait that has
/// more to send: here that is all.
const ANSWER_BYTES: usize = 1_500_000;
/// Requests of the others in that time, at the least.
const OTHERS_MIN: u64 = 100;

/// A protocol, as its clients speak it.
struct Speech {
    option: &'static str,
    request: fn(&Request) -> Vec<u8>,
    /// Reads to the end.
    answer: fn(&mut Connection) -> Answer,
}

impl Speech {
    fn ask(&self, server: &Server, request: &Request) -> Connection {
        let mut connection = server.connect();
        connection.send((self.request)(request));
        connection
    }
}

/// A request of which a few bytes are not sent.
struct Sender {
    connection: Connection,
    unsent: Vec<u8>,
    wanted: String,
}

/// Every second one is slow in its head, the others in their body.
fn sender(speech: &Speech, server: &Server, number: usize) -> Sender {
    let wanted = format!("body of {number:03}");
    let request = Request::post("/echo", &*wanted);
    let mut bytes = (speech.request)(&request);
    let body = bytes.windows(wanted.len()).position(|window| window == wanted.as_bytes());
    let body = body.expect("the body is in the request");
    let sent = if number.is_multiple_of(2) { body.saturating_sub(SECONDS + 1) } else { body + 1 };
    let unsent = bytes.split_off(sent);
    let mut connection = server.connect();
    connection.send(bytes);
    Sender { connection, unsent, wanted }
}

#[track_caller]
fn nobody_loses_anything(speech: &Speech) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(20_000), hard).unwrap();
    needs!(hard >= 5000, "the clients need their descriptors");
    let setup = Setup::new(Wire::Uwsgi);
    let socket = setup.path("clients.sock");
    let server = setup
        .arg(speech.option)
        .arg(socket)
        .args(["--listen", "1024", "--threads", "2"])
        .args(["--socket-timeout", "60", "--disable-logging", "--wsgi-file"])
        .arg(setup::app("probe.py"))
        .start();
    let mut senders: Vec<_> = (0..SENDERS).map(|at| sender(speech, &server, at)).collect();
    let large = Request::get(&format!("/big?{ANSWER_BYTES}"));
    let mut readers: Vec<_> = (0..READERS).map(|_| speech.ask(&server, &large)).collect();
    let over = AtomicBool::new(false);
    let others = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut answered = 0;
            while !over.load(Ordering::Relaxed) || answered < OTHERS_MIN {
                let mut connection = speech.ask(&server, &Request::get("/hello"));
                assert_eq!((speech.answer)(&mut connection).text(), "hello");
                answered += 1;
            }
        });
        for _ in 0..SECONDS {
            // Not to wait for something: it is how these clients are.
            sleep(Duration::from_secs(1));
            for Sender { connection, unsent, .. } in &mut senders {
                connection.send([unsent.remove(0)]);
            }
            readers.iter_mut().for_each(Connection::sip);
        }
        over.store(true, Ordering::Relaxed);
        others.join()
    });
    assert!(others.is_ok(), "somebody beside them got another answer");
    for Sender { mut connection, unsent, wanted } in senders {
        connection.send(unsent);
        assert_eq!((speech.answer)(&mut connection).text(), wanted);
    }
    for mut connection in readers {
        let answer = (speech.answer)(&mut connection);
        assert_eq!((answer.status, answer.body.len()), (200, ANSWER_BYTES));
    }
}

fn to_the_end(connection: &mut Connection) -> Answer {
    Answer::whole(&connection.rest(), false).expect("an answer")
}

#[test]
fn over_http() {
    ours_only!("each of them holds a thread");
    nobody_loses_anything(&Speech {
        option: "--http-socket",
        request: |request| request.clone().header("Connection", "close").to_http(),
        answer: to_the_end,
    });
}

#[test]
fn over_uwsgi() {
    ours_only!("each of them holds a thread");
    nobody_loses_anything(&Speech {
        option: "--uwsgi-socket",
        request: Request::to_packet,
        answer: to_the_end,
    });
}

#[test]
fn over_fastcgi() {
    ours_only!("each of them holds a thread");
    nobody_loses_anything(&Speech {
        option: "--fastcgi-socket",
        request: |request| fastcgi::request(request, 1, false),
        answer: |connection| fastcgi::reply(connection, false).answer,
    });
}

#[test]
fn over_scgi() {
    ours_only!("each of them holds a thread");
    nobody_loses_anything(&Speech {
        option: "--scgi-socket",
        request: fastcgi::scgi,
        answer: |connection| fastcgi::answer(&connection.rest(), false),
    });
}
