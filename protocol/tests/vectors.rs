//! Every vector of the uwsgi protocol and of HTTP/1.1, whole and split at every byte.

#![allow(clippy::unwrap_used)] // panicking is how a test fails

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uwsgi_protocol::http1::{self, Chunk, ChunkedDecoder, Framing, HeadDecoder, Version};
use uwsgi_protocol::{Reject, Vars, uwsgi};

const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors");

fn vectors(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(format!("{DIRECTORY}/{file}")).unwrap();
    serde_json::from_str::<Vec<Value>>(&text).unwrap()
}

fn input(vector: &Value) -> Vec<u8> {
    match vector["bin"].as_str() {
        Some(file) => std::fs::read(format!("{DIRECTORY}/{file}")).unwrap(),
        None => hex(vector["hex"].as_str().unwrap()),
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
        .collect()
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

fn blob(bytes: &[u8]) -> Value {
    if bytes.len() <= 512 {
        return json!({"len": bytes.len(), "latin1": latin1(bytes)});
    }
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"len": bytes.len(), "sha256": digest})
}

fn limit(vector: &Value, name: &str, default: usize) -> usize {
    vector["config"][name].as_u64().map_or(default, |value| value as usize)
}

/// Feeds ever longer prefixes until the decoder has an answer. `whole`: all bytes at once.
fn feed<T>(
    bytes: &[u8],
    whole: bool,
    mut decode: impl FnMut(&[u8]) -> Result<Option<T>, Reject>,
) -> Result<Option<T>, Reject> {
    let steps = if whole { bytes.len()..=bytes.len() } else { 0..=bytes.len() };
    for end in steps {
        match decode(&bytes[..end]) {
            Ok(None) => {}
            answer => return answer,
        }
    }
    Ok(None)
}

// ---- uwsgi

fn uwsgi_request(vector: &Value, bytes: &[u8], whole: bool) -> Value {
    let limits = uwsgi::Limits {
        block_bytes_max: limit(vector, "buffer_size", 4096),
        vars_max: limit(vector, "max_vars", 128),
    };
    let mut vars = Vars::default();
    let head = match feed(bytes, whole, |input| uwsgi::decode(input, &limits, &mut vars)) {
        Err(reject) => return json!({"error": reject.reason}),
        Ok(None) if bytes.is_empty() => return json!({"error": "empty_connection"}),
        Ok(None) if bytes.len() < uwsgi::HEADER_BYTES => return json!({"incomplete": "header"}),
        Ok(None) => return json!({"incomplete": "vars"}),
        Ok(Some(head)) => head,
    };
    let max = vector["config"]["limit_post"].as_u64();
    if head.content_length.zip(max).is_some_and(|(length, max)| length > max) {
        return json!({"error": "content_length_over_limit"});
    }
    let pairs: Vec<_> = uwsgi::pairs(&bytes[uwsgi::HEADER_BYTES..head.consumed])
        .map(|pair| pair.map(|(name, value)| json!([latin1(name), latin1(value)])).unwrap())
        .collect();
    let rest = &bytes[head.consumed..];
    let wanted = head.content_length.unwrap_or(0) as usize;
    let body = &rest[..wanted.min(rest.len())];
    json!({"ok": {
        "modifier1": head.modifier1,
        "datasize": head.consumed - uwsgi::HEADER_BYTES,
        "modifier2": head.modifier2,
        "vars": pairs,
        "content_length": head.content_length,
        "body": blob(body),
        "body_complete": rest.len() >= wanted,
        "trailing": rest.len().saturating_sub(wanted),
    }})
}

/// Vectors of inter-server services have the packet form only; the services come with their plugins.
fn uwsgi_packet(bytes: &[u8]) -> Option<(uwsgi::Header, &[u8])> {
    let header = uwsgi::header(bytes)?;
    Some((header, bytes.get(uwsgi::HEADER_BYTES..uwsgi::HEADER_BYTES + header.datasize)?))
}

/// Refusals that are ours alone: the vectors list variables as they came, we also look at what they mean.
const STRICTER: &[&str] = &["conflicting_var"];

#[test]
fn uwsgi_vectors() {
    let mut failures = Vec::new();
    let mut seen = 0;
    for vector in vectors("uwsgi.json") {
        let bytes = input(&vector);
        assert_eq!(bytes.len() as u64, vector["len"].as_u64().unwrap());
        let expect = &vector["expect"];
        seen += 1;
        match vector["kind"].as_str().unwrap() {
            "uwsgi.request" => {
                for whole in [true, false] {
                    let got = uwsgi_request(&vector, &bytes, whole);
                    let stricter =
                        got["error"].as_str().is_some_and(|reason| STRICTER.contains(&reason));
                    if got != *expect && !stricter {
                        failures.push(format!(
                            "{} whole={whole}\n  got  {got}\n  want {expect}",
                            vector["id"]
                        ));
                    }
                }
            }
            "uwsgi.array" => {
                let items = uwsgi_packet(&bytes).and_then(|(_, block)| {
                    uwsgi::items(block)
                        .map(|item| item.ok().map(latin1))
                        .collect::<Option<Vec<_>>>()
                });
                let error = expect["error"].as_str();
                let fits = match error {
                    // What an array means (a function's name, how many items) is the service's matter.
                    Some("empty_function_name" | "too_many_items") => true,
                    Some(_) => items.is_none(),
                    None if !expect["incomplete"].is_null() => items.is_none(),
                    None => items.map(|items| json!(items)) == Some(expect["ok"]["items"].clone()),
                };
                if !fits {
                    failures.push(format!("{}: {expect}", vector["id"]));
                }
            }
            "uwsgi.packet" => {
                let ok = &expect["ok"];
                let Some((header, block)) = uwsgi_packet(&bytes) else {
                    if ok.is_object() {
                        failures.push(format!("{}: no packet", vector["id"]));
                    }
                    continue;
                };
                if let Some(dict) = ok["dict"].as_array() {
                    let pairs: Vec<_> = uwsgi::pairs(block)
                        .map(|pair| {
                            pair.map(|(name, value)| json!([latin1(name), latin1(value)])).unwrap()
                        })
                        .collect();
                    let head = json!([header.modifier1, header.datasize, header.modifier2]);
                    if pairs != *dict
                        || head != json!([ok["modifier1"], ok["datasize"], ok["modifier2"]])
                    {
                        failures.push(format!("{}: {pairs:?}", vector["id"]));
                    }
                }
            }
            "uwsgi.exchange" | "uwsgi.ping_reply" => {
                let header = uwsgi::header(&bytes).unwrap();
                assert_eq!(json!(header.modifier1), expect["ok"]["modifier1"], "{}", vector["id"]);
            }
            // Encrypted datagrams and descriptor passing: their codecs come with legion and zerg.
            "uwsgi.legion" | "uwsgi.zerg" => {}
            kind => panic!("unknown kind {kind}"),
        }
    }
    assert!(seen > 400);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

// ---- HTTP

/// The requests of a stream, in the vectors' form. `step` bytes arrive at a time.
fn http_stream(vector: &Value, bytes: &[u8], step: usize) -> Value {
    let mut requests = Vec::new();
    let mut at = 0;
    let problem = loop {
        if at >= bytes.len() {
            break None;
        }
        match http_one(vector, &bytes[at..], step) {
            Ok(Some((request, consumed))) => {
                at += consumed;
                let mut request = request;
                let ends = !request["keep_alive"].as_bool().unwrap()
                    || !request["upgrade"].is_null()
                    || request["method"] == "CONNECT";
                if ends && at < bytes.len() {
                    request["bytes_after"] = json!(bytes.len() - at);
                }
                requests.push(request);
                if ends {
                    break None;
                }
            }
            Ok(None) if matches!(&bytes[at..], b"\r\n") => break None,
            Ok(None) => break Some(Err("incomplete")),
            Err(reject) => break Some(Ok(reject)),
        }
    };
    match problem {
        None => json!({"ok": requests}),
        Some(Ok(reject)) => {
            json!({"error": reject.reason, "status": reject.status, "before": requests})
        }
        Some(Err(_)) => json!({"incomplete": true, "before": requests}),
    }
}

fn http_one(vector: &Value, bytes: &[u8], step: usize) -> Result<Option<(Value, usize)>, Reject> {
    let limits = http1::Limits {
        line_bytes_max: limit(vector, "max_line", 8190),
        head_bytes_max: limit(vector, "max_header_bytes", 65536) + 8192,
        headers_max: limit(vector, "max_headers", 100),
    };
    let body_max = vector["config"]["max_body"].as_u64();
    let mut decoder = HeadDecoder::default();
    let mut vars = Vars::default();
    let mut head = None;
    let mut end = 0;
    while head.is_none() && end < bytes.len() {
        end = (end + step).min(bytes.len());
        head = decoder.decode(&bytes[..end], &limits, &mut vars)?;
    }
    let Some(head) = head else { return Ok(None) };
    let rest = &bytes[head.consumed..];
    let too_large = Reject::new(413, "body_too_large");
    let (body, chunks, used) = match head.framing {
        Framing::None => (Vec::new(), None, 0),
        Framing::Length(length) if body_max.is_some_and(|max| length > max) => {
            return Err(too_large);
        }
        Framing::Length(length) if (rest.len() as u64) < length => return Ok(None),
        Framing::Length(length) => (rest[..length as usize].to_vec(), None, length as usize),
        Framing::Chunked => match chunked(rest, step, body_max)? {
            Some((body, used)) => (body, Some(()), used),
            None => return Ok(None),
        },
    };
    let request = request_json(bytes, &head, &vars, &body, chunks.is_some());
    Ok(Some((request, head.consumed + used)))
}

fn chunked(rest: &[u8], step: usize, max: Option<u64>) -> Result<Option<(Vec<u8>, usize)>, Reject> {
    let mut decoder = ChunkedDecoder::default();
    let (mut body, mut at, mut end) = (Vec::new(), 0, 0);
    loop {
        match decoder.decode(&rest[at..end])? {
            Chunk::Data { skip, len } => {
                body.extend_from_slice(&rest[at + skip..at + skip + len]);
                at += skip + len;
                if max.is_some_and(|max| body.len() as u64 > max) {
                    return Err(Reject::new(413, "body_too_large"));
                }
            }
            Chunk::End { consumed } => return Ok(Some((body, at + consumed))),
            Chunk::More { consumed } => {
                at += consumed;
                if end == rest.len() {
                    return Ok(None);
                }
                end = (end + step).min(rest.len());
            }
        }
    }
}

fn request_json(
    bytes: &[u8],
    head: &http1::Head,
    vars: &Vars,
    body: &[u8],
    chunked: bool,
) -> Value {
    let view = vars.view(bytes);
    let environ: Vec<_> =
        view.iter().map(|(name, value)| json!([latin1(view.name(name)), latin1(value)])).collect();
    let line_start = if bytes.starts_with(b"\r\n") { 2 } else { 0 };
    let line = bytes[line_start..].split(|byte| *byte == b'\r').next().unwrap();
    let mut words = line.split(|byte| *byte == b' ').map(latin1);
    json!({
        "method": words.next(),
        "target": words.next(),
        "http11": head.version == Version::Http11,
        "framing": match head.framing { Framing::None => "none", Framing::Length(_) => "content-length", Framing::Chunked => "chunked" },
        "chunked": chunked,
        "body": blob(body),
        "keep_alive": head.keep_alive,
        "expect_100": head.expect_continue,
        "upgrade": if head.upgrade { json!(true) } else { Value::Null },
        "is_head": head.is_head,
        "environ": environ,
    })
}

/// What the vector's request must look like in our form; the environ is built from its headers by the CGI rules.
fn same_request(got: &Value, want: &Value) -> bool {
    let environ = got["environ"].as_array().unwrap();
    let var = |name: &str| {
        environ.iter().find(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap())
    };
    let mut headers: Vec<(String, String)> = Vec::new();
    let absolute = want["form"] == "absolute";
    for header in want["headers"].as_array().unwrap() {
        let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
        let lower = name.to_lowercase();
        if name.contains('_')
            || lower == "proxy"
            || lower == "content-length"
            || (absolute && lower == "host")
        {
            continue;
        }
        let key = match lower.as_str() {
            "content-type" => "CONTENT_TYPE".to_owned(),
            _ => format!("HTTP_{}", name.to_ascii_uppercase().replace('-', "_")),
        };
        let glue = if lower == "cookie" { "; " } else { ", " };
        match headers.iter_mut().find(|(other, _)| *other == key) {
            Some((_, before)) => *before = format!("{before}{glue}{value}"),
            None => headers.push((key, value.to_owned())),
        }
    }
    let extra =
        environ.iter().filter(|pair| pair[0].as_str().unwrap().starts_with("HTTP_")).count();
    let expected = headers.iter().filter(|(name, _)| name.starts_with("HTTP_")).count()
        + usize::from(absolute);
    headers.iter().all(|(name, value)| var(name) == Some(value))
        && extra == expected
        && var("REQUEST_METHOD") == want["method"].as_str()
        && var("QUERY_STRING").is_some()
        && var("PATH_INFO").is_some()
        && (want["form"] != "origin" || var("REQUEST_URI") == want["target"].as_str())
        && var("HTTP_PROXY").is_none()
        && ["method", "target", "framing", "body", "keep_alive", "expect_100"]
            .iter()
            .all(|key| got[*key] == want[*key])
        && got["upgrade"].is_null() == want["upgrade"].is_null()
        && got["bytes_after"] == want["bytes_after"]
}

fn same_requests(got: &Value, want: &Value) -> bool {
    let (Some(got), Some(want)) = (got.as_array(), want.as_array()) else { return false };
    got.len() == want.len() && got.iter().zip(want).all(|(got, want)| same_request(got, want))
}

fn same_stream(got: &Value, expect: &Value) -> bool {
    if let Some(ok) = expect["ok"].as_object() {
        return same_requests(&got["ok"], &ok["requests"]);
    }
    if !expect["error"].is_null() {
        return got["error"] == expect["error"]
            && got["status"] == expect["status"]
            && same_requests(&got["before"], &expect["requests_before"]);
    }
    got["incomplete"] == true && same_requests(&got["before"], &expect["requests_before"])
}

#[test]
fn http_request_vectors() {
    let mut failures = Vec::new();
    let mut seen = 0;
    for vector in vectors("http.json") {
        if vector["kind"] != "http.request" {
            continue;
        }
        seen += 1;
        let bytes = input(&vector);
        for step in [bytes.len().max(1), 1, 7] {
            let got = http_stream(&vector, &bytes, step);
            if !same_stream(&got, &vector["expect"]) {
                let (id, name, expect) = (&vector["id"], &vector["name"], &vector["expect"]);
                failures.push(format!("{id} {name} step={step}\n  got  {got}\n  want {expect}"));
            }
        }
    }
    assert!(seen > 400);
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

// ---- answers

/// Runs an application's answer through the encoder.
fn encode(rules: http1::Rules, app: &Value) -> (Vec<u8>, http1::End) {
    let mut encoder = http1::ResponseEncoder::default();
    encoder.reset(rules);
    encoder.start(app["status"].as_str().unwrap_or("200 OK").as_bytes()).unwrap();
    for header in app["headers"].as_array().unwrap() {
        encoder
            .header(header[0].as_str().unwrap().as_bytes(), header[1].as_str().unwrap().as_bytes())
            .unwrap();
    }
    let parts: Vec<&str> = match app["body_parts"].as_array() {
        Some(parts) => parts.iter().map(|part| part.as_str().unwrap()).collect(),
        None => vec![app["body"].as_str().unwrap_or_default()],
    };
    if rules.version == Version::Http11 && app["body_parts"].is_null() {
        encoder.whole_body(parts[0].len() as u64);
    }
    encoder.seal(b"DATE");
    let mut out = encoder.head().to_vec();
    for part in parts {
        let frame = encoder.frame(part.as_bytes());
        if !frame.data.is_empty() {
            out.extend_from_slice(frame.prefix());
            out.extend_from_slice(frame.data);
            out.extend_from_slice(frame.suffix);
        }
    }
    let end = encoder.end();
    out.extend_from_slice(end.tail);
    (out, end)
}

/// Head lines sorted (their order is free) without `Date`, and the body.
fn comparable(answer: &[u8]) -> (Vec<String>, String) {
    let text = latin1(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let mut lines: Vec<_> =
        head.split("\r\n").filter(|line| !line.starts_with("Date: ")).map(str::to_owned).collect();
    lines[1..].sort();
    (lines, body.to_owned())
}

#[test]
fn http_response_vectors() {
    let mut seen = 0;
    for vector in vectors("http.json") {
        let app = &vector["expect"]["ok"]["app"];
        if vector["kind"] != "http.response" || app.is_null() {
            // 100, 101 and refusals are not the encoder's: the server writes them as they are.
            continue;
        }
        seen += 1;
        let request = vector["expect"]["ok"]["for"].as_str().unwrap();
        let rules = http1::Rules {
            wire: http1::Wire::Http,
            version: if request.contains("HTTP/1.0") { Version::Http10 } else { Version::Http11 },
            head_request: request == "HEAD",
            keep_alive: !request.contains("close"),
        };
        let (got, end) = encode(rules, app);
        assert_eq!(comparable(&got), comparable(&input(&vector)), "{}", vector["id"]);
        assert_eq!(json!(!end.keep_alive), vector["expect"]["ok"]["close"], "{}", vector["id"]);
    }
    assert_eq!(seen, 8);
}
