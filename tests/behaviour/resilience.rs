//! Load through nginx while workers are killed and recycled: only what ran in a killed worker may fail.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::Signal;

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::setup::app;
use crate::support::{Address, Connection, Request, Setup, Wire, eventually, process};

/// Requests of the whole test, clients at once, and how many requests lie between two kills.
const REQUESTS: usize = 6000;
const CLIENTS: usize = 8;
const BETWEEN_KILLS: usize = 1000;

#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
}

/// One browser: keeps its connection to nginx and asks until the tally is full.
fn client(address: &Address, tally: &Tally) {
    let mut connection = Connection::open(address);
    let request = Request::get("/");
    while tally.answered.load(Ordering::Relaxed) + tally.failed.load(Ordering::Relaxed) < REQUESTS {
        if connection.try_send(&request.to_http()).is_err() {
            connection = Connection::open(address);
            continue;
        }
        match connection.try_answer(false) {
            Ok(answer) if answer.status == 200 && answer.text() == "counted" => {
                tally.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => {
                assert!(matches!(answer.status, 502 | 504), "{answer:?}");
                tally.failed.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => panic!("nginx closed a kept connection: {error}"),
        }
    }
    tally.stop.store(true, Ordering::Relaxed);
}

#[test]
fn kills_and_recycling_lose_only_what_was_running() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let setup = Setup::new(Wire::Uwsgi);
    let count = setup.path("count");
    let setup = setup
        .env("COUNTER", count.to_str().expect("a plain path"))
        .args(["--wsgi-file"])
        .arg(app("counter.py"));
    let args = ["-s", "127.0.0.1:0", "-t", "30", "-R", "500", "--min-worker-lifetime", "0"];
    let server = setup.args(args).master(4).start();
    let plan = Plan::new(Pass::Uwsgi).in_location("uwsgi_next_upstream off;");
    let nginx = Front::nginx(plan, &server.address());
    let tally = Tally::default();
    let mut kills = 0;
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(&nginx.address, &tally));
        }
        while !tally.stop.load(Ordering::Relaxed) {
            if tally.answered.load(Ordering::Relaxed) >= (kills + 1) * BETWEEN_KILLS {
                kills += 1;
                let number = u32::try_from(kills % 4).expect("small") + 1;
                process::send(server.worker(number), Signal::SIGKILL);
            }
            std::thread::yield_now();
        }
    });
    let (answered, failed) = (tally.answered.into_inner(), tally.failed.into_inner());
    assert!(kills >= 4, "the load was too short for kills: {kills}");
    assert!(
        failed <= kills,
        "{failed} requests failed by {kills} kills of single-threaded workers"
    );
    let counted = std::fs::metadata(&count).expect("the counter's file").len();
    let counted = usize::try_from(counted).expect("small");
    assert!(
        (answered..=answered + failed).contains(&counted),
        "{counted} counted, {answered} answered, {failed} failed"
    );
    eventually("the master's count of respawns", || {
        let log = server.log.text();
        log.matches("Respawned uWSGI worker").count() >= kills && log.contains("is done. Seeya!")
    });
    let lines =
        server.log.text().lines().filter(|line| line.contains(" => generated 7 bytes ")).count();
    // The line is written after the answer, so a kill can fall between them.
    assert!(
        (answered.saturating_sub(kills)..=counted).contains(&lines),
        "{lines} request lines for {answered} answers and {kills} kills"
    );
}
