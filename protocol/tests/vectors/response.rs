//! Vectors of answers: what an application gave, and the bytes that a client must see.

use serde_json::{Value, json};
use uwsgi_protocol::http1::{self, CONTINUE, Refusal, ResponseEncoder, Rules, Version, Wire};

use super::{Vector, latin1, vectors};

#[test]
fn http_response_vectors() {
    let all = vectors("http.json", &["http.request", "http.response"]);
    let answers: Vec<_> = all.iter().filter(|one| one.kind() == "http.response").collect();
    assert_eq!(answers.len(), 12);
    for vector in answers {
        let ok = &vector.expect()["ok"];
        match vector.json["name"].as_str().unwrap() {
            "resp_100" => assert_eq!(CONTINUE, vector.bytes),
            "resp_400" => refusal(vector, 400),
            // Written by the websocket calls, which take the connection over; they come with their own issue.
            "resp_101_ws" => {}
            "resp_conn_close_echo" => answer(vector, &json!({"headers": [], "body": "ok"})),
            _ if ok["app"].is_object() => answer(vector, &ok["app"]),
            name => panic!("nobody tests {name}"),
        }
    }
}

/// A refusal closes, and its length is given. Ours has a text for people besides.
fn refusal(vector: &Vector, status: u16) {
    let (want, _) = comparable(&vector.bytes);
    let (got, body) = comparable(&Refusal::plain(status, "id").whole(b"", false));
    assert_eq!(got[0], want[0]);
    assert!(got.contains(&"Connection: close".to_owned()), "{got:?}");
    assert!(got.contains(&format!("Content-Length: {}", body.len())), "{got:?}");
}

fn answer(vector: &Vector, app: &Value) {
    let ok = &vector.expect()["ok"];
    let request = ok["for"].as_str().unwrap();
    let rules = Rules {
        wire: Wire::Http,
        version: if request.contains("HTTP/1.0") { Version::Http10 } else { Version::Http11 },
        head_request: request == "HEAD",
        keep_alive: !request.contains("close"),
        delimited: false,
    };
    let (got, end) = encode(rules, app);
    assert_eq!(comparable(&got), comparable(&vector.bytes), "{}", vector.name());
    assert_eq!(json!(!end.keep_alive), ok["close"], "{}", vector.name());
}

/// Runs an application's answer through the encoder.
fn encode(rules: Rules, app: &Value) -> (Vec<u8>, http1::End) {
    let mut encoder = ResponseEncoder::default();
    encoder.reset(rules);
    encoder.start(app["status"].as_str().unwrap_or("200 OK").as_bytes()).unwrap();
    for header in app["headers"].as_array().unwrap() {
        let [name, value] = [0, 1].map(|at| header[at].as_str().unwrap().as_bytes());
        encoder.header(name, value).unwrap();
    }
    let parts: Vec<&str> = match app["body_parts"].as_array() {
        Some(parts) => parts.iter().map(|part| part.as_str().unwrap()).collect(),
        None => {
            let body = app["body"].as_str().unwrap();
            encoder.whole_body(body.len() as u64);
            vec![body]
        }
    };
    encoder.seal(b"Sun, 06 Nov 1994 08:49:37 GMT");
    let mut out = encoder.head().to_vec();
    for part in parts {
        let frame = encoder.frame(part.as_bytes());
        for bytes in [frame.prefix(), frame.data, frame.suffix] {
            out.extend_from_slice(bytes);
        }
    }
    let end = encoder.end();
    out.extend_from_slice(end.tail);
    (out, end)
}

/// Head lines without `Date`, headers sorted (their order is free), and the body.
fn comparable(answer: &[u8]) -> (Vec<String>, String) {
    let text = latin1(answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let lines = head.split("\r\n").filter(|line| !line.starts_with("Date: "));
    let mut lines: Vec<_> = lines.map(str::to_owned).collect();
    lines[1..].sort();
    (lines, body.to_owned())
}
