//! The recorded addresses and systemd environments, and what a strict server makes of them.
#![allow(clippy::unwrap_used)] // panicking is how a test fails

use std::fs;
use std::net::Ipv6Addr;

use serde_json::{Value, json};
use uwsgi::net::address::{Address, AddressError, Host, parse};
use uwsgi::net::systemd::{self, Activated, ActivationError};

/// Input and expectation.
struct Vector {
    name: String,
    bytes: Vec<u8>,
    config: Value,
    expect: Value,
}

/// All vectors of one kind.
fn of_kind(kind: &str) -> Vec<Vector> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/sockaddr.json");
    let all: Vec<Value> = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    all.into_iter().filter(|vector| vector["kind"] == kind).map(vector).collect()
}

fn vector(value: Value) -> Vector {
    let text = |key: &str| value[key].as_str().unwrap().to_owned();
    let hex = text("hex");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    Vector {
        name: text("name"),
        bytes: (0..hex.len()).step_by(2).map(byte).collect(),
        config: value["config"].clone(),
        expect: value["expect"].clone(),
    }
}

/// A text whose characters stand for bytes.
fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

fn described(address: &Address) -> Value {
    let mut tcp = match address {
        Address::Tcp(Host::V4(ip), port) => {
            json!({"type": "tcp", "host": ip.to_string(), "port": port})
        }
        Address::Tcp(Host::V6(ip, scope), port) => {
            let mut value = json!({"type": "tcp6", "host": canonical(*ip), "port": port});
            if let Some(scope) = scope {
                value["scope"] = json!(scope);
            }
            value
        }
        Address::Tcp(Host::Name(name), port) => {
            json!({"type": "tcp-name", "host": name, "port": port})
        }
        Address::Tcp(Host::Wildcard(prefix), port) => {
            json!({"type": "tcp-wildcard", "prefix": prefix, "port": port})
        }
        Address::Unix(path) => json!({"type": "unix", "name": latin1(path)}),
        Address::Abstract(name) => json!({"type": "unix-abstract", "name": latin1(name)}),
        Address::Fd(fd) => json!({"type": "fd", "fd": fd}),
        Address::Shared(index) => json!({"type": "shared", "index": index}),
        Address::Private => unreachable!("no text means it"),
    };
    if tcp["port"] == json!(0) {
        tcp["auto_port"] = json!(true);
    }
    tcp
}

/// The vectors write mapped addresses without dots.
fn canonical(ip: Ipv6Addr) -> String {
    match ip.to_ipv4_mapped() {
        Some(_) => {
            let segments = ip.segments();
            format!("::ffff:{:x}:{:x}", segments[6], segments[7])
        }
        None => ip.to_string(),
    }
}

fn class(error: AddressError) -> &'static str {
    match error {
        AddressError::Empty => "empty",
        AddressError::NulInAddress => "nul_in_address",
        AddressError::BadSharedIndex => "bad_shared_index",
        AddressError::NoSuchSharedSocket => "no_such_shared_socket",
        AddressError::BadFd => "bad_fd",
        AddressError::BadPort => "bad_port",
        AddressError::PortOutOfRange => "port_out_of_range",
        AddressError::BadIpv4 => "bad_ipv4",
        AddressError::BadIpv6 => "bad_ipv6",
        AddressError::BadHost => "bad_host",
        AddressError::BadWildcard => "bad_wildcard",
        AddressError::EmptyUnixName => "empty_unix_name",
        AddressError::UnixPathTooLong => "unix_path_too_long",
    }
}

#[test]
fn every_address_vector_is_understood() {
    let vectors = of_kind("sockaddr");
    assert!(vectors.len() > 90, "the vectors are there");
    for vector in vectors {
        let found = match parse(&vector.bytes) {
            Ok(address) => json!({"ok": described(&address)}),
            Err(error) => json!({"error": class(error)}),
        };
        assert_eq!(found, vector.expect, "{} {:?}", vector.name, latin1(&vector.bytes));
    }
}

#[test]
fn every_systemd_vector_is_understood() {
    let vectors = of_kind("systemd.listen");
    assert!(vectors.len() > 15, "the vectors are there");
    for vector in vectors {
        let text = String::from_utf8(vector.bytes).unwrap();
        let variable = |name: &str| {
            let mut pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
            pairs.find(|(key, _)| *key == name).map(|(_, value)| value.to_owned())
        };
        let pid = u32::try_from(vector.config["pid"].as_u64().unwrap()).unwrap();
        let found = match systemd::activated(pid, variable) {
            Err(error) => json!({"error": match error {
                ActivationError::BadPid => "bad_listen_pid",
                ActivationError::BadCount => "bad_listen_fds",
                ActivationError::NamesMismatch => "fdnames_count_mismatch",
            }}),
            Ok(sockets) => activation(&sockets, &vector.expect),
        };
        assert_eq!(found, vector.expect, "{}", vector.name);
    }
}

/// The expectation with our sockets in place of its own.
fn activation(sockets: &[Activated], expect: &Value) -> Value {
    let mut found = expect.clone();
    found["ok"]["activated"] = json!(!sockets.is_empty());
    if expect["ok"].get("fds").is_some() {
        let names: Option<Vec<_>> = sockets.iter().map(|socket| socket.name.clone()).collect();
        found["ok"]["fds"] = json!(sockets.iter().map(|socket| socket.fd).collect::<Vec<_>>());
        found["ok"]["names"] = json!(names.filter(|names| !names.is_empty()));
    } else {
        assert!(sockets.is_empty());
    }
    found
}
