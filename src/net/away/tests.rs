use std::io::Read;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};

use uwsgi_plugin_api::WireProtocol;

use super::*;
use crate::config::model::sites::{AppIsolation, OwnSite, local_peers};
use crate::net::leaving::tests::{Worker, client, listening};
use crate::net::reactor::Listening;
use crate::net::rescue::Rescue;

fn sites() -> Sites {
    Sites {
        isolation: AppIsolation::Process,
        dynamic: true,
        from: local_peers().into(),
        ..Sites::default()
    }
}

/// A packet of the uwsgi protocol.
fn packet(pairs: &[(&str, &str)]) -> Vec<u8> {
    let all = [&[("REQUEST_METHOD", "GET"), ("REQUEST_URI", "/")][..], pairs].concat();
    let text = |text: &str| [&(text.len() as u16).to_le_bytes()[..], text.as_bytes()].concat();
    let block: Vec<u8> =
        all.iter().flat_map(|(name, value)| [text(name), text(value)].concat()).collect();
    [&[0][..], &(block.len() as u16).to_le_bytes(), &[0], &block].concat()
}

fn site() -> Vec<u8> {
    packet(&[("UWSGI_SCRIPT", "a"), ("CONTENT_LENGTH", "3")])
}

type Asked = Arc<Mutex<Vec<SiteSpec>>>;

/// A worker of an instance, what it asks its master, and whether there is one.
fn dispatcher(listener: Listening, rescue: Option<&Rescue>) -> (Worker, Asked, Arc<AtomicBool>) {
    let (asked, there) = (Asked::default(), Arc::new(AtomicBool::new(true)));
    let (heard, is_there) = (asked.clone(), there.clone());
    let ask = move |spec: &SiteSpec| {
        heard.lock().push(spec.clone());
        match is_there.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err(io::ErrorKind::BrokenPipe.into()),
        }
    };
    let away = Away::new(&sites(), Box::new(|_| true), Box::new(ask));
    (Worker::with(vec![listener], rescue, away), asked, there)
}

/// A process of the site that `key` tells from others, and the pair that leads to it.
fn process(listener: Listening, key: &[u8], home: &Rescue) -> (Worker, Channel) {
    process_of(listener, key, Some(home))
}

/// The same, perhaps of another user.
fn process_of(listener: Listening, key: &[u8], home: Option<&Rescue>) -> (Worker, Channel) {
    let (send, take) = Rescue::pair().unwrap();
    let copy = |fd: std::os::fd::BorrowedFd<'_>| fd.try_clone_to_owned().unwrap();
    let own = copy(std::os::fd::AsFd::as_fd(&send));
    let rescue = Rescue::of_site(own, take.into(), home.map(|home| copy(home.sender())));
    let own = OwnSite { key: key.to_vec(), name: "a".into(), suspects: Vec::new() };
    let of_site = Sites { own: Some(own), dynamic: false, ..sites() };
    let nobody = Box::new(|_: &SiteSpec| Err(io::ErrorKind::NotConnected.into()));
    let away = Away::new(&of_site, Box::new(|_| true), nobody);
    (Worker::with(vec![listener.elsewhere()], Some(&rescue), away), send)
}

fn asks(address: SocketAddr) -> TcpStream {
    client(address, &[&site()[..], b"abc"].concat())
}

#[test]
fn a_request_waits_for_its_site_and_arrives_there_whole() {
    let (listener, address) = listening(WireProtocol::Uwsgi);
    let home = Rescue::new().unwrap();
    let (mut worker, asked, _) = dispatcher(listener.clone(), Some(&home));
    let _clients = [asks(address), asks(address)];
    let plain = client(address, &packet(&[]));
    worker.until("the request that stays", |worker| worker.jobs.len() == 1);
    worker.until("the question", |_| !asked.lock().is_empty());
    worker.until("both", |worker| worker.hub.away().unwrap().room.len() == 2);
    assert_eq!(asked.lock().len(), 1, "it is asked for once");
    let key = asked.lock()[0].key.clone();
    let (mut site, send) = process(listener, &key, &home);
    worker.hub.know_site(&key, Some(send));
    worker.until("nobody waits", |worker| !worker.hub.holds_some());
    site.until("both requests", |site| site.jobs.len() == 2);
    for job in &mut site.jobs {
        assert_eq!(job.parts().body_bytes, b"abc");
        assert_eq!(job.peer.address(), b"127.0.0.1");
    }
    assert_eq!(worker.jobs.len(), 1, "the other one stays");
    drop(plain);
}

#[test]
fn what_is_not_the_sites_goes_home() {
    let (listener, address) = listening(WireProtocol::PersistentUwsgi);
    let home = Rescue::new().unwrap();
    let (mut worker, asked, _) = dispatcher(listener.clone(), Some(&home));
    let _client = client(address, &[site(), packet(&[])].concat());
    worker.until("the question", |_| !asked.lock().is_empty());
    let key = asked.lock()[0].key.clone();
    let (mut site, send) = process(listener, &key, &home);
    worker.hub.know_site(&key, Some(send));
    worker.until("nobody waits", |worker| !worker.hub.holds_some());
    site.until("the first request", |site| site.jobs.len() == 1);
    let mut job = site.jobs.pop_front().unwrap();
    job.finish_request();
    site.hub.progress(job, site.hub.now_ms(), &mut site.jobs);
    assert!(site.jobs.is_empty(), "the next one is another's");
    worker.until("the second request", |worker| worker.jobs.len() == 1);
    assert_eq!(worker.jobs[0].requests, 1);
}

/// A worker whose site takes nothing and has no room, with a client that waits for it.
fn stuck() -> (Worker, Vec<Channel>, Vec<u8>, SocketAddr, TcpStream) {
    let (listener, address) = listening(WireProtocol::Uwsgi);
    let (mut worker, asked, _) = dispatcher(listener, Some(&Rescue::new().unwrap()));
    let client = asks(address);
    worker.until("the question", |_| !asked.lock().is_empty());
    let key = asked.lock()[0].key.clone();
    let (send, take) = Rescue::pair().unwrap();
    while send.send(b"full").is_ok() {}
    let copy = std::os::fd::AsFd::as_fd(&send).try_clone_to_owned().unwrap();
    worker.hub.know_site(&key, Some(copy.into()));
    (worker, vec![send, take], key, address, client)
}

#[test]
fn what_waits_for_a_site_that_takes_nothing_is_answered_in_the_end() {
    let (worker, _pair, ..) = stuck();
    let now_ms = worker.hub.now_ms();
    let mut jobs = VecDeque::new();
    worker.hub.deliver(now_ms + WAIT_MS_MAX / 2, &mut jobs);
    assert!(jobs.is_empty() && worker.hub.holds_some());
    worker.hub.deliver(now_ms + WAIT_MS_MAX + 1_000, &mut jobs);
    assert_eq!(jobs.pop_front().unwrap().denied, Some(503));
    assert!(!worker.hub.holds_some());
}

#[test]
fn one_site_does_not_take_the_places_of_the_others() {
    let (worker, ..) = stuck();
    waiting::tests::one_waits(&worker.hub.away().unwrap().room);
}

#[test]
fn a_full_pair_keeps_few_descriptors_on_their_way() {
    let (send, _take) = Rescue::pair().unwrap();
    let (client, _other) = std::os::unix::net::UnixStream::pair().unwrap();
    let fd = std::os::fd::AsFd::as_fd(&client);
    let count = (0..10_000).take_while(|_| send.send_with_fd(&[0; 200], fd).is_ok()).count();
    assert!((20..300).contains(&count), "{count}");
    let (send, _take) = Rescue::pair().unwrap();
    send.send(&vec![0; MESSAGE_BYTES_MAX]).unwrap();
}

#[test]
fn a_site_of_another_user_has_no_way_home() {
    let (listener, address) = listening(WireProtocol::PersistentUwsgi);
    let home = Rescue::new().unwrap();
    let (mut worker, asked, _) = dispatcher(listener.clone(), Some(&home));
    let _client = client(address, &[site(), packet(&[])].concat());
    worker.until("the question", |_| !asked.lock().is_empty());
    let key = asked.lock()[0].key.clone();
    let (mut site, send) = process_of(listener, &key, None);
    worker.hub.know_site(&key, Some(send));
    worker.until("nobody waits", |worker| !worker.hub.holds_some());
    site.until("the first request", |site| site.jobs.len() == 1);
    let mut job = site.jobs.pop_front().unwrap();
    assert!(!site.hub.keeps_connections(job.listener), "it ends with its answer");
    // Even if it did not, its next request would be answered with an error.
    job.finish_request();
    site.hub.progress(job, site.hub.now_ms(), &mut site.jobs);
    assert_eq!(site.jobs.pop_front().unwrap().denied, Some(503));
}

#[test]
fn one_that_comes_to_the_wrong_site_is_not_sent_to_and_fro() {
    let (listener, address) = listening(WireProtocol::Uwsgi);
    let home = Rescue::new().unwrap();
    let (mut worker, asked, _) = dispatcher(listener.clone(), Some(&home));
    let _client = asks(address);
    worker.until("the question", |_| !asked.lock().is_empty());
    let (mut site, send) = process(listener, b"another", &home);
    let key = asked.lock()[0].key.clone();
    worker.hub.know_site(&key, Some(send));
    site.until("the request", |site| {
        worker.look();
        site.jobs.len() == 1
    });
    assert_eq!(site.jobs[0].denied, Some(500));
}

#[test]
fn where_there_is_no_way_it_is_answered_here() {
    let (listener, address) = listening(WireProtocol::Uwsgi);
    let (mut worker, asked, there) = dispatcher(listener, None);
    let _first = asks(address);
    worker.until("the question", |_| !asked.lock().is_empty());
    let key = asked.lock()[0].key.clone();
    worker.hub.know_site(&key, None);
    worker.until("the refused one", |worker| worker.jobs.len() == 1);
    there.store(false, Ordering::Relaxed);
    let _second = asks(address);
    worker.until("the one without a master", |worker| worker.jobs.len() == 2);
    assert!(worker.jobs.iter().all(|job| job.denied == Some(503)));
    assert_eq!(asked.lock().len(), 2, "the next one asks anew");
}

#[test]
fn what_waits_goes_to_the_heirs_of_a_worker_that_leaves() {
    let (listener, address) = listening(WireProtocol::Uwsgi);
    let home = Rescue::new().unwrap();
    let (mut old, asked, _) = dispatcher(listener.clone(), Some(&home));
    let _client = asks(address);
    old.until("the question", |_| !asked.lock().is_empty());
    old.drain(true);
    assert!(!old.hub.holds_some());
    let (mut heir, asked, _) = dispatcher(listener, Some(&home));
    heir.until("the heir's question", |_| !asked.lock().is_empty());
}

#[test]
fn what_rests_in_a_site_goes_home_at_its_end() {
    let (listener, address) = listening(WireProtocol::PersistentUwsgi);
    let home = Rescue::new().unwrap();
    let (mut worker, asked, _) = dispatcher(listener.clone(), Some(&home));
    // Persistent: there are no bodies.
    let mut client = client(address, &site());
    worker.until("the question", |_| !asked.lock().is_empty());
    let key = asked.lock()[0].key.clone();
    let (mut site, send) = process(listener, &key, &home);
    worker.hub.know_site(&key, Some(send));
    worker.until("nobody waits", |worker| !worker.hub.holds_some());
    site.until("the request", |site| site.jobs.len() == 1);
    let mut job = site.jobs.pop_front().unwrap();
    job.finish_request();
    site.hub.progress(job, site.hub.now_ms(), &mut site.jobs);
    assert_eq!(site.hub.table.len(), 1, "it rests");
    assert!(site.hub.keeps_connections(0));
    site.drain(false);
    assert!(site.hub.table.is_empty());
    worker.until("the one that came home", |worker| worker.hub.table.len() == 1);
    client.shutdown(Shutdown::Write).unwrap();
    worker.until("its end", |worker| worker.hub.table.is_empty());
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
}
