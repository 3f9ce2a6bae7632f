//! Mongrel2 goes and comes back.

use super::{behind, marked, marks};
use crate::support::mongrel2::{Headers, Mongrel2};
use crate::support::{Connection, Request, eventually};

#[test]
fn a_mongrel2_that_comes_back_is_served() {
    behind_mongrel2!();
    let mut mongrel2 = Mongrel2::new(Headers::Json);
    let server = behind(&mongrel2.pair(0)).master(1).start();
    for turn in 1..=3 {
        assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
        mongrel2.kill();
        let lost = || server.log.text().matches(" is lost with ").count();
        eventually("a line about the loss", || lost() == turn);
        mongrel2.start();
        assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
        assert_eq!(lost(), turn, "{}", server.log.text());
    }
}

#[test]
fn a_mongrel2_that_comes_late_is_waited_for() {
    behind_mongrel2!();
    let mut mongrel2 = Mongrel2::new(Headers::Tnetstring);
    mongrel2.kill();
    let server = behind(&mongrel2.pair(0)).master(1).start();
    mongrel2.start();
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
    assert!(!server.log.text().contains(" is lost with "), "nothing was there to lose");
}

/// Connections have small numbers that begin anew with each Mongrel2.
#[test]
fn old_answers_never_reach_new_clients() {
    behind_mongrel2!();
    let mut mongrel2 = Mongrel2::new(Headers::Json);
    let _server = marked(&mongrel2).args(["--threads", "16"]).master(1).start();
    let send = |mongrel2: &Mongrel2, numbers: std::ops::Range<u64>, milliseconds: u32| {
        let one = |number: u64| {
            let mut connection = mongrel2.connect();
            connection.send(Request::get(&format!("/?{number}-{milliseconds}")).to_http());
            (number, connection)
        };
        numbers.map(one).collect::<Vec<(u64, Connection)>>()
    };
    let file = mongrel2.path("marks");
    let old = send(&mongrel2, 0..8, 1_500);
    eventually("requests that run", || marks(&file).len() == 8);
    mongrel2.kill();
    drop(old);
    mongrel2.start();
    // They still wait when the old requests are through.
    for (number, mut connection) in send(&mongrel2, 100..108, 2_500) {
        assert_eq!(connection.answer(false).text(), number.to_string());
    }
    assert_eq!(marks(&file).len(), 16, "each was begun once");
}
