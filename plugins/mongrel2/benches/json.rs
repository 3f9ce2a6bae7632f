//! Nanoseconds to take one request apart, with all of its headers: once in JSON, once as a tnetstring.
//!
//! `cargo bench -p uwsgi-plugin-mongrel2`

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use uwsgi_plugin_mongrel2::json;
use uwsgi_protocol::mongrel2::{Headers, Limits, message};

fn main() {
    divan::main();
}

const LIMITS: Limits = Limits { head_bytes_max: 65_535, body_bytes_max: 65_535, fields_max: 64 };

/// What Mongrel2 1.12 makes of a browser's request.
const HEADERS: [(&str, &str); 16] = [
    ("PATH", "/articles/2026/11/rotating-poller"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-language", "en-GB,en;q=0.7,de;q=0.3"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("connection", "keep-alive"),
    ("cookie", "sessionid=8d969eef6ecad3c29a3a629280e686cf; csrftoken=0c3f5d5d8c1b4d0aa7e5b1"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("host", "app.example.test"),
    ("x-forwarded-for", "192.0.2.1"),
    ("METHOD", "GET"),
    ("VERSION", "HTTP/1.1"),
    ("URI", "/articles/2026/11/rotating-poller?page=2&sort=new"),
    ("QUERY", "page=2&sort=new"),
    ("PATTERN", "/articles"),
    ("URL_SCHEME", "http"),
    ("REMOTE_ADDR", "192.0.2.1"),
];

fn message_with(headers: &str, tag: char) -> String {
    let len = headers.len();
    format!("34f9ceee-cd52-4b7f-b197-88bf2f0ec378 7 /articles {len}:{headers}{tag}0:,")
}

fn fields(message: &[u8]) -> usize {
    let mut bytes = 0;
    match message::decode(message, &LIMITS).expect("a message").headers {
        Headers::Json(text) => {
            json::headers(text, &mut |name, value| bytes += name.len() + value.len())
                .expect("headers");
        }
        Headers::Tnet(dict) => {
            for field in message::fields(dict, &LIMITS) {
                let (name, value) = field.expect("a header");
                bytes += name.len() + value.len();
            }
        }
    }
    bytes
}

fn bench(bencher: Bencher<'_, '_>, message: &str) {
    let want: usize = HEADERS.iter().map(|(name, value)| name.len() + value.len()).sum();
    assert_eq!(fields(message.as_bytes()), want);
    bencher
        .counter(BytesCount::new(message.len()))
        .bench_local(|| black_box(fields(black_box(message.as_bytes()))));
}

#[divan::bench]
fn tnetstring(bencher: Bencher<'_, '_>) {
    let item = |text: &str| format!("{}:{text},", text.len());
    let dict: String = HEADERS.iter().map(|(name, value)| item(name) + &item(value)).collect();
    bench(bencher, &message_with(&dict, '}'));
}

#[cfg(feature = "json")]
#[divan::bench]
fn jansson(bencher: Bencher<'_, '_>) {
    let members = HEADERS.map(|(name, value)| format!("{name:?}:{value:?}"));
    bench(bencher, &message_with(&format!("{{{}}}", members.join(",")), ','));
}
