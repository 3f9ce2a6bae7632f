//! Vectors of SCGI.

use serde_json::{Value, json};
use uwsgi_protocol::{Reject, Vars, scgi};

use super::uwsgi::{feed, joined};
use super::{Reading, Vector, blob, cut_otherwise, latin1, report, vectors};

type Decoded = (Result<Option<scgi::Head>, Reject>, Vec<(String, String)>);

#[test]
fn scgi_vectors() {
    let mut failures = Vec::new();
    for vector in vectors("scgi.json", &["scgi.request"]) {
        let (got, want) = (request(&vector), vector.expect());
        if got != *want {
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.name()));
        }
        failures.extend(cut_otherwise(&vector, vector.readings(), decoded));
    }
    report(&failures);
}

fn decoded(vector: &Vector, reading: Reading) -> Decoded {
    let head_bytes_max = vector.limit("max_header", 65_536);
    let limits = scgi::Limits { head_bytes_max, vars_max: 1_000 };
    let mut vars = Vars::default();
    let head = feed(&vector.bytes, reading, |input| scgi::decode(input, &limits, &mut vars));
    if !matches!(head, Ok(Some(_))) {
        return (head, Vec::new());
    }
    let view = vars.view(&vector.bytes);
    let pairs = view.iter().map(|(name, value)| (latin1(view.name(name)), latin1(value)));
    (head, pairs.collect())
}

fn request(vector: &Vector) -> Value {
    let bytes = &vector.bytes;
    let (head, vars) = decoded(vector, Reading::Whole);
    let head = match head {
        Err(reject) => return json!({"error": reject.reason}),
        Ok(None) if bytes.is_empty() => return json!({"error": "empty_connection"}),
        Ok(None) if !bytes.contains(&b':') => return json!({"incomplete": "netstring length"}),
        Ok(None) => return json!({"incomplete": "headers"}),
        Ok(Some(head)) => head,
    };
    // What the order and the marker are worth is the vectors' own remark; here it is the input's.
    let colon = bytes.iter().position(|byte| *byte == b':').unwrap();
    let block = &bytes[colon + 1..head.consumed - 1];
    let strings: Vec<String> =
        block[..block.len() - 1].split(|byte| *byte == 0).map(latin1).collect();
    let pairs: Vec<_> = strings.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect();
    assert_eq!(vars, joined(&pairs), "{}", vector.name());
    let rest = &bytes[head.consumed..];
    let wanted = head.content_length as usize;
    json!({"ok": {
        "header_len": block.len(),
        "vars": pairs,
        "content_length": head.content_length,
        "content_length_first": pairs[0].0 == "CONTENT_LENGTH",
        "scgi_1": pairs.contains(&("SCGI".to_owned(), "1".to_owned())),
        "body": blob(&rest[..wanted.min(rest.len())]),
        "body_complete": rest.len() >= wanted,
        "trailing": rest.len().saturating_sub(wanted),
    }})
}
