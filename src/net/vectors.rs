//! The recorded vectors, for tests of this room.

use serde_json::Value;

/// Input and expectation.
pub(super) struct Vector {
    pub name: String,
    pub bytes: Vec<u8>,
    pub config: Value,
    pub expect: Value,
}

/// All vectors of one kind.
pub(super) fn of_kind(kind: &str) -> Vec<Vector> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/sockaddr.json");
    let text = std::fs::read_to_string(path).expect("vectors are in the repository");
    let all: Vec<Value> = serde_json::from_str(&text).expect("vectors are JSON");
    all.into_iter().filter(|vector| vector["kind"] == kind).map(vector).collect()
}

fn vector(value: Value) -> Vector {
    let text = |key: &str| value[key].as_str().expect("a vector has texts").to_owned();
    let hex = text("hex");
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("two hex digits");
    Vector {
        name: text("name"),
        bytes: (0..hex.len()).step_by(2).map(byte).collect(),
        config: value["config"].clone(),
        expect: value["expect"].clone(),
    }
}
