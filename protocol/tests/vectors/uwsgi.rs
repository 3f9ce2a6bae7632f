//! Vectors of the uwsgi protocol.

use serde_json::{Value, json};
use uwsgi_protocol::{Reject, Vars, uwsgi};

use super::{Reading, Vector, blob, cut_otherwise, latin1, report, vectors};

const KINDS: [&str; 5] =
    ["uwsgi.request", "uwsgi.array", "uwsgi.packet", "uwsgi.exchange", "uwsgi.ping_reply"];

/// The vectors list variables as they came. Repeated ones that contradict each other are refused besides
/// (reference 1.2).
const STRICTER: [&str; 4] = ["uwsgi-0035", "uwsgi-0036", "uwsgi-0110", "uwsgi-0111"];

/// Items of an RPC call at most, and what its first one must not be: rules of that service, not of arrays.
const RPC_ITEMS_MAX: usize = 255;

#[test]
fn uwsgi_vectors() {
    let mut failures = Vec::new();
    for vector in vectors("uwsgi.json", &KINDS) {
        let got = match vector.kind() {
            "uwsgi.request" => request(&vector),
            "uwsgi.array" => array(&vector),
            "uwsgi.packet" => packet(&vector),
            _ => exchange(&vector),
        };
        let want = match STRICTER.contains(&vector.json["id"].as_str().unwrap()) {
            true => json!({"error": "conflicting_var"}),
            false => vector.expect().clone(),
        };
        if got != want {
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.name()));
        }
        failures.extend(cut_otherwise(&vector, vector.readings(), decoded));
    }
    report(&failures);
}

type Decoded = (Result<Option<uwsgi::Head>, Reject>, Vec<(Vec<u8>, Vec<u8>)>);

/// What a socket that expects requests makes of the input (that of the services, too).
fn decoded(vector: &Vector, reading: Reading) -> Decoded {
    let limits = uwsgi::Limits {
        block_bytes_max: vector.limit("buffer_size", 4096),
        vars_max: vector.limit("max_vars", 128),
    };
    let bytes = &vector.bytes;
    let mut vars = Vars::default();
    let head = feed(bytes, reading, |input| uwsgi::decode(input, &limits, &mut vars));
    if !matches!(head, Ok(Some(_))) {
        return (head, Vec::new());
    }
    let view = vars.view(bytes);
    let pairs = view.iter().map(|(name, value)| (view.name(name).to_vec(), value.to_vec()));
    (head, pairs.collect())
}

/// Feeds the input until there is an answer.
pub(super) fn feed<T>(
    bytes: &[u8],
    reading: Reading,
    mut decode: impl FnMut(&[u8]) -> Result<Option<T>, Reject>,
) -> Result<Option<T>, Reject> {
    let mut end = 0;
    loop {
        end = reading.next(end, bytes.len());
        let answer = decode(&bytes[..end]);
        if end == bytes.len() || !matches!(answer, Ok(None)) {
            return answer;
        }
    }
}

fn request(vector: &Vector) -> Value {
    let bytes = &vector.bytes;
    let (head, vars) = decoded(vector, Reading::Whole);
    let head = match head {
        Err(reject) => return json!({"error": reject.reason}),
        // What a closed connection means is its owner's matter.
        Ok(None) if bytes.is_empty() => return json!({"error": "empty_connection"}),
        Ok(None) if bytes.len() < uwsgi::HEADER_BYTES => return json!({"incomplete": "header"}),
        Ok(None) => return json!({"incomplete": "vars"}),
        Ok(Some(head)) => head,
    };
    // So is how much of a body is wanted.
    let max = vector.json["config"]["limit_post"].as_u64();
    if head.content_length.zip(max).is_some_and(|(length, max)| length > max) {
        return json!({"error": "content_length_over_limit"});
    }
    let block = &bytes[uwsgi::HEADER_BYTES..head.consumed];
    let pairs: Vec<(String, String)> = uwsgi::pairs(block)
        .map(|pair| pair.map(|(name, value)| (latin1(name), latin1(value))).unwrap())
        .collect();
    let found: Vec<_> = vars.iter().map(|(name, value)| (latin1(name), latin1(value))).collect();
    assert_eq!(found, joined(&pairs), "{}", vector.name());
    let rest = &bytes[head.consumed..];
    let wanted = head.content_length.unwrap_or(0) as usize;
    json!({"ok": {
        "modifier1": head.modifier1,
        "datasize": block.len(),
        "modifier2": head.modifier2,
        "vars": pairs,
        "content_length": head.content_length,
        "body": blob(&rest[..wanted.min(rest.len())]),
        "body_complete": rest.len() >= wanted,
        "trailing": rest.len().saturating_sub(wanted),
    }})
}

/// The variables of accepted pairs: repeated headers joined, other repetitions dropped, no HTTP_PROXY.
pub(super) fn joined(pairs: &[(String, String)]) -> Vec<(String, String)> {
    let mut vars: Vec<(String, String)> = Vec::new();
    for (name, value) in pairs.iter().filter(|(name, _)| name != "HTTP_PROXY") {
        let glue = if name == "HTTP_COOKIE" { "; " } else { ", " };
        match vars.iter_mut().find(|(other, _)| other == name) {
            None => vars.push((name.clone(), value.clone())),
            Some((_, before)) if name.starts_with("HTTP_") => {
                *before = format!("{before}{glue}{value}");
            }
            Some((_, before)) => assert_eq!(before, value, "{name}"),
        }
    }
    vars
}

/// Header and block, and what follows them.
fn raw_packet(vector: &Vector) -> Option<(uwsgi::Header, &[u8], &[u8])> {
    let header = uwsgi::header(&vector.bytes)?;
    let (block, rest) = vector.bytes[uwsgi::HEADER_BYTES..].split_at_checked(header.datasize)?;
    Some((header, block, rest))
}

fn array(vector: &Vector) -> Value {
    let Some((header, block, _)) = raw_packet(vector) else {
        return json!({"incomplete": "payload"});
    };
    let items: Result<Vec<_>, _> = uwsgi::items(block).collect();
    let items = match items {
        Err(reject) => return json!({"error": reject.reason}),
        Ok(items) => items,
    };
    if header.modifier1 == 173 {
        if items.len() > RPC_ITEMS_MAX {
            return json!({"error": "too_many_items"});
        }
        if items.first().is_none_or(|name| name.is_empty()) {
            return json!({"error": "empty_function_name"});
        }
    }
    let kept = items.iter().filter(|item| !item.is_empty());
    json!({"ok": {
        "modifier1": header.modifier1,
        "modifier2": header.modifier2,
        "items": items.iter().map(|item| latin1(item)).collect::<Vec<_>>(),
        "items_as_uwsgi_2_0": kept.map(|item| latin1(item)).collect::<Vec<_>>(),
    }})
}

fn packet(vector: &Vector) -> Value {
    let Some((header, block, rest)) = raw_packet(vector) else {
        return json!({"incomplete": "payload"});
    };
    let pairs: Result<Vec<_>, _> = uwsgi::pairs(block).collect();
    let pairs = match pairs {
        Err(reject) => return json!({"error": reject.reason}),
        Ok(pairs) => pairs,
    };
    let text = |(name, value): &(&[u8], &[u8])| json!([latin1(name), latin1(value)]);
    let mut ok = json!({
        "modifier1": header.modifier1,
        "datasize": header.datasize,
        "modifier2": header.modifier2,
        "dict": pairs.iter().map(text).collect::<Vec<_>>(),
    });
    if !rest.is_empty() {
        ok["trailing"] = blob(rest);
    }
    let mut encoded = Vec::new();
    assert!(uwsgi::encode(header.modifier1, header.modifier2, &pairs, &mut encoded));
    assert_eq!(encoded, vector.bytes[..encoded.len()], "{}: encoded anew", vector.name());
    json!({"ok": ok})
}

/// What a real server answered is the matter of the services; here the request is a packet, and so is a reply to
/// a ping.
fn exchange(vector: &Vector) -> Value {
    let Some((header, block, _)) = raw_packet(vector) else {
        return json!({"incomplete": "payload"});
    };
    let mut expect = vector.expect().clone();
    expect["ok"]["modifier1"] = json!(header.modifier1);
    expect["ok"]["modifier2"] = json!(header.modifier2);
    if !expect["ok"]["datasize"].is_null() {
        expect["ok"]["datasize"] = json!(header.datasize);
    }
    if vector.kind() == "uwsgi.ping_reply" && !block.is_empty() {
        expect["ok"]["warning"] = json!(latin1(block));
    }
    expect
}
