//! Vectors of HTTP/1.1 requests: streams of pipelined requests, with their bodies.

use serde_json::{Value, json};
use uwsgi_protocol::http1::{
    self, Chunk, ChunkLimits, ChunkedDecoder, Framing, HeadDecoder, Limits,
};
use uwsgi_protocol::{Reject, Vars};

use super::{Reading, Vector, blob, latin1, report, vectors};

#[test]
fn http_request_vectors() {
    let mut failures = Vec::new();
    for vector in vectors("http.json", &["http.request", "http.response"]) {
        if vector.kind() != "http.request" {
            continue;
        }
        let whole = Stream::new(&vector, Reading::Whole).events();
        let (got, want) = (whole.json(), wanted(vector.expect()));
        if got != want {
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.name()));
        }
        for reading in vector.readings() {
            let cut = Stream::new(&vector, reading).events();
            if cut != whole {
                let (cut, whole) = (cut.json(), whole.json());
                let name = vector.name();
                failures.push(format!("{name} {reading:?}\n  cut   {cut}\n  whole {whole}"));
                break;
            }
        }
    }
    report(&failures);
}

/// All that came out of a stream. How a body was cut into pieces does not belong to it.
#[derive(PartialEq)]
struct Events {
    requests: Vec<Request>,
    end: End,
}

#[derive(PartialEq)]
enum End {
    /// Where a request could have begun, or behind the last one of the connection, with so many bytes left.
    Clean(usize),
    Incomplete,
    Error(Reject),
}

/// A body and the lengths of its pieces.
type Pieces = (Vec<u8>, Vec<usize>);

struct Request {
    head: http1::Head,
    vars: Vec<(Vec<u8>, Vec<u8>)>,
    body: Vec<u8>,
    /// Lengths of the body's pieces; those of the chunks, where the input came whole.
    pieces: Vec<usize>,
}

impl PartialEq for Request {
    fn eq(&self, other: &Self) -> bool {
        (self.head, &self.vars, &self.body) == (other.head, &other.vars, &other.body)
    }
}

impl Request {
    /// No other request follows it on the connection.
    fn is_last(&self) -> bool {
        !self.head.keep_alive || self.head.upgrade || self.vars[0].1 == b"CONNECT"
    }
}

/// One connection that is read to its end.
struct Stream<'a> {
    bytes: &'a [u8],
    reading: Reading,
    limits: Limits,
    chunks: ChunkLimits,
    /// Bytes that have come.
    end: usize,
    /// Bytes that are done with.
    at: usize,
}

/// How a stream went on.
enum Next {
    Request(Request),
    /// The stream ended where a request could have begun.
    Nothing,
    Incomplete,
}

impl<'a> Stream<'a> {
    fn new(vector: &'a Vector, reading: Reading) -> Self {
        let limits = Limits {
            line_bytes_max: vector.limit("max_line", 8190),
            field_bytes_max: vector.limit("max_line", 8190),
            head_bytes_max: vector.limit("max_header_bytes", 65536),
            headers_max: vector.limit("max_headers", 100),
            ..Limits::DEFAULT
        };
        let body_bytes_max = vector.limit("max_body", usize::MAX) as u64;
        let chunks = ChunkLimits { body_bytes_max, ..ChunkLimits::default() };
        Self { bytes: &vector.bytes, reading, limits, chunks, end: 0, at: 0 }
    }

    /// Bytes to decode.
    fn input(&self) -> &'a [u8] {
        &self.bytes[self.at..self.end]
    }

    /// Reads on; false at the end.
    fn read(&mut self) -> bool {
        let before = self.end;
        self.end = self.reading.next(self.end, self.bytes.len());
        self.end > before
    }

    fn events(mut self) -> Events {
        let mut requests: Vec<Request> = Vec::new();
        loop {
            let end = match self.request() {
                Ok(Next::Nothing) => End::Clean(0),
                Ok(Next::Incomplete) => End::Incomplete,
                Err(reject) => End::Error(reject),
                Ok(Next::Request(request)) => {
                    let is_last = request.is_last();
                    requests.push(request);
                    if !is_last {
                        continue;
                    }
                    End::Clean(self.bytes.len() - self.at)
                }
            };
            return Events { requests, end };
        }
    }

    fn request(&mut self) -> Result<Next, Reject> {
        let (mut decoder, mut vars) = (HeadDecoder::default(), Vars::default());
        let (head, input) = loop {
            let input = self.input();
            if let Some(head) = decoder.decode(input, &self.limits, &mut vars)? {
                break (head, input);
            }
            if !self.read() {
                let is_idle = matches!(self.input(), b"" | b"\r\n");
                return Ok(if is_idle { Next::Nothing } else { Next::Incomplete });
            }
        };
        self.at += head.consumed;
        let body = match head.framing {
            Framing::None => Some((Vec::new(), Vec::new())),
            Framing::Length(length) => self.plain(length)?.map(|body| (body, Vec::new())),
            Framing::Chunked => self.chunked()?,
        };
        let Some((body, pieces)) = body else { return Ok(Next::Incomplete) };
        let view = vars.view(input);
        let vars =
            view.iter().map(|(name, value)| (view.name(name).to_vec(), value.to_vec())).collect();
        Ok(Next::Request(Request { head, vars, body, pieces }))
    }

    fn plain(&mut self, length: u64) -> Result<Option<Vec<u8>>, Reject> {
        // As the server's upload does it: before the body is read.
        if length > self.chunks.body_bytes_max {
            return Err(Reject::new(413, "body_too_large"));
        }
        while (self.input().len() as u64) < length {
            if !self.read() {
                return Ok(None);
            }
        }
        let body = self.input()[..length as usize].to_vec();
        self.at += body.len();
        Ok(Some(body))
    }

    /// Decodes chunks to the last one.
    fn chunked(&mut self) -> Result<Option<Pieces>, Reject> {
        let mut decoder = ChunkedDecoder::new(self.chunks);
        let (mut body, mut sizes) = (Vec::new(), Vec::new());
        loop {
            let input = self.input();
            match decoder.decode(input)? {
                Chunk::Data { skip, len } => {
                    body.extend_from_slice(&input[skip..skip + len]);
                    sizes.push(len);
                    self.at += skip + len;
                }
                Chunk::End { consumed } => {
                    self.at += consumed;
                    return Ok(Some((body, sizes)));
                }
                Chunk::More { consumed } => {
                    self.at += consumed;
                    if !self.read() {
                        return Ok(None);
                    }
                }
            }
        }
    }
}

impl Events {
    fn json(&self) -> Value {
        let mut requests: Vec<_> = self.requests.iter().map(Request::json).collect();
        match self.end {
            End::Incomplete => json!({"incomplete": true, "requests": requests}),
            End::Error(Reject { reason, status }) => {
                json!({"error": reason, "status": status, "requests": requests})
            }
            End::Clean(left) => {
                if let Some(last) = requests.last_mut().filter(|_| left > 0) {
                    last["bytes_after"] = json!(left);
                }
                json!({"requests": requests})
            }
        }
    }
}

impl Request {
    fn json(&self) -> Value {
        let Self { head, vars, body, pieces } = self;
        let environ: Vec<_> =
            vars.iter().map(|(name, value)| (latin1(name), latin1(value))).collect();
        let (framing, length) = match head.framing {
            Framing::None => ("none", None),
            Framing::Length(length) => ("content-length", Some(length)),
            Framing::Chunked => ("chunked", None),
        };
        let mut request = json!({
            "method": environ[0].1,
            "environ": environ,
            "framing": framing,
            "content_length": length,
            "body": blob(body),
            "keep_alive": head.keep_alive,
            "expect_100": head.expect_continue,
            "upgrade": head.upgrade,
            "is_head": head.is_head,
        });
        if head.framing == Framing::Chunked {
            request["chunks"] = json!(pieces);
        }
        request
    }
}

/// The expectation in the same form.
fn wanted(expect: &Value) -> Value {
    let list = |requests: &Value| {
        requests.as_array().unwrap().iter().map(wanted_request).collect::<Vec<_>>()
    };
    if expect["ok"].is_object() {
        return json!({"requests": list(&expect["ok"]["requests"])});
    }
    let before = list(&expect["requests_before"]);
    match expect["error"].as_str() {
        Some(error) => json!({"error": error, "status": expect["status"], "requests": before}),
        None => json!({"incomplete": true, "requests": before}),
    }
}

fn wanted_request(request: &Value) -> Value {
    let mut wanted = json!({
        "method": request["method"],
        "environ": wanted_environ(request),
        "upgrade": request["upgrade"].is_string(),
        "is_head": request["method"] == "HEAD",
    });
    for key in ["framing", "content_length", "body", "keep_alive", "expect_100"] {
        wanted[key] = request[key].clone();
    }
    for key in ["bytes_after", "chunks"] {
        if !request[key].is_null() {
            wanted[key] = request[key].clone();
        }
    }
    wanted
}

/// The variables by the rules of CGI (RFC 3875), from the request as the vector describes it.
fn wanted_environ(request: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (form, target) = (text(&request["form"]), text(&request["target"]));
    let (mut authority, mut uri) = (None, target.clone());
    if form == "absolute" {
        let rest = target.split_once("://").unwrap().1;
        let (host, path) = rest.split_at(rest.find('/').unwrap());
        (authority, uri) = (Some(host.to_owned()), path.to_owned());
    }
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    let path = if matches!(form.as_str(), "asterisk" | "authority") { "" } else { path };
    let is_10 = request["version"] == "HTTP/1.0";
    let mut environ = vec![
        ("REQUEST_METHOD".to_owned(), text(&request["method"])),
        ("REQUEST_URI".to_owned(), uri.clone()),
        ("PATH_INFO".to_owned(), percent_decoded(path)),
        ("QUERY_STRING".to_owned(), query.to_owned()),
        ("SERVER_PROTOCOL".to_owned(), if is_10 { "HTTP/1.0" } else { "HTTP/1.1" }.to_owned()),
    ];
    for header in request["headers"].as_array().unwrap() {
        let (name, mut value) = (text(&header[0]), text(&header[1]));
        let upper = name.to_ascii_uppercase().replace('-', "_");
        if name.contains('_') || upper == "PROXY" {
            continue;
        }
        if upper == "HOST" {
            value = authority.clone().unwrap_or(value);
        }
        let bare = matches!(upper.as_str(), "CONTENT_TYPE" | "CONTENT_LENGTH");
        let name = if bare { upper } else { format!("HTTP_{upper}") };
        let glue = if name == "HTTP_COOKIE" { "; " } else { ", " };
        match environ.iter_mut().find(|(other, _)| *other == name) {
            Some((_, before)) => *before = format!("{before}{glue}{value}"),
            None => environ.push((name, value)),
        }
    }
    environ
}

fn percent_decoded(path: &str) -> String {
    let mut decoded = String::new();
    let mut rest = path;
    while let Some(first) = rest.chars().next() {
        let code = rest.get(1..3).filter(|_| first == '%');
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                decoded.push(char::from(byte));
                rest = &rest[3..];
            }
            None => {
                decoded.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    decoded
}
