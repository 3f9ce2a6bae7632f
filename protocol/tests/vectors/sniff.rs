//! What a connection speaks, told from the first bytes of every vector.

use uwsgi_protocol::sniff::{Guess, recognize};

use super::{Vector, report, vectors};

const UWSGI: [&str; 5] =
    ["uwsgi.request", "uwsgi.array", "uwsgi.packet", "uwsgi.exchange", "uwsgi.ping_reply"];

#[test]
fn every_vector_that_is_valid_is_recognized() {
    let mut failures = Vec::new();
    let mut recognized = 0;
    for (file, kinds, want) in [
        ("uwsgi.json", &UWSGI[..], Guess::Uwsgi),
        ("fastcgi.json", &["fastcgi.request", "fastcgi.response"], Guess::FastCgi),
        ("scgi.json", &["scgi.request"], Guess::Scgi),
        ("http.json", &["http.request", "http.response"], Guess::Http),
        ("proxy.json", &["proxy.header", "xff"], Guess::Proxy),
    ] {
        for vector in vectors(file, kinds) {
            if !is_told_by_its_bytes(&vector) {
                continue;
            }
            let whole = recognize(&vector.bytes);
            if whole != want {
                failures.push(format!("{} is {whole:?}, not {want:?}", vector.name()));
            }
            recognized += 1;
            let cut = (0..=vector.bytes.len().min(64)).map(|end| recognize(&vector.bytes[..end]));
            let certain = cut.skip_while(|guess| *guess == Guess::More);
            if let Some(other) = certain.into_iter().find(|guess| *guess != whole) {
                failures
                    .push(format!("{} byte by byte is {other:?}, not {whole:?}", vector.name()));
            }
        }
    }
    report(&failures);
    assert!(recognized > 1_200, "{recognized}");
}

/// Accepted by its own codec, and something that a client begins with.
fn is_told_by_its_bytes(vector: &Vector) -> bool {
    let expect = &vector.expect()["ok"];
    let begins = match vector.kind() {
        "http.request" => expect["requests"].as_array().is_some_and(|all| !all.is_empty()),
        "http.response" | "fastcgi.response" | "uwsgi.ping_reply" | "xff" => false,
        _ => !expect.is_null(),
    };
    begins && !vector.bytes.is_empty()
}
