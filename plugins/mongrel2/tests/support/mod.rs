//! The captured messages.

use serde_json::Value;
use uwsgi_protocol::Reject;
use uwsgi_protocol::mongrel2::{Limits, Message, message};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/mongrel2.json");
const LIMITS: Limits = Limits { head_bytes_max: 65_536, body_bytes_max: 1 << 20, fields_max: 128 };

/// A message and what it should be.
pub(crate) struct Vector {
    /// As the file has it.
    pub(crate) json: Value,
    /// The message.
    pub(crate) bytes: Vec<u8>,
}

/// All messages to a handler.
pub(crate) fn requests() -> Vec<Vector> {
    let all: Value = serde_json::from_str(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let all = all.as_array().unwrap().iter();
    let found: Vec<_> = all
        .filter(|json| json["kind"] == "mongrel2.request")
        .map(|json| Vector { bytes: unhex(json["hex"].as_str().unwrap()), json: json.clone() })
        .collect();
    assert_eq!(found.len(), 211);
    found
}

impl Vector {
    /// The message, taken apart.
    pub(crate) fn message(&self) -> Result<Message<'_>, Reject> {
        message::decode(&self.bytes, &LIMITS)
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

/// Bytes as the vectors write them.
pub(crate) fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}
