//! What `http-compat` forgives and what it never does: each head read both ways.
#![allow(clippy::unwrap_used)] // what is unwrapped is what the test is about

use uwsgi_protocol::Vars;
use uwsgi_protocol::http1::{Framing, HeadDecoder, Limits, Strictness};

/// The variables of a head and how long its body is, or the class of its fault. Read whole and byte by byte.
fn read(input: &str, strictness: Strictness) -> Result<(Vec<String>, Framing), &'static str> {
    let limits = Limits { strictness, ..Limits::DEFAULT };
    let input = input.as_bytes();
    let (mut decoder, mut vars) = (HeadDecoder::default(), Vars::default());
    let mut cut = Ok(None);
    for end in 0..=input.len() {
        cut = decoder.decode(&input[..end], &limits, &mut vars);
        if !matches!(cut, Ok(None)) {
            break;
        }
    }
    let whole = decoder.decode(input, &limits, &mut vars);
    assert_eq!(cut, whole, "byte by byte: {:?}", String::from_utf8_lossy(input));
    let head = whole.map_err(|reject| reject.reason)?.expect("a complete head");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let view = vars.view(input);
    // Behind those of the request line.
    let pairs = view
        .iter()
        .skip(5)
        .map(|(name, value)| format!("{}={}", text(view.name(name)), text(value)));
    Ok((pairs.collect(), head.framing))
}

#[test]
fn what_is_forgiven() {
    let rows = [
        // head, fault where it is strict, variables where it is forgiven
        ("GET / HTTP/1.1\nHost: h\n\n", "bare_lf", "HTTP_HOST=h"),
        ("\nGET / HTTP/1.1\r\nHost: h\r\n\n", "bare_lf", "HTTP_HOST=h"),
        ("GET / HTTP/1.1\r\nHost: h\nA: 1\r\n\r\n", "bare_lf", "HTTP_HOST=h|HTTP_A=1"),
        ("GET / HTTP/1.1\r\nA: 1\r\n 2\r\nHost: h\r\n\r\n", "obs_fold", "HTTP_A=1 2|HTTP_HOST=h"),
        ("GET / HTTP/1.1\nHost: h\nA:\n\t 1 \n  2\n\n", "bare_lf", "HTTP_HOST=h|HTTP_A=1 2"),
        (
            "GET / HTTP/1.0\r\nA: 1\r\nA: 2\r\n 3\r\nB: 4\r\n\r\n",
            "obs_fold",
            "HTTP_A=1, 2 3|HTTP_B=4",
        ),
        ("GET / HTTP/1.0\r\nCookie: a;\r\n b\r\n\r\n", "obs_fold", "HTTP_COOKIE=a; b"),
        ("GET / HTTP/1.0\r\nProxy: a\r\n b\r\nC: 1\r\n\r\n", "obs_fold", "HTTP_C=1"),
        (
            "GET / HTTP/1.0\r\nX-A : 1\r\nAccept\t: 2\r\n\r\n",
            "space_before_colon",
            "HTTP_X_A=1|HTTP_ACCEPT=2",
        ),
        ("GET / HTTP/1.1\r\nA: 1\r\n\r\n", "missing_host", "HTTP_A=1"),
        (
            "GET / HTTP/1.0\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "repeated_content_length",
            "CONTENT_LENGTH=5",
        ),
        (
            "GET / HTTP/1.0\r\nContent-Length: 5, 5,5\r\n\r\n",
            "repeated_content_length",
            "CONTENT_LENGTH=5",
        ),
    ];
    for (input, fault, vars) in rows {
        assert_eq!(read(input, Strictness::Strict), Err(fault), "{input:?}");
        let (found, framing) = read(input, Strictness::Compat).unwrap();
        assert_eq!(found.join("|"), vars, "{input:?}");
        let length = vars.contains("CONTENT_LENGTH").then_some(Framing::Length(5));
        assert_eq!(framing, length.unwrap_or(Framing::None), "{input:?}");
    }
}

#[test]
fn names_with_underscores() {
    let rows = [
        // headers, strict, forgiven
        ("Foo_Bar: 1", "", "HTTP_FOO_BAR=1"),
        ("Foo_Bar: 1\r\nFoo-Bar: 2", "HTTP_FOO_BAR=2", "HTTP_FOO_BAR=1, 2"),
        (
            "X_Forwarded_For: 1\r\nX-Forwarded-For: 2",
            "HTTP_X_FORWARDED_FOR=2",
            "HTTP_X_FORWARDED_FOR=1, 2",
        ),
        ("Content_Type: a", "", "CONTENT_TYPE=a"),
        // These would frame the message in a way that no front end has seen.
        ("Content_Length: 5", "", ""),
        ("Transfer_Encoding: chunked", "", ""),
        ("Content-Length: 5\r\nContent_Length: 6", "CONTENT_LENGTH=5", "CONTENT_LENGTH=5"),
        ("Proxy: x", "", ""),
    ];
    for (headers, strict, forgiven) in rows {
        let input = format!("GET / HTTP/1.0\r\n{headers}\r\n\r\n");
        for (strictness, expected) in [(Strictness::Strict, strict), (Strictness::Compat, forgiven)]
        {
            let (found, framing) = read(&input, strictness).unwrap();
            assert_eq!(found.join("|"), expected, "{headers:?}");
            assert_eq!(framing != Framing::None, headers.contains("Content-Length"), "{headers:?}");
        }
    }
}

/// Two readers could see different borders, or different messages: the same answer in both ways.
#[test]
fn what_is_never_forgiven() {
    let rows = [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", "te_and_cl"),
        ("Content-Length: 5\r\nContent-Length: 6", "conflicting_content_length"),
        ("Content-Length: 5, 6", "conflicting_content_length"),
        ("Content-Length: 5, 05", "repeated_content_length"),
        ("Content-Length: +5", "bad_content_length"),
        ("Content-Length: 5,", "bad_content_length"),
        ("Content-Length:", "bad_content_length"),
        ("Content-Length: -1, -1", "bad_content_length"),
        ("Content-Length : 5", "space_before_colon"),
        ("Transfer-Encoding : chunked", "space_before_colon"),
        ("Transfer-Encoding\t: chunked", "space_before_colon"),
        ("Connection : close", "space_before_colon"),
        ("Host : h", "space_before_colon"),
        ("Content-Length: 5\r\n 6", "obs_fold"),
        ("Content-Length:\r\n 5", "obs_fold"),
        ("Transfer-Encoding:\r\n chunked", "obs_fold"),
        ("Host: h\r\n i", "obs_fold"),
        ("A: 1\r\n \r\n", "obs_fold"),
        (" A: 1", "leading_whitespace"),
        ("Transfer-Encoding: chunked, identity", "te_not_ending_in_chunked"),
        ("Transfer-Encoding: chunked, chunked", "chunked_twice"),
        ("Transfer-Encoding: xchunked", "te_not_ending_in_chunked"),
        ("Transfer-Encoding: \"chunked\"", "bad_transfer_encoding"),
        ("Host: h\r\nHost: h", "multiple_host"),
        ("Host: a, b", "bad_host"),
        ("A: \0", "bad_header_value"),
        ("A: \u{1}", "bad_header_value"),
        ("A: 1\r\n \u{7f}", "bad_header_value"),
        ("A: a\rb", "bare_cr"),
        ("A\0: 1", "bad_header_name"),
        ("A B: 1", "bad_header_name"),
        (": 1", "bad_header_name"),
        ("no colon", "header_without_colon"),
    ];
    for (headers, fault) in rows {
        // Without Host where the row brings its own, or begins with a blank.
        let has_own = headers.contains("Host") || headers.starts_with(' ');
        let version = if has_own { "1.0" } else { "1.1\r\nHost: h" };
        let input = format!("POST / HTTP/{version}\r\n{headers}\r\n\r\n");
        let strict = read(&input, Strictness::Strict);
        // A fold is a fault by itself, whatever else is wrong with it.
        assert!(strict == Err(fault) || strict == Err("obs_fold"), "{headers:?}: {strict:?}");
        assert_eq!(read(&input, Strictness::Compat), Err(fault), "{headers:?}");
    }
    let te_in_http10 = "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(read(te_in_http10, Strictness::Compat), Err("te_in_http10"));
}

#[test]
fn escaped_slashes_stay_where_that_is_asked_for() {
    for (keeps_slashes, path) in [(false, "/a/b /c%"), (true, "/a%2fb %2Fc%")] {
        let limits = Limits { keeps_slashes, ..Limits::DEFAULT };
        let input = b"GET /a%2fb%20%2Fc% HTTP/1.0\r\n\r\n";
        let mut vars = Vars::default();
        let head = HeadDecoder::default().decode(input, &limits, &mut vars);
        assert!(matches!(head, Ok(Some(_))));
        assert_eq!(vars.view(input).find(b"PATH_INFO"), Some(path.as_bytes()));
    }
}
