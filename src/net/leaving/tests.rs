//! Two workers in one process, on the same listeners; clients of real sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use uwsgi_plugin_api::{Listener, WireProtocol};
use uwsgi_protocol::{fastcgi, http1, scgi, uwsgi};

use super::*;
use crate::config::model::proxies::Introduced;
use crate::errors::{Errors, Pages};
use crate::net::away::Away;
use crate::net::connection::Bounds;
use crate::net::decode;
use crate::net::front::Fronts;
use crate::net::hub::Times;
use crate::net::reactor::{Listening, Reactor};
use crate::net::rescue::Rescue;
use crate::net::turnstile::Turn;
use crate::net::upload::Policy;

/// Only a broken worker takes this long.
const PATIENCE: Duration = Duration::from_secs(30);
pub(in crate::net) const REQUEST: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n";

pub(in crate::net) struct Worker {
    reactor: Reactor,
    pub(in crate::net) hub: Arc<Hub>,
    pub(in crate::net) jobs: VecDeque<Box<Connection>>,
}

impl Worker {
    pub(in crate::net) fn new(listeners: Vec<Listening>, rescue: Option<&Rescue>) -> Self {
        Self::with(listeners, rescue, None)
    }

    /// One whose requests are sorted.
    pub(in crate::net) fn with(
        listeners: Vec<Listening>,
        rescue: Option<&Rescue>,
        away: Option<Arc<Away>>,
    ) -> Self {
        let bounds = Bounds {
            away,
            head: decode::Limits {
                packet: uwsgi::Limits { block_bytes_max: 65_535, vars_max: 128 },
                http: http1::Limits::DEFAULT,
                scgi: scgi::Limits { head_bytes_max: 65_535, vars_max: 128 },
                fastcgi: fastcgi::Limits {
                    head_bytes_max: 65_535,
                    vars_max: 128,
                    connections_max: 1000,
                },
            },
            body: Policy { bytes_max: None, spool_from: None },
            body_bytes_per_s: None,
            requests_max: None,
            fronts: Fronts::default(),
            trusted: None,
            errors: Arc::new(Errors::new(Pages::default(), false)),
        };
        let times = Times {
            head_ms: 60_000,
            progress_ms: 60_000,
            keep_alive_ms: 60_000,
            linger_ms: 60_000,
        };
        let (reactor, hub) =
            Reactor::new(listeners, bounds, times, 1000, true, rescue.cloned()).unwrap();
        Self { reactor, hub, jobs: VecDeque::new() }
    }

    pub(in crate::net) fn look(&mut self) {
        self.reactor.turn(false, &mut self.jobs, &mut || {});
    }

    /// Looks until there is something.
    #[track_caller]
    pub(in crate::net) fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            self.look();
        }
    }

    #[track_caller]
    fn wait_for(&mut self, connections: usize) {
        self.until("connections", |worker| worker.hub.table.len() == connections);
    }

    /// How much came of each head that is not complete.
    fn heads(&mut self) -> Vec<usize> {
        let heads: Vec<_> = std::iter::from_fn(|| self.hub.table.take(Wait::Head)).collect();
        let mut lengths = Vec::new();
        for head in heads {
            lengths.push(head.input.len());
            let now_ms = self.hub.now_ms();
            if let Some(back) = self.hub.rest(head, Wait::Head, now_ms) {
                self.hub.progress(back, now_ms, &mut self.jobs);
            }
        }
        lengths
    }

    pub(in crate::net) fn drain(&mut self, heirs: bool) {
        self.hub.drain(heirs, &mut self.jobs);
        // The course is also followed by the thread that turns the reactor.
        self.look();
    }
}

pub(in crate::net) fn listening(protocol: WireProtocol) -> (Listening, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    let name = address.to_string();
    let info = Listener { id: 0, protocol, name, modifiers: (0, 0), static_vars: Vec::new() };
    (Listening::new(Arc::new(socket.into()), info, (Introduced::Nobody, false), 1), address)
}

pub(in crate::net) fn client(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(bytes).unwrap();
    stream
}

fn rest(mut client: TcpStream) -> String {
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn an_heir_takes_what_rests_with_its_bytes_and_by_the_listeners_name() {
    let rescue = Rescue::new().unwrap();
    let (http, address) = listening(WireProtocol::Http);
    let (other, _) = listening(WireProtocol::Uwsgi);
    let mut old = Worker::new(vec![http.clone(), other.clone()], Some(&rescue));
    let (mut idle, mut half) = (client(address, b""), client(address, &REQUEST[..10]));
    old.until("half a head", |old| old.hub.table.len() == 2 && old.heads() == [10]);
    // As if both had been served before.
    for wait in [Wait::KeepAlive, Wait::Head] {
        let mut connection = old.hub.table.take(wait).expect("it rests for that");
        connection.requests = 7;
        assert!(old.hub.rest(connection, wait, old.hub.now_ms()).is_none());
    }
    old.drain(true);
    assert!(old.hub.table.is_empty() && old.jobs.is_empty());
    assert!(old.hub.keeps_connections(0), "nobody is told to close");
    let mut heir = Worker::new(vec![other, http], Some(&rescue));
    heir.wait_for(2);
    idle.write_all(REQUEST).unwrap();
    half.write_all(&REQUEST[10..]).unwrap();
    heir.until("both requests", |heir| heir.jobs.len() == 2);
    for job in &heir.jobs {
        assert_eq!((job.listener, job.requests), (1, 7));
        assert_eq!(job.peer.address(), b"127.0.0.1");
        let ports = [&idle, &half].map(|client| client.local_addr().unwrap().port());
        assert!(ports.contains(&job.peer.port));
    }
    old.look();
    assert!(old.hub.table.is_empty(), "it does not take back what it gave");
}

#[test]
fn what_the_queue_has_no_room_for_stays_until_it_has() {
    const CLIENTS: usize = 20;
    let rescue = Rescue::with_room(200_000).unwrap();
    let (http, address) = listening(WireProtocol::Http);
    let mut old = Worker::new(vec![http.clone()], Some(&rescue));
    let mut head = b"GET / HTTP/1.1\r\nHost: x\r\n".to_vec();
    while head.len() < 60_000 {
        head.extend_from_slice(format!("X-Pad: {}\r\n", "x".repeat(4000)).as_bytes());
    }
    let mut clients = Vec::new();
    for number in 1..=CLIENTS {
        // Written while it is read: the socket itself holds less.
        let writer = {
            let head = head.clone();
            std::thread::spawn(move || client(address, &head))
        };
        old.wait_for(number);
        old.until("a whole head but its end", |old| old.heads() == vec![head.len(); number]);
        clients.push(writer.join().unwrap());
    }
    old.drain(true);
    let kept = old.hub.table.len();
    assert!(kept > 0 && kept < CLIENTS, "{kept} of {CLIENTS} stay");
    // Nobody takes anything: those that stay are served here.
    clients[CLIENTS - 1].write_all(b"\r\n").unwrap();
    old.until("a request of one that stays", |old| !old.jobs.is_empty());
    let mut served = old.jobs.pop_front().unwrap();
    served.finish_request();
    assert!(old.hub.park(served, Wait::KeepAlive, old.hub.now_ms()).is_none());
    let mut heir = Worker::new(vec![http], Some(&rescue));
    let start = Instant::now();
    while heir.hub.table.len() < CLIENTS {
        assert!(start.elapsed() < PATIENCE, "{} of {CLIENTS} arrived", heir.hub.table.len());
        old.look();
        heir.look();
    }
    assert!(old.hub.table.is_empty());
    for client in &mut clients {
        client.write_all(b"\r\n").unwrap();
    }
    // One of them had its request already and is asked nothing more.
    heir.until("all requests", |heir| heir.jobs.len() == CLIENTS - 1);
}

#[test]
fn an_unknown_listener_says_good_bye() {
    let rescue = Rescue::new().unwrap();
    let (http, address) = listening(WireProtocol::Http);
    let mut old = Worker::new(vec![http], Some(&rescue));
    let (idle, half) = (client(address, b""), client(address, &REQUEST[..10]));
    old.until("half a head", |old| old.hub.table.len() == 2 && old.heads() == [10]);
    old.drain(true);
    let mut heir = Worker::new(vec![listening(WireProtocol::Http).0], Some(&rescue));
    heir.look();
    heir.look();
    assert!(heir.hub.table.is_empty());
    assert_eq!(rest(idle), "");
    assert!(rest(half).starts_with("HTTP/1.1 503 "));
}

#[test]
fn a_full_worker_takes_nothing_until_it_has_a_place() {
    let rescue = Rescue::new().unwrap();
    let (http, address) = listening(WireProtocol::Http);
    let mut old = Worker::new(vec![http.clone()], Some(&rescue));
    let _client = client(address, b"");
    old.wait_for(1);
    let mut heir = Worker::new(vec![http], Some(&rescue));
    let tokens: Vec<_> = std::iter::from_fn(|| heir.hub.table.open()).collect();
    old.drain(true);
    heir.look();
    heir.look();
    assert_eq!(heir.hub.table.len(), tokens.len());
    heir.hub.table.close(tokens[0]);
    heir.look();
    heir.wait_for(tokens.len());
}

#[test]
fn a_worker_that_leaves_tells_of_what_waits() {
    let rescue = Rescue::new().unwrap();
    let (http, address) = listening(WireProtocol::Http);
    let mut old = Worker::new(vec![http.clone()], Some(&rescue));
    let heir = Worker::new(vec![http], Some(&rescue));
    let _waiting = client(address, REQUEST);
    old.until("the connection in the queue", |old| old.hub.doors.something_waits());
    // It was accepted while the loop looked, if at all.
    let waits = old.jobs.is_empty();
    old.drain(true);
    let told = matches!(heir.hub.adopt(0, &mut Vec::new()), Adopted::Nudge);
    assert_eq!(told, waits);
}

#[test]
fn a_worker_that_ends_at_once_tells_of_what_waits() {
    let rescue = Rescue::new().unwrap();
    let (http, address) = listening(WireProtocol::Http);
    let old = Worker::new(vec![http.clone()], Some(&rescue));
    let mut heir = Worker::new(vec![http], Some(&rescue));
    let _waiting = client(address, REQUEST);
    let start = Instant::now();
    while !old.hub.doors.something_waits() {
        assert!(start.elapsed() < PATIENCE, "it connected");
    }
    old.hub.leave();
    assert!(matches!(heir.hub.adopt(0, &mut Vec::new()), Adopted::Nudge));
    heir.until("the request", |heir| heir.jobs.len() == 1);
}

#[test]
fn what_came_by_an_abandoned_listener_is_finished_here() {
    let rescue = Rescue::new().unwrap();
    let (kept, here) = listening(WireProtocol::Http);
    let (gone, there) = listening(WireProtocol::Http);
    let mut old = Worker::new(vec![kept.clone(), gone], Some(&rescue));
    let (_stays, mut half) = (client(here, b""), client(there, &REQUEST[..10]));
    old.until("half a head", |old| old.hub.table.len() == 2 && old.heads() == [10]);
    let idle = client(there, b"");
    old.wait_for(3);
    // The two that rest for a first request, as if they had been served before.
    for _ in 0..2 {
        let mut connection = old.hub.table.take(Wait::KeepAlive).unwrap();
        connection.requests = 1;
        assert!(old.hub.rest(connection, Wait::KeepAlive, old.hub.now_ms()).is_none());
    }
    assert!(old.hub.abandon(1) && !old.hub.abandon(2));
    assert!(old.hub.keeps_connections(1), "not told to leave yet");
    old.drain(true);
    assert!(old.hub.keeps_connections(0) && !old.hub.keeps_connections(1));
    assert_eq!(old.hub.table.len(), 1, "half a head");
    assert_eq!(rest(idle), "");
    let mut heir = Worker::new(vec![kept], Some(&rescue));
    heir.wait_for(1);
    half.write_all(&REQUEST[10..]).unwrap();
    old.until("its request", |old| old.jobs.len() == 1);
    let _waiting: Vec<_> = (0..3).map(|_| client(there, REQUEST)).collect();
    old.hub.take_abandoned(&mut old.jobs);
    assert_eq!(old.jobs.len(), 4);
    assert!(TcpStream::connect(there).is_err(), "nobody listens");
    assert!(TcpStream::connect(here).is_ok());
}

#[test]
fn a_pause_leaves_connections_in_the_queue() {
    let (http, address) = listening(WireProtocol::Http);
    let mut worker = Worker::new(vec![http], None);
    worker.hub.pause(true);
    let _client = client(address, REQUEST);
    worker.look();
    assert!(worker.jobs.is_empty() && !worker.hub.keeps_connections(0));
    worker.hub.pause(false);
    worker.until("the request", |worker| worker.jobs.len() == 1);
    assert!(worker.hub.keeps_connections(0));
    worker.drain(false);
    worker.hub.pause(false);
    assert!(!worker.hub.doors.are_open(), "a drained worker does not come back");
}

#[test]
fn the_last_worker_serves_all_that_waits_and_frees_the_address() {
    let (http, address) = listening(WireProtocol::Http);
    let mut worker = Worker::new(vec![http], None);
    let _waiting: Vec<_> = (0..5).map(|_| client(address, REQUEST)).collect();
    worker.drain(false);
    assert_eq!(worker.jobs.len(), 5);
    assert!(TcpStream::connect(address).is_err(), "nobody listens");
}

#[test]
fn without_heirs_kept_connections_close_and_new_ones_get_their_time() {
    let (http, address) = listening(WireProtocol::Http);
    let mut worker = Worker::new(vec![http], None);
    let kept = client(address, b"");
    worker.wait_for(1);
    let mut connection = worker.hub.table.take(Wait::KeepAlive).unwrap();
    connection.requests = 1;
    assert!(worker.hub.rest(connection, Wait::KeepAlive, worker.hub.now_ms()).is_none());
    let mut fresh = client(address, b"");
    worker.wait_for(2);
    worker.drain(true); // nobody could be an heir
    assert_eq!(rest(kept), "");
    assert_eq!(worker.hub.table.len(), 1);
    assert!(!worker.hub.keeps_connections(0));
    fresh.write_all(REQUEST).unwrap();
    worker.until("its request", |worker| worker.jobs.len() == 1);
}

/// The only worker of a master, and two clients: one has begun to ask, the other rests after a request.
fn with_two_that_rest(rescue: &Rescue) -> (Worker, [TcpStream; 2]) {
    let (http, address) = listening(WireProtocol::Http);
    let mut worker = Worker::new(vec![http], Some(rescue));
    let half = client(address, &REQUEST[..10]);
    worker.until("half a head", |worker| worker.heads() == [10]);
    let kept = client(address, b"");
    worker.wait_for(2);
    let mut connection = worker.hub.table.take(Wait::KeepAlive).unwrap();
    connection.requests = 1;
    assert!(worker.hub.rest(connection, Wait::KeepAlive, worker.hub.now_ms()).is_none());
    (worker, [half, kept])
}

#[test]
fn without_heirs_nothing_is_given_away_also_by_a_busy_worker() {
    let rescue = Rescue::new().unwrap();
    let (mut worker, [mut half, kept]) = with_two_that_rest(&rescue);
    worker.hub.drain(false, &mut worker.jobs);
    // What the control thread does where all request threads are busy.
    assert!(worker.hub.pass_on_all(VecDeque::new()).is_empty());
    assert_eq!(worker.hub.table.len(), 2, "both are still here");
    assert!(matches!(worker.hub.adopt(0, &mut Vec::new()), Adopted::Nothing));
    worker.look();
    assert_eq!(rest(kept), "");
    half.write_all(&REQUEST[10..]).unwrap();
    worker.until("its request", |worker| worker.jobs.len() == 1);
}

#[test]
fn what_was_given_away_comes_back_when_there_are_no_heirs_any_more() {
    let rescue = Rescue::new().unwrap();
    let (mut worker, [mut half, kept]) = with_two_that_rest(&rescue);
    let late = worker.hub.table.take(Wait::Head).unwrap();
    worker.drain(true);
    assert_eq!(worker.hub.table.len(), 1, "but for what a thread is about to give away");
    worker.drain(false);
    assert!(worker.hub.pass_on(late).is_ok());
    worker.look();
    assert_eq!(rest(kept), "");
    half.write_all(&REQUEST[10..]).unwrap();
    worker.until("its request", |worker| worker.jobs.len() == 1);
}

#[test]
fn a_lame_duck_accepts_and_lets_go() {
    let (http, address) = listening(WireProtocol::Http);
    let mut worker = Worker::new(vec![http], None);
    worker.hub.become_lame_duck();
    let _client = client(address, REQUEST);
    worker.until("its request", |worker| worker.jobs.len() == 1);
    assert!(!worker.hub.keeps_connections(0) && !worker.hub.is_draining());
}
