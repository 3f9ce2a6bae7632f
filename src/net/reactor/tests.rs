//! A connection whose file is sent in turns.

use std::io::Read;

use super::*;
use crate::net::leaving::tests::{REQUEST, Worker, client, listening};
use crate::net::spill::{FLUSH_BYTES_MAX, Flushed};

#[test]
fn what_a_flush_leaves_is_sent_though_the_socket_has_room_all_the_time() {
    const SIZE: u64 = 8 * FLUSH_BYTES_MAX;
    let (http, address) = listening(WireProtocol::Http);
    let mut worker = Worker::new(vec![http], None);
    let mut client = client(address, REQUEST);
    worker.until("a request", |worker| !worker.jobs.is_empty());
    let mut connection = worker.jobs.pop_front().expect("it was there");
    connection.finish_request();
    let file = tempfile::tempfile().unwrap();
    file.set_len(SIZE).unwrap();
    connection.spill.push_file(Arc::new(file.into()), 0, SIZE);
    let parts = connection.parts();
    let flushed = parts.spill.flush(parts.fd, &mut 0).unwrap();
    assert_eq!(flushed, Flushed::Paused, "the socket holds less than is sent at once");
    connection.flush_then(true, false);
    let now_ms = worker.hub.now_ms();
    worker.hub.settle(connection, Step::Wait(Wait::Flush), now_ms, &mut worker.jobs);
    let reader = std::thread::spawn(move || client.read_to_end(&mut Vec::new()).unwrap());
    worker.until("the end of the file", |_| reader.is_finished());
    assert_eq!(reader.join().unwrap() as u64, SIZE);
}
