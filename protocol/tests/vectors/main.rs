//! Every vector of the uwsgi protocol, FastCGI, SCGI, HTTP/1.1, Mongrel2, old clusters and what proxies say of their clients: as one read, byte by byte, and as two reads cut anywhere.
#![allow(clippy::unwrap_used)] // a vector that is not as its format says is a failed test

mod cluster;
mod fastcgi;
mod forwarded;
mod http;
mod mongrel2;
mod proxy;
mod response;
mod scgi;
mod sniff;
mod uwsgi;

use std::fmt::Debug;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors");

/// Inputs up to this size are cut at every byte, longer ones at every byte of their beginning and here and there.
const EVERY_CUT_BYTES_MAX: usize = 4096;

/// Kinds that are tested elsewhere or later, each with the reason.
const ELSEWHERE: [(&str, &str); 3] = [
    ("uwsgi.legion", "encrypted datagrams: their codec comes with the legion plugin"),
    ("uwsgi.zerg", "descriptors of a zerg server: no bytes to decode, comes with the zerg plugin"),
    ("zmtp", "what goes over ZeroMQ's own connections: libzmq's"),
];

/// One vector of a file.
struct Vector {
    json: Value,
    bytes: Vec<u8>,
}

/// The vectors of `file` by kind. Fails where a kind is neither in `tested` nor in [`ELSEWHERE`].
fn vectors(file: &str, tested: &[&str]) -> Vec<Vector> {
    let all = parsed(file);
    let all = all.as_array().unwrap();
    assert_eq!(json!(all.len()), parsed("index.json")["files"][file]["vectors"], "{file}");
    let mut found = Vec::new();
    for json in all.iter().cloned() {
        let kind = json["kind"].as_str().unwrap().to_owned();
        if ELSEWHERE.iter().any(|(other, _)| *other == kind) {
            continue;
        }
        assert!(tested.contains(&kind.as_str()), "{}: nobody tests {kind}", json["id"]);
        let bytes = match json["bin"].as_str() {
            Some(file) => std::fs::read(format!("{DIRECTORY}/{file}")).unwrap(),
            None => unhex(json["hex"].as_str().unwrap()),
        };
        assert_eq!(json!(bytes.len()), json["len"], "{}", json["id"]);
        found.push(Vector { json, bytes });
    }
    found
}

fn parsed(file: &str) -> Value {
    let text = std::fs::read_to_string(format!("{DIRECTORY}/{file}")).unwrap();
    serde_json::from_str(&text).unwrap()
}

impl Vector {
    fn kind(&self) -> &str {
        self.json["kind"].as_str().unwrap()
    }

    fn name(&self) -> String {
        format!("{} {}", self.json["id"], self.json["name"])
    }

    fn expect(&self) -> &Value {
        &self.json["expect"]
    }

    fn limit(&self, name: &str, default: usize) -> usize {
        self.json["config"][name].as_u64().map_or(default, |value| value as usize)
    }

    /// All ways to read the input.
    fn readings(&self) -> Vec<Reading> {
        let len = self.bytes.len();
        let dense = if len <= EVERY_CUT_BYTES_MAX { len } else { 1024 };
        let sparse = (dense..len).step_by(len / 64 + 1);
        let cuts = (1..dense).chain(sparse).map(Reading::CutAt);
        [Reading::Whole, Reading::ByteByByte, Reading::Steps(7)].into_iter().chain(cuts).collect()
    }
}

/// How the input comes.
#[derive(Clone, Copy, Debug)]
enum Reading {
    Whole,
    ByteByByte,
    Steps(usize),
    CutAt(usize),
}

impl Reading {
    /// How much of `len` bytes has come after the next read, where `end` had come before.
    fn next(self, end: usize, len: usize) -> usize {
        let next = match self {
            Self::Whole => len,
            Self::ByteByByte => end + 1,
            Self::Steps(step) => end + step,
            Self::CutAt(cut) if end < cut => cut,
            Self::CutAt(_) => len,
        };
        next.min(len)
    }
}

/// What is wrong where `decoded` makes something else of the input for one of `readings` than for the whole of it.
fn cut_otherwise<T: PartialEq + Debug>(
    vector: &Vector,
    readings: impl IntoIterator<Item = Reading>,
    decoded: impl Fn(&Vector, Reading) -> T,
) -> Option<String> {
    let whole = decoded(vector, Reading::Whole);
    readings.into_iter().find_map(|reading| {
        let cut = decoded(vector, reading);
        let name = vector.name();
        (cut != whole).then(|| format!("{name} {reading:?}\n  cut   {cut:?}\n  whole {whole:?}"))
    })
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Wire bytes as the vectors write them.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// A body as the vectors write it.
fn blob(bytes: &[u8]) -> Value {
    if bytes.len() <= 512 {
        return json!({"len": bytes.len(), "latin1": latin1(bytes)});
    }
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"len": bytes.len(), "sha256": digest})
}

/// Fails with the first few of `failures`.
fn report(failures: &[String]) {
    let shown = &failures[..failures.len().min(10)];
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), shown.join("\n"));
}
