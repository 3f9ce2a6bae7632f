//! Vectors of the multicast cluster of uWSGI 0.9.8 to 1.4.

use serde_json::{Value, json};
use uwsgi_protocol::cluster::{Datagram, decode};
use uwsgi_protocol::uwsgi;

use super::{Vector, latin1, report, unhex, vectors};

const KINDS: [&str; 2] = ["cluster.datagram", "cluster.trace"];

#[test]
fn cluster_vectors() {
    let mut failures = Vec::new();
    for vector in vectors("cluster.json", &KINDS) {
        let captured = vector.json["origin"].as_str().unwrap().starts_with("capture:");
        if vector.kind() == "cluster.trace" {
            failures.extend(trace(&vector));
            continue;
        }
        let got = datagram(&vector.bytes);
        if got != *vector.expect() {
            let want = vector.expect();
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.name()));
        }
        failures.extend(cut(&vector));
        if captured {
            failures.extend(written_otherwise(&vector.name(), &vector.bytes));
        }
    }
    report(&failures);
}

/// All datagrams of a session are understood.
fn trace(vector: &Vector) -> Vec<String> {
    let datagrams = vector.expect()["ok"]["datagrams"].as_array().unwrap();
    let all = datagrams.iter().map(|datagram| unhex(datagram["hex"].as_str().unwrap()));
    let all: Vec<_> = all.collect();
    assert_eq!(all.concat(), vector.bytes, "{}", vector.name());
    assert!(all.iter().all(|bytes| decode(bytes).is_ok()), "{}", vector.name());
    all.iter().filter_map(|bytes| written_otherwise(&vector.name(), bytes)).collect()
}

/// What is wrong where the original's bytes are not what we write.
fn written_otherwise(name: &str, bytes: &[u8]) -> Option<String> {
    let again = decode(bytes).ok()?.encode();
    (again.as_deref() != Some(bytes)).then(|| format!("{name}: written as {again:?}"))
}

/// What is wrong where a beginning of a datagram is understood.
fn cut(vector: &Vector) -> Option<String> {
    let packet = uwsgi::HEADER_BYTES + uwsgi::header(&vector.bytes)?.datasize;
    let ends = 0..packet.min(vector.bytes.len());
    let early = ends.into_iter().find(|end| decode(&vector.bytes[..*end]).is_ok());
    early.map(|end| format!("{}: understood after {end} bytes", vector.name()))
}

fn datagram(bytes: &[u8]) -> Value {
    let decoded = match decode(bytes) {
        Err(reject) => return json!({"error": reject.reason}),
        Ok(decoded) => decoded,
    };
    let header = uwsgi::header(bytes).unwrap();
    let block = &bytes[uwsgi::HEADER_BYTES..][..header.datasize];
    let mut all = json!({
        "modifier1": header.modifier1,
        "datasize": header.datasize,
        "modifier2": header.modifier2,
        "trailing": bytes.len() - uwsgi::HEADER_BYTES - header.datasize,
    });
    let own = said(&decoded, block);
    all.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
    json!({"ok": all})
}

fn said(datagram: &Datagram<'_>, block: &[u8]) -> Value {
    let pairs = || -> Vec<[String; 2]> {
        uwsgi::pairs(block).map(|pair| pair.map(|(a, b)| [latin1(a), latin1(b)]).unwrap()).collect()
    };
    let about = |action: &str, address: &[u8]| {
        let pairs = pairs();
        let last = pairs.iter().rfind(|[name, _]| name == "address");
        assert_eq!(last.map(|[_, value]| value.clone()), Some(latin1(address)));
        json!({"type": "membership", "action": action, "dict": pairs})
    };
    match datagram {
        Datagram::Hello(hostname) => json!({"type": "announce", "hostname": latin1(hostname)}),
        Datagram::Message(bytes) => {
            json!({"type": "multicast_message", "payload": latin1(bytes)})
        }
        Datagram::Node(node) => json!({
            "type": "membership",
            "action": "add",
            "dict": pairs(),
            "node": {
                "name": node.address,
                "hostname": latin1(node.hostname),
                "workers": node.workers,
                "requests": node.requests,
            },
        }),
        Datagram::Remove(address) => about("remove", address),
        Datagram::Enable(address) => about("enable", address),
        Datagram::Disable(address) => about("disable", address),
        Datagram::Log(line) => json!({"type": "log", "line": latin1(line)}),
        Datagram::Reload { confirm } => json!({"type": "reload", "confirm": confirm}),
        Datagram::BrutalReload { confirm } => {
            json!({"type": "brutal_reload", "confirm": confirm})
        }
        Datagram::OptionsRequest => json!({"type": "options_request"}),
        Datagram::Options(options) => {
            let options: Vec<_> =
                options.iter().map(|(name, value)| [latin1(name), latin1(value)]).collect();
            json!({"type": "options", "options": options})
        }
        Datagram::Ping => json!({"type": "ping"}),
        Datagram::Pong => json!({"type": "pong"}),
    }
}
