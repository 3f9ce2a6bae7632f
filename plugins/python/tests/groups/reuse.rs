//! Objects that are used again from request to request: nothing leaks, nothing is shared by mistake.

use std::path::Path;

use super::Server;
use crate::support::{MockBody, MockResponse, browser};

pub fn run(python: &Path) {
    let mut server = Server::probe(python);
    same_objects(&mut server);
    kept_objects(&mut server);
    no_growth(&mut server);
}

fn same_objects(server: &mut Server) {
    let first = server.get("/identities").ok();
    server.get("/boom");
    server.get("/write");
    assert_eq!(server.get("/identities").ok(), first, "reused while nobody keeps them");
}

fn kept_objects(server: &mut Server) {
    assert_eq!(server.get("/keep").ok(), "kept");
    let text = server.get("/use_kept").ok();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            "ValueError: I/O operation on closed request body",
            "ValueError: the request is over",
            "ValueError: the request is over",
            "ValueError: I/O operation on closed request body",
            "fresh True, old environ yes",
        ]
    );
    assert_eq!(server.get("/environ_type").ok(), "dict []");
    server.get("/drop_kept");
}

/// Thousands of requests of all kinds leave as many objects and references as there were.
fn no_growth(server: &mut Server) {
    let paths = [
        "/boom",
        "/boom_late",
        "/write",
        "/pieces",
        "/odd_items",
        "/lazy",
        "/bad_calls",
        "/replace",
        "/close_ok",
        "/close_no_start",
        "/file_memory",
        "/file_plain",
        "/twice",
        "/replace_late",
        "/no_start",
        "/read_steps",
        "/closings",
    ];
    let rounds = |server: &mut Server, count: u32| {
        for round in 0..count {
            for path in paths {
                server.get(path);
            }
            let agent = format!("agent {round}");
            let mut vars: Vec<(&str, &[u8])> = browser();
            for (name, value) in &mut vars {
                match *name {
                    "PATH_INFO" => *value = b"/tuple_",
                    "HTTP_USER_AGENT" => *value = agent.as_bytes(),
                    _ => {}
                }
            }
            server.request(&vars, &mut MockBody::new(&[b"a\nb"]), MockResponse::default());
        }
        server.host.take_lines();
        census(server)
    };
    rounds(server, 20);
    let mut counts = vec![rounds(server, 20)];
    // Python may fill or empty a cache of its own once; what leaks, or is given back too often, is so every time.
    let steady = (0..3).any(|_| {
        counts.push(rounds(server, 600));
        let [.., before, after] = &counts[..] else { return false };
        let mut references = before.1.iter().zip(&after.1);
        after.0.abs_diff(before.0) < 60 && references.all(|(a, b)| a.abs_diff(*b) < 60)
    });
    assert!(steady, "objects and references: {counts:?}");
    let rss = resident_kib();
    for _ in 0..10_000 {
        server.request(&browser_hello(), &mut MockBody::new(&[]), MockResponse::default());
    }
    let grown = resident_kib().saturating_sub(rss);
    assert!(grown < 1024, "10,000 requests grew the process by {grown} KiB");
}

fn browser_hello() -> Vec<(&'static str, &'static [u8])> {
    let mut vars = browser();
    vars.iter_mut().filter(|(name, _)| *name == "PATH_INFO").for_each(|var| var.1 = b"/tuple_");
    vars
}

fn census(server: &mut Server) -> (usize, Vec<usize>) {
    let text = server.get("/census").ok();
    let (objects, references) = text.split_once('|').unwrap();
    let references = references.split(',').map(|count| count.parse().unwrap()).collect();
    (objects.parse().unwrap(), references)
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
