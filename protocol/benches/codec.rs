//! Nanoseconds to decode one request head, the same from every protocol, side by side with what the registry has:
//! httparse and scgi (which find the spans and stop there: no CGI names, no framing, no joined headers), and
//! tokio-fastcgi, which reads from a stream and puts the parameters into a map.
//!
//! `cargo bench -p uwsgi-protocol`

use std::net::IpAddr;

use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use uwsgi_protocol::forwarded::{XForwarded, x_forwarded};
use uwsgi_protocol::http1::{self, HeadDecoder, ResponseEncoder, Rules, Version, Wire};
use uwsgi_protocol::mongrel2::{self, Headers, message, tnetstring};
use uwsgi_protocol::{Vars, fastcgi, scgi, uwsgi};

fn main() {
    divan::main();
}

/// What a current browser sends when it follows a link.
const BROWSER: &str = concat!(
    "GET /articles/2026/11/rotating-poller?page=2&sort=new HTTP/1.1\r\n",
    "Host: app.example.test\r\n",
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n",
    "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n",
    "Accept-Language: en-GB,en;q=0.7,de;q=0.3\r\n",
    "Accept-Encoding: gzip, deflate, br, zstd\r\n",
    "Referer: https://app.example.test/articles/\r\n",
    "Connection: keep-alive\r\n",
    "Cookie: sessionid=8d969eef6ecad3c29a3a629280e686cf; csrftoken=0c3f5d5d8c1b4d0aa7e5b1\r\n",
    "Upgrade-Insecure-Requests: 1\r\n",
    "Sec-Fetch-Dest: document\r\n",
    "Sec-Fetch-Mode: navigate\r\n",
    "Sec-Fetch-Site: same-origin\r\n",
    "Priority: u=0, i\r\n",
    "\r\n",
);
/// The least that is a request.
const SMALL: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
/// A program's call, with headers that nobody knows.
const SERVICE: &str = concat!(
    "POST /v1/orders HTTP/1.1\r\nhost: orders.example.test\r\ncontent-type: application/json\r\n",
    "content-length: 512\r\nx-api-key: 7f1d\r\nx-trace-parent: 00-4bf92f3577b34da6a3ce929d0e0e4736\r\n",
    "x-tenant: blue\r\n\r\n",
);
const CASES: [&str; 3] = [BROWSER, SMALL, SERVICE];
const NAMES: [&str; 3] = ["browser", "small", "service"];

fn case(name: &str) -> &'static [u8] {
    let at = NAMES.iter().position(|other| *other == name).expect("one of NAMES");
    CASES[at].as_bytes()
}

const HEAD: http1::Limits = http1::Limits::DEFAULT;
const PACKET: uwsgi::Limits = uwsgi::Limits { block_bytes_max: 65535, vars_max: 128 };
const RECORDS: fastcgi::Limits =
    fastcgi::Limits { head_bytes_max: 65535, vars_max: 128, connections_max: 1 };
const NETSTRING: scgi::Limits = scgi::Limits { head_bytes_max: 65535, vars_max: 128 };

#[divan::bench(args = NAMES)]
fn http(bencher: Bencher<'_, '_>, name: &str) {
    let input = case(name);
    let (mut decoder, mut vars) = (HeadDecoder::default(), Vars::default());
    assert!(matches!(decoder.decode(input, &HEAD, &mut vars), Ok(Some(_))));
    bencher.counter(BytesCount::new(input.len())).bench_local(|| {
        let head = decoder.decode(black_box(input), &HEAD, &mut vars);
        black_box(head.is_ok() && !vars.is_empty())
    });
}

#[divan::bench(args = NAMES)]
fn httparse(bencher: Bencher<'_, '_>, name: &str) {
    let input = case(name);
    bencher.counter(BytesCount::new(input.len())).bench_local(|| {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        black_box(request.parse(black_box(input)).is_ok())
    });
}

#[divan::bench(args = NAMES)]
fn uwsgi_packet(bencher: Bencher<'_, '_>, name: &str) {
    let mut packet = Vec::new();
    with_pairs(name, |pairs| assert!(uwsgi::encode(0, 0, pairs, &mut packet)));
    let mut vars = Vars::default();
    assert!(matches!(uwsgi::decode(&packet, &PACKET, &mut vars), Ok(Some(_))));
    bencher.counter(BytesCount::new(packet.len())).bench_local(|| {
        let head = uwsgi::decode(black_box(&packet), &PACKET, &mut vars);
        black_box(head.is_ok() && !vars.is_empty())
    });
}

#[divan::bench(args = NAMES)]
fn fastcgi_records(bencher: Bencher<'_, '_>, name: &str) {
    let records = as_records(name);
    let mut vars = Vars::default();
    let decoded = fastcgi::decode(&records, &RECORDS, &mut vars);
    assert!(matches!(decoded, Ok(fastcgi::Progress::Request(_))));
    bencher.counter(BytesCount::new(records.len())).bench_local(|| {
        let head = fastcgi::decode(black_box(&records), &RECORDS, &mut vars);
        black_box(head.is_ok() && !vars.is_empty())
    });
}

#[divan::bench(args = NAMES)]
fn tokio_fastcgi(bencher: Bencher<'_, '_>, name: &str) {
    let records = as_records(name);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("no I/O");
    bencher.counter(BytesCount::new(records.len())).bench_local(|| {
        let sink = tokio::io::sink();
        let mut requests = tokio_fastcgi::Requests::new(black_box(&records[..]), sink, 1, 1);
        let request = runtime.block_on(requests.next()).ok().flatten();
        black_box(request.expect("a request").get_request_id())
    });
}

#[divan::bench(args = NAMES)]
fn scgi_netstring(bencher: Bencher<'_, '_>, name: &str) {
    let head = as_netstring(name);
    let mut vars = Vars::default();
    assert!(matches!(scgi::decode(&head, &NETSTRING, &mut vars), Ok(Some(_))));
    bencher.counter(BytesCount::new(head.len())).bench_local(|| {
        let head = scgi::decode(black_box(&head), &NETSTRING, &mut vars);
        black_box(head.is_ok() && !vars.is_empty())
    });
}

#[divan::bench(args = NAMES)]
fn scgi_crate(bencher: Bencher<'_, '_>, name: &str) {
    let head = as_netstring(name);
    let block = head.iter().position(|byte| *byte == b':').expect("a netstring") + 1;
    let strings = &head[block..head.len() - 1];
    bencher.counter(BytesCount::new(head.len())).bench_local(|| {
        let mut bytes = 0;
        let parsed = ::scgi::parse(black_box(strings), |name, value| {
            bytes += black_box(name).len() + black_box(value).len();
        });
        black_box(parsed.is_ok() && bytes > 0)
    });
}

#[divan::bench(args = NAMES)]
fn mongrel2_tnetstring(bencher: Bencher<'_, '_>, name: &str) {
    const LIMITS: mongrel2::Limits =
        mongrel2::Limits { head_bytes_max: 65535, body_bytes_max: 65535, fields_max: 64 };
    let message = as_message(name);
    let fields = |input| match message::decode(input, &LIMITS).map(|message| message.headers) {
        Ok(Headers::Tnet(dict)) => message::fields(dict, &LIMITS).filter(Result::is_ok).count(),
        other => panic!("{other:?}"),
    };
    assert!(fields(&message) > 0);
    bencher
        .counter(BytesCount::new(message.len()))
        .bench_local(|| black_box(fields(black_box(&message))));
}

/// Gives the variables of the request as a front end would send them.
fn with_pairs(name: &str, give: impl FnOnce(&[(&[u8], &[u8])])) {
    let head = case(name);
    let (mut decoder, mut vars) = (HeadDecoder::default(), Vars::default());
    assert!(matches!(decoder.decode(head, &HEAD, &mut vars), Ok(Some(_))));
    let view = vars.view(head);
    let pairs: Vec<_> = view.iter().map(|(name, value)| (view.name(name), value)).collect();
    give(&pairs);
}

fn as_records(name: &str) -> Vec<u8> {
    let mut records = None;
    with_pairs(name, |pairs| records = fastcgi::request(1, true, pairs));
    records.expect("fits into a record")
}

fn as_netstring(name: &str) -> Vec<u8> {
    let mut head = Vec::new();
    with_pairs(name, |pairs| {
        // The encoder writes it itself.
        let others = pairs.iter().filter(|(name, _)| *name != b"CONTENT_LENGTH").copied();
        head = scgi::encode(0, &others.collect::<Vec<_>>());
    });
    head
}

/// With the variables' own names: Mongrel2's are as long.
fn as_message(name: &str) -> Vec<u8> {
    let mut message = b"34f9ceee-cd52-4b7f-b197-88bf2f0ec378 7 /x ".to_vec();
    with_pairs(name, |pairs| {
        tnetstring::dict(&mut message, |out| {
            pairs
                .iter()
                .flat_map(|(name, value)| [name, value])
                .for_each(|text| tnetstring::bytes(text, out));
        });
    });
    tnetstring::bytes(b"", &mut message);
    message
}

/// What a trusted proxy costs a request besides.
#[divan::bench]
fn forwarded(bencher: Bencher<'_, '_>) {
    let headers = XForwarded {
        addresses: Some(b"198.51.100.7, 203.0.113.9, 10.0.0.5"),
        proto: Some(b"https"),
        ssl: None,
        host: Some(b"app.example.test"),
    };
    let ours = |ip: &IpAddr| matches!(ip, IpAddr::V4(ip) if ip.octets()[0] == 10);
    bencher.bench_local(|| {
        let claims = x_forwarded(black_box(&headers), ours);
        black_box(claims.client.is_some() && claims.scheme.is_some())
    });
}

#[divan::bench]
fn answer(bencher: Bencher<'_, '_>) {
    let mut encoder = ResponseEncoder::default();
    let rules = Rules { keep_alive: true, ..Rules::last(Wire::Http, Version::Http11) };
    bencher.bench_local(|| {
        encoder.reset(black_box(rules));
        let begun = encoder.start(black_box(b"200 OK")).is_ok()
            && encoder.header(black_box(b"Content-Type"), b"text/html; charset=utf-8").is_ok()
            && encoder.header(black_box(b"X-Frame-Options"), b"DENY").is_ok();
        encoder.whole_body(12);
        encoder.seal(b"Sun, 06 Nov 1994 08:49:37 GMT");
        let frame = encoder.frame(black_box(b"hello world\n"));
        black_box(begun && frame.data.len() == 12)
    });
}
