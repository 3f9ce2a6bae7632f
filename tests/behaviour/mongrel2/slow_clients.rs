//! Clients that do not read what they have asked for.

use super::{behind, gateway, memory_kib};
use crate::support::mongrel2::{Headers, Plan};
use crate::support::{Answer, Connection, Request, Server};

/// Pieces of 64 KiB of an answer: 50 MiB.
const PIECES: usize = 800;
const SLOW: usize = 6;
/// What the handler may have of its own, whatever clients do: fourteen messages of 1 MiB for each, and a little more.
const MEMORY_KIB_MAX: u64 = 96 * 1024;

fn large() -> Request {
    Request::get(&format!("/pieces?{PIECES}")).header("Connection", "close")
}

/// Reads to the end, and expects all of it.
#[track_caller]
fn read_all(connection: &mut Connection, begin: Vec<u8>) {
    let bytes = [begin, connection.rest()].concat();
    let answer = Answer::whole(&bytes, false).expect("an answer");
    assert_eq!((answer.complete, answer.body.len()), (true, PIECES * 65_536));
}

/// Clients that have read the beginning of a large answer, and nothing more.
fn slow_clients(mongrel2: &crate::support::mongrel2::Mongrel2) -> Vec<(Connection, Vec<u8>)> {
    let one = |_| {
        let mut connection = mongrel2.connect();
        connection.send(large().to_http());
        let begin = connection.take(1_000);
        (connection, begin)
    };
    (0..SLOW).map(one).collect()
}

/// Others are served meanwhile; returns the most memory that the handler had.
fn serve_others(mongrel2: &crate::support::mongrel2::Mongrel2, server: &Server) -> u64 {
    let handler = gateway(server);
    let mut others = mongrel2.connect();
    let ask = |_| {
        assert_eq!(others.ask(&Request::get("/sleep?10")).status, 200);
        memory_kib(handler)
    };
    (0..200).map(ask).max().expect("some were asked")
}

#[test]
fn flow_control_holds_the_answer_back() {
    behind_mongrel2!();
    for headers in [Headers::Json, Headers::Tnetstring] {
        let mongrel2 = Plan::new(headers).set("download.flow_control", 1).start();
        let server = behind(&mongrel2.pair(0))
            .args(["--threads", "8", "--socket-timeout", "60"])
            .master(1)
            .start();
        let slow = slow_clients(&mongrel2);
        let memory = serve_others(&mongrel2, &server);
        assert!(memory < MEMORY_KIB_MAX, "{memory} KiB");
        println!("{headers:?}: {SLOW} clients wait, the handler has {memory} KiB");
        // When they read, all of it comes.
        for (mut connection, begin) in slow {
            read_all(&mut connection, begin);
        }
    }
}

#[test]
fn without_flow_control_memory_is_bounded_all_the_same() {
    behind_mongrel2!();
    let mongrel2 = Plan::new(Headers::Json).start();
    let server = behind(&mongrel2.pair(0))
        .args(["--threads", "8", "--socket-timeout", "60"])
        .master(1)
        .start();
    // They need not even get a beginning: Mongrel2 cuts them off.
    let slow = (0..SLOW).map(|_| {
        let mut connection = mongrel2.connect();
        connection.send(large().to_http());
        connection
    });
    let slow: Vec<_> = slow.collect();
    let memory = serve_others(&mongrel2, &server);
    assert!(memory < MEMORY_KIB_MAX, "{memory} KiB");
    println!("{SLOW} clients wait, the handler has {memory} KiB");
    drop(slow);
    // All threads are free again.
    let waiting = (0..8).map(|_| {
        let mut connection = mongrel2.connect();
        connection.send(Request::get("/threads?8").to_http());
        connection
    });
    for mut connection in waiting.collect::<Vec<_>>() {
        assert_eq!(connection.answer(false).text(), "met");
    }
}

#[test]
fn a_reader_that_keeps_up_gets_everything_without_flow_control() {
    behind_mongrel2!();
    let mongrel2 = Plan::new(Headers::Json).start();
    let _server = behind(&mongrel2.pair(0)).start();
    let mut connection = mongrel2.connect();
    connection.send(large().to_http());
    read_all(&mut connection, Vec::new());
}
