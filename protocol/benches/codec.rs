//! Nanoseconds to decode one request: ours, and the parser that most servers use.

use divan::{Bencher, black_box};
use uwsgi_protocol::http1::{self, HeadDecoder};
use uwsgi_protocol::{Vars, uwsgi};

fn main() {
    divan::main();
}

const BROWSER: &[u8] = b"GET /polls/7/?page=2 HTTP/1.1\r\nHost: www.example.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate, br\r\n\
    Connection: keep-alive\r\nCookie: sessionid=abcdefghijklmnopqrstuvwxyz012345; csrftoken=ABCDEFGHIJKLMNOPQRSTUVWXYZ\r\nUpgrade-Insecure-Requests: 1\r\n\
    Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\nCache-Control: max-age=0\r\n\r\n";
const ONE_HEADER: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

#[derive(Clone, Copy, Debug)]
enum Head {
    Browser,
    OneHeader,
}

impl Head {
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Browser => BROWSER,
            Self::OneHeader => ONE_HEADER,
        }
    }
}

const HEAD: http1::Limits = http1::Limits { line_bytes_max: 8190, head_bytes_max: 65536, headers_max: 100 };
const PACKET: uwsgi::Limits = uwsgi::Limits { block_bytes_max: 65535, vars_max: 128 };

#[divan::bench(args = [Head::Browser, Head::OneHeader])]
fn http_to_variables(bencher: Bencher<'_, '_>, head: Head) {
    let (input, mut decoder, mut vars) = (head.bytes(), HeadDecoder::default(), Vars::default());
    bencher.bench_local(|| decoder.decode(black_box(input), &HEAD, &mut vars).is_ok());
}

#[divan::bench(args = [Head::Browser, Head::OneHeader])]
fn httparse_to_headers(bencher: Bencher<'_, '_>, head: Head) {
    let input = head.bytes();
    bencher.bench_local(|| {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        httparse::Request::new(&mut headers).parse(black_box(input)).is_ok()
    });
}

#[divan::bench(args = [Head::Browser, Head::OneHeader])]
fn uwsgi_to_variables(bencher: Bencher<'_, '_>, head: Head) {
    let (mut decoder, mut vars) = (HeadDecoder::default(), Vars::default());
    let input = head.bytes();
    decoder.decode(input, &HEAD, &mut vars).expect("a valid head");
    let view = vars.view(input);
    let pairs: Vec<(&[u8], &[u8])> = view.iter().map(|(name, value)| (view.name(name), value)).collect();
    let mut packet = Vec::new();
    assert!(uwsgi::encode(0, 0, &pairs, &mut packet));
    let mut decoded = Vars::default();
    bencher.bench_local(|| uwsgi::decode(black_box(&packet), &PACKET, &mut decoded).is_ok());
}
