//! `wsgi.input`.

use std::path::Path;

use uwsgi_plugin_api::BodyError;

use super::Server;
use crate::support::MockBody;

pub fn run(python: &Path) {
    let mut server = Server::probe(python);
    whole(&mut server);
    steps(&mut server);
    lines(&mut server);
    unknown_length(&mut server);
    errors(&mut server);
    seeking(&mut server);
}

fn seeking(server: &mut Server) {
    let spooled = MockBody { spooled: true, ..MockBody::new(&[b"again and again"]) };
    assert_eq!(
        server.post("/read_again", spooled).ok(),
        "[b'again and again', 0, 0, b'again', 6, b'and', OSError, 9]"
    );
}

fn whole(server: &mut Server) {
    for pieces in [vec![], vec![b"all".as_slice()], vec![b"a", b"l", b"", b"l"], vec![b"", b"all"]]
    {
        let expected: Vec<u8> = pieces.concat();
        let answer = server.post("/read_all", MockBody::new(&pieces));
        assert_eq!(answer.ok(), format!("b'{}'", String::from_utf8(expected).unwrap()));
    }
    let big = vec![b'x'; 3_000_000];
    let answer = server.post("/read_all", MockBody::new(&[&big[..1_000_000], &big[1_000_000..]]));
    assert_eq!(answer.ok().len(), 3_000_003);
}

/// The same bytes give the same answers however they come in.
fn steps(server: &mut Server) {
    let body = b"abcdef\nxyz\nrest";
    let expected = "[b'', b'abc', 3, b'def\\n', b'xy', b'z\\nrest', b'', b'', b'', [], None, []]";
    for cut in 0..body.len() {
        let answer = server.post("/read_steps", MockBody::new(&[&body[..cut], &body[cut..]]));
        assert_eq!(answer.ok(), expected, "cut at {cut}");
    }
    let bytes: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(server.post("/read_steps", MockBody::new(&bytes)).ok(), expected);
}

fn lines(server: &mut Server) {
    let body: &[&[u8]] = &[b"one\ntw", b"o\n\nthree"];
    let lines = "[b'one\\n', b'two\\n', b'\\n', b'three']";
    assert_eq!(server.post("/read_lines", MockBody::new(body)).ok(), lines);
    assert_eq!(server.post("/read_iter", MockBody::new(body)).ok(), format!("[True, {lines}]"));
    assert_eq!(
        server.post("/read_hint", MockBody::new(body)).ok(),
        "[[b'one\\n'], [b'two\\n', b'\\n', b'three'], b'']"
    );
}

fn unknown_length(server: &mut Server) {
    let body = MockBody { length: None, chunked: true, ..MockBody::new(&[b"chunk", b"ed"]) };
    assert_eq!(server.post("/read_all", body).ok(), "b'chunked'");
}

/// An error, and the texts for read(100) and for what follows.
type Case = (fn() -> BodyError, [&'static str; 2]);

fn errors(server: &mut Server) {
    let cases: [Case; 3] = [
        (
            || BodyError::Timeout,
            ["timeout during read(100) on wsgi.input", "timeout during read(0) on wsgi.input"],
        ),
        (
            || BodyError::Truncated,
            [
                "error during read(100) on wsgi.input: the client closed the connection before the body was complete",
                "error during read(0) on wsgi.input: the client closed the connection before the body was complete",
            ],
        ),
        (
            || BodyError::Malformed(uwsgi_protocol::Reject::new(400, "bad_chunk_size")),
            [
                "error during read(100) on wsgi.input: bad_chunk_size (400)",
                "error during read(0) on wsgi.input: bad_chunk_size (400)",
            ],
        ),
    ];
    for (error, [first, second]) in cases {
        let body = MockBody { length: Some(100), error: Some(error), ..MockBody::new(&[b"abc"]) };
        let text = server.post("/read_errors", body).ok();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("OSError: {first}"));
        assert_eq!(lines[1], format!("OSError: {second}"), "the error stays");
        assert_eq!(lines[2], format!("OSError: {second}"));
        assert!(lines[3].starts_with("TypeError: "), "{}", lines[3]);
        assert_eq!(lines[4], "TypeError: expected at most one argument: the size");
        assert_eq!(
            lines[5],
            "OSError: seeking wsgi.input without post_buffering is IMPOSSIBLE !!!"
        );
        assert_eq!(lines[6], "0");
        assert_eq!(lines[7], "TypeError: only the server makes these objects");
    }
}
