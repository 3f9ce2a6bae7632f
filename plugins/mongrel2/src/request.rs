//! A message becomes the variables of a request.
//!
//! Mongrel2 is the parser of HTTP here, and a lenient one (reference 5.8): what two readers could understand in two ways is
//! refused once more. Names in upper case are Mongrel2's own and may be trusted; those of clients are in lower case.

use std::borrow::Cow;

use uwsgi_protocol::Reject;
use uwsgi_protocol::fastcgi::client::RequestWriter;
use uwsgi_protocol::http1::{Version, decimal, is_token, is_value, list, percent_decode};

use crate::head::Head;
use crate::uploads::{DONE, START};

/// The number of a request on its FastCGI connection: there is one at a time.
pub(crate) const ID: u16 = 1;

/// What its answer depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) version: Version,
    pub(crate) head_request: bool,
    /// The client would keep its connection.
    pub(crate) keep_alive: bool,
    /// What follows the head are frames in both directions.
    pub(crate) websocket: bool,
}

/// How a body is announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    /// So many bytes.
    Bytes(u64),
    /// Nobody knows.
    Open,
}

/// What is the same for all requests.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// `SERVER_NAME` where the client names none.
    pub(crate) hostname: String,
    /// `mongrel2-script-name`.
    pub(crate) script_name: bool,
}

const fn bad(token: &'static str) -> Reject {
    Reject::new(400, token)
}

/// Looks at what frames the message. The body that came with it has so many bytes, unless it is told otherwise
/// (`upload`).
///
/// # Errors
/// Both `Content-Length` and `Transfer-Encoding`, several of either, one that is no number or not that of the body, a coding
/// that Mongrel2 has passed by.
pub(crate) fn length(head: &Head, body: usize, upload: bool) -> Result<Option<u64>, Reject> {
    let mut lengths = head.all(b"content-length");
    let length = lengths.next();
    if lengths.next().is_some() {
        return Err(bad("duplicate_content_length"));
    }
    let coded = head.get(b"transfer-encoding").is_some();
    let Some(length) = length else {
        // Mongrel2 stores what it knows how to decode.
        return if coded && !upload { Err(bad("unread_transfer_encoding")) } else { Ok(None) };
    };
    if coded {
        return Err(bad("content_length_with_transfer_encoding"));
    }
    let length = decimal(length).ok_or(bad("bad_content_length"))?;
    if !upload && length != body as u64 {
        return Err(bad("body_length_mismatch"));
    }
    Ok(Some(length))
}

/// Appends the request up to its body.
///
/// # Errors
/// A method, name or value that cannot be passed on, or no method.
pub(crate) fn write(
    head: &Head,
    length: Length,
    around: &Surroundings,
    out: &mut Vec<u8>,
) -> Result<Facts, Reject> {
    let own = |name: &[u8]| head.get(name).unwrap_or_default();
    let given = own(b"METHOD");
    let websocket = given == b"WEBSOCKET_HANDSHAKE";
    let method = if websocket { b"GET" } else { given };
    let protocol = own(b"VERSION");
    if !is_token(method) {
        return Err(bad("bad_method"));
    }
    let version = match protocol {
        b"HTTP/1.0" => Version::Http10,
        _ => Version::Http11,
    };
    let mut request = RequestWriter::begin(ID, true, out);
    let mut param = |name: &[u8], value: &[&[u8]]| {
        if !value.iter().all(|part| is_value(part)) {
            return Err(bad("bad_header_value"));
        }
        request.param(&[name], value);
        Ok(())
    };
    param(b"REQUEST_METHOD", &[method])?;
    param(b"SERVER_PROTOCOL", &[version.as_str().as_bytes()])?;
    let (path, query) = (own(b"PATH"), own(b"QUERY"));
    match head.get(b"URI") {
        Some(uri) => param(b"REQUEST_URI", &[uri])?,
        None if query.is_empty() => param(b"REQUEST_URI", &[path])?,
        None => param(b"REQUEST_URI", &[path, b"?", query])?,
    }
    param(b"QUERY_STRING", &[query])?;
    let (script, info) = split(path, own(b"PATTERN"), around.script_name);
    param(b"SCRIPT_NAME", &[&decoded(script)?])?;
    param(b"PATH_INFO", &[&decoded(info)?])?;
    let https = own(b"URL_SCHEME") == b"https";
    let (name, port) = host(own(b"host"), https);
    param(b"SERVER_NAME", &[if name.is_empty() { around.hostname.as_bytes() } else { name }])?;
    param(b"SERVER_PORT", &[port])?;
    param(b"REMOTE_ADDR", &[own(b"REMOTE_ADDR")])?;
    if https {
        // Where Mongrel2 says http, a trusted proxy in front of it may know better.
        param(b"HTTPS", &[b"on"])?;
    }
    if let Some(hash) = head.get(b"PEER_CERT_SHA1") {
        param(b"MONGREL2_PEER_CERT_SHA1", &[hash])?;
    }
    match length {
        Length::Bytes(bytes) => param(b"CONTENT_LENGTH", &[bytes.to_string().as_bytes()])?,
        Length::Open => {}
    }
    headers(head, &mut request)?;
    request.end_params();
    Ok(Facts {
        version,
        head_request: method == b"HEAD",
        keep_alive: keeps(head, version),
        websocket,
    })
}

/// The client's headers. One that comes several times is put together (RFC 9110, 5.3).
fn headers(head: &Head, request: &mut RequestWriter<'_>) -> Result<(), Reject> {
    let mut name_bytes = Vec::new();
    let mut fields = head.fields().peekable();
    while let Some((name, first)) = fields.next() {
        // Upper case is Mongrel2's. An underscore could stand for a hyphen; nginx drops such names, too.
        let own = name.first().is_none_or(u8::is_ascii_uppercase);
        if own
            || name.contains(&b'_')
            || [&b"content-length"[..], b"transfer-encoding", START, DONE].contains(&name)
        {
            continue;
        }
        if !is_token(name) {
            return Err(bad("bad_header_name"));
        }
        let glue: &[u8] = if name == b"cookie" { b"; " } else { b", " };
        let mut value = Cow::Borrowed(first);
        while let Some((_, more)) = fields.next_if(|(next, _)| *next == name) {
            let value = value.to_mut();
            value.extend_from_slice(glue);
            value.extend_from_slice(more);
        }
        if !is_value(&value) {
            return Err(bad("bad_header_value"));
        }
        let prefix: &[u8] = if name == b"content-type" { b"" } else { b"HTTP_" };
        name_bytes.clear();
        name_bytes.extend(name.iter().map(|byte| match byte {
            b'-' => b'_',
            byte => byte.to_ascii_uppercase(),
        }));
        request.param(&[prefix, &name_bytes], &[&value]);
    }
    Ok(())
}

fn keeps(head: &Head, version: Version) -> bool {
    let mut words = head.all(b"connection").flat_map(list);
    let mut says = |word: &[u8]| words.any(|given| given.eq_ignore_ascii_case(word));
    match version {
        Version::Http11 => !says(b"close"),
        Version::Http10 => says(b"keep-alive"),
    }
}

/// The fixed part of the route that begins the path, and the rest, where that is wanted.
fn split<'a>(path: &'a [u8], pattern: &[u8], wanted: bool) -> (&'a [u8], &'a [u8]) {
    let fixed = pattern.split(|byte| *byte == b'(').next().unwrap_or_default();
    let fixed = fixed.strip_suffix(b"/").unwrap_or(fixed);
    let rest = path.strip_prefix(fixed).filter(|rest| rest.is_empty() || rest[0] == b'/');
    match rest {
        Some(rest) if wanted => (&path[..fixed.len()], rest),
        _ => (b"", path),
    }
}

fn decoded(path: &[u8]) -> Result<Cow<'_, [u8]>, Reject> {
    if !path.contains(&b'%') {
        return Ok(path.into());
    }
    let mut out = Vec::with_capacity(path.len());
    percent_decode(path, false, &mut out);
    // What a path may not hold as it is, it may not hold in disguise: as over HTTP.
    if out.contains(&0) { Err(bad("nul_in_path")) } else { Ok(out.into()) }
}

/// Name and port of a `Host`.
fn host(value: &[u8], https: bool) -> (&[u8], &[u8]) {
    let default: &[u8] = if https { b"443" } else { b"80" };
    let bracket = value.iter().position(|byte| *byte == b']').unwrap_or(0);
    match value[bracket..].iter().position(|byte| *byte == b':') {
        Some(colon) if bracket + colon + 1 < value.len() => {
            (&value[..bracket + colon], &value[bracket + colon + 1..])
        }
        Some(colon) => (&value[..bracket + colon], default),
        None => (value, default),
    }
}

#[cfg(test)]
mod tests {
    use uwsgi_protocol::Vars;
    use uwsgi_protocol::fastcgi::{self, Progress};
    use uwsgi_protocol::mongrel2::{Headers, Limits, tnetstring};

    use super::*;

    const LIMITS: Limits = Limits { head_bytes_max: 65536, body_bytes_max: 65536, fields_max: 64 };

    fn head(fields: &[(&str, &[&str])]) -> Head {
        let mut text = Vec::new();
        for (name, values) in fields {
            tnetstring::bytes(name.as_bytes(), &mut text);
            match values {
                [one] => tnetstring::bytes(one.as_bytes(), &mut text),
                several => tnetstring::list(&mut text, |out| {
                    several.iter().for_each(|one| tnetstring::bytes(one.as_bytes(), out));
                }),
            }
        }
        let mut head = Head::default();
        head.read(Headers::Tnet(&text), &LIMITS).expect("it is well-formed");
        head
    }

    fn vars(head: &Head, script_name: bool) -> Result<Vec<String>, Reject> {
        let around = Surroundings { hostname: "here".into(), script_name };
        let mut out = Vec::new();
        write(head, Length::Bytes(0), &around, &mut out)?;
        let limits = fastcgi::Limits { head_bytes_max: 65536, vars_max: 100, connections_max: 1 };
        let mut vars = Vars::default();
        let Ok(Progress::Request(_)) = fastcgi::decode(&out, &limits, &mut vars) else {
            panic!("it is a request")
        };
        let view = vars.view(&out);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let pairs = view.iter();
        let pairs = pairs.map(|(name, value)| format!("{}={}", text(view.name(name)), text(value)));
        Ok(pairs.collect())
    }

    const PLAIN: [(&str, &[&str]); 5] = [
        ("METHOD", &["GET"]),
        ("VERSION", &["HTTP/1.1"]),
        ("PATH", &["/a%20b/c"]),
        ("PATTERN", &["/a%20b/"]),
        ("REMOTE_ADDR", &["192.0.2.1"]),
    ];

    #[test]
    fn the_environment_is_whole() {
        let more: [(&str, &[&str]); 6] = [
            ("URI", &["/a%20b/c?x=1"]),
            ("QUERY", &["x=1"]),
            ("host", &["[::1]:8080"]),
            ("cookie", &["a=1", "b=2"]),
            ("x-y", &["1", "2"]),
            ("x_y", &["forged"]),
        ];
        let vars = vars(&head(&[&PLAIN[..], &more].concat()), false).expect("it is good");
        for expected in [
            "REQUEST_METHOD=GET",
            "REQUEST_URI=/a%20b/c?x=1",
            "PATH_INFO=/a b/c",
            "SCRIPT_NAME=",
            "QUERY_STRING=x=1",
            "SERVER_NAME=[::1]",
            "SERVER_PORT=8080",
            "REMOTE_ADDR=192.0.2.1",
            "HTTP_COOKIE=a=1; b=2",
            "HTTP_X_Y=1, 2",
        ] {
            assert!(vars.iter().any(|var| var == expected), "{expected} in {vars:?}");
        }
        assert!(!vars.iter().any(|var| var.contains("forged") || var.contains("PATTERN")));
    }

    #[test]
    fn the_route_is_the_script_name_where_it_is_wanted() {
        let vars = vars(&head(&PLAIN), true).expect("it is good");
        assert!(vars.contains(&"SCRIPT_NAME=/a b".to_owned()), "{vars:?}");
        assert!(vars.contains(&"PATH_INFO=/c".to_owned()), "{vars:?}");
        for (path, pattern, expected) in [
            ("/users/7", "/users/(\\d+)", ("/users", "/7")),
            ("/x", "/", ("", "/x")),
            ("/usersx", "/users", ("", "/usersx")),
            ("/users", "/users", ("/users", "")),
        ] {
            let (script, info) = split(path.as_bytes(), pattern.as_bytes(), true);
            assert_eq!((script, info), (expected.0.as_bytes(), expected.1.as_bytes()), "{path}");
        }
    }

    #[test]
    fn what_could_be_understood_in_two_ways_is_refused() {
        let framing = |fields: &[(&str, &[&str])], body| length(&head(fields), body, false);
        assert_eq!(framing(&[("content-length", &["5"])], 5), Ok(Some(5)));
        assert_eq!(framing(&[], 0), Ok(None));
        for (fields, token) in [
            (&[("content-length", &["5", "5"][..])][..], "duplicate_content_length"),
            (
                &[("content-length", &["5"]), ("transfer-encoding", &["chunked"])],
                "content_length_with_transfer_encoding",
            ),
            (&[("transfer-encoding", &["Chunked"])], "unread_transfer_encoding"),
            (&[("content-length", &["+5"])], "bad_content_length"),
            (&[("content-length", &["6"])], "body_length_mismatch"),
        ] {
            assert_eq!(framing(fields, 5).expect_err(token).reason, token);
        }
        for (field, token) in [
            (("x y", &["1"][..]), "bad_header_name"),
            (("x", &["a\r\nb: c"]), "bad_header_value"),
            (("URI", &["/\n"]), "bad_header_value"),
        ] {
            let error = vars(&head(&[&PLAIN[..], &[field]].concat()), false).expect_err(token);
            assert_eq!(error.reason, token);
        }
        assert_eq!(vars(&head(&[]), false).expect_err("no method").reason, "bad_method");
    }
}
