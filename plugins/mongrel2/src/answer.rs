//! A worker's answer becomes bytes for the client: framed for HTTP, since Mongrel2 passes them on as they are.

use memchr::memmem;
use uwsgi_protocol::http1::{HEAD_BYTES_MAX, ResponseEncoder, Rules, Version, Wire};

use crate::request::Facts;

/// An answer on its way. Reused from request to request.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    encoder: ResponseEncoder,
    /// The head as the worker made it, until it is whole.
    head: Vec<u8>,
    stage: Stage,
    websocket: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// No byte was made for the client.
    #[default]
    Head,
    /// The head is out.
    Body,
    /// The protocol was changed: bytes go as they are.
    Frames,
}

/// The worker's answer is none.
#[derive(Debug)]
pub(crate) struct Malformed;

impl Answer {
    /// For another request.
    pub(crate) fn begin(&mut self, facts: &Facts) {
        self.encoder.reset(Rules {
            wire: Wire::Http,
            version: facts.version,
            head_request: facts.head_request,
            keep_alive: facts.keep_alive,
            delimited: false,
        });
        self.head.clear();
        self.stage = Stage::Head;
        self.websocket = facts.websocket;
    }

    /// True once there are bytes for the client.
    pub(crate) fn has_begun(&self) -> bool {
        self.stage != Stage::Head
    }

    /// Takes what the worker sent and appends what the client gets. `whole`: nothing follows.
    ///
    /// # Errors
    /// The worker speaks no HTTP; nothing was appended.
    pub(crate) fn take(
        &mut self,
        bytes: &[u8],
        whole: bool,
        date: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Malformed> {
        let mut bytes = bytes;
        let joined;
        if self.stage == Stage::Head {
            // Nearly always the head comes in one piece.
            if !self.head.is_empty() {
                self.head.extend_from_slice(bytes);
                joined = std::mem::take(&mut self.head);
                bytes = &joined;
            }
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                if whole || bytes.len() > HEAD_BYTES_MAX {
                    return Err(Malformed);
                }
                self.head = bytes.to_vec();
                return Ok(());
            };
            let (head, rest) = bytes.split_at(end + 4);
            bytes = rest;
            let status = self.read_head(&head[..end])?;
            if status == 101 && self.websocket {
                out.extend_from_slice(head);
                self.stage = Stage::Frames;
            } else {
                if whole {
                    self.encoder.whole_body(bytes.len() as u64);
                }
                self.encoder.seal(date);
                out.extend_from_slice(self.encoder.head());
                self.stage = Stage::Body;
            }
        }
        if self.stage == Stage::Frames {
            out.extend_from_slice(bytes);
        } else if !bytes.is_empty() {
            let frame = self.encoder.frame(bytes);
            out.extend_from_slice(frame.prefix());
            out.extend_from_slice(frame.data);
            out.extend_from_slice(frame.suffix);
        }
        Ok(())
    }

    /// Status line and headers into the encoder; returns the status.
    fn read_head(&mut self, head: &[u8]) -> Result<u16, Malformed> {
        let mut lines =
            head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
        let line = lines.next().ok_or(Malformed)?;
        let status =
            line.strip_prefix(b"HTTP/1.").and_then(|rest| rest.get(2..)).ok_or(Malformed)?;
        self.encoder.start(status).map_err(|_| Malformed)?;
        for line in lines {
            let colon = memchr::memchr(b':', line).ok_or(Malformed)?;
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            self.encoder.header(name, value).map_err(|_| Malformed)?;
        }
        Ok(self.encoder.status())
    }

    /// Appends the end of the body. False where the client's connection must close, whether because the answer is not
    /// whole or because nothing else ends it.
    pub(crate) fn end(&mut self, out: &mut Vec<u8>) -> bool {
        if self.stage != Stage::Body {
            return false;
        }
        let end = self.encoder.end();
        out.extend_from_slice(end.tail);
        end.keep_alive
    }
}

/// An answer that no worker gives, whole. `detail` says what is wrong, as a sentence.
pub(crate) fn refusal(status: u16, detail: &str, keeps: bool, date: &[u8]) -> Vec<u8> {
    let mut encoder = ResponseEncoder::default();
    let mut rules = Rules::last(Wire::Http, Version::Http11);
    rules.keep_alive = keeps;
    encoder.reset(rules);
    let body = format!("{detail}\n");
    let line = format!("{status} {}", uwsgi_protocol::http1::reason(status));
    let begun = encoder.start(line.as_bytes()).is_ok()
        && encoder.header(b"Content-Type", b"text/plain; charset=utf-8").is_ok();
    debug_assert!(begun, "a status and a constant are well-formed");
    encoder.whole_body(body.len() as u64);
    encoder.seal(date);
    [encoder.head(), body.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FACTS: Facts =
        Facts { version: Version::Http11, head_request: false, keep_alive: true, websocket: false };

    /// The bytes for the client of an answer that comes in these pieces, and whether its connection is kept.
    fn told(facts: &Facts, pieces: &[&str]) -> (String, bool) {
        let mut answer = Answer::default();
        answer.begin(facts);
        let mut out = Vec::new();
        for (at, piece) in pieces.iter().enumerate() {
            let whole = pieces.len() == 1 && at == 0;
            answer.take(piece.as_bytes(), whole, b"", &mut out).expect("it is an answer");
        }
        let keeps = answer.end(&mut out);
        (String::from_utf8(out).expect("it is text"), keeps)
    }

    #[test]
    fn bodies_have_borders() {
        let whole = "HTTP/1.1 200 OK\r\nX: y\r\n\r\nhello";
        let expected = "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 5\r\n\r\nhello";
        assert_eq!(told(&FACTS, &[whole]), (expected.to_owned(), true));
        let pieces = ["HTTP/1.1 200 OK\r\n", "\r\nhel", "lo"];
        let chunked =
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n";
        assert_eq!(told(&FACTS, &pieces), (chunked.to_owned(), true));
        let old = Facts { version: Version::Http10, keep_alive: false, ..FACTS };
        let (text, keeps) = told(&old, &pieces);
        assert!(text.ends_with("\r\n\r\nhello") && text.contains("Connection: close"), "{text}");
        assert!(!keeps);
        let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello";
        assert!(!told(&FACTS, &[short]).1, "the client must see that something is missing");
        let head = Facts { head_request: true, ..FACTS };
        let (text, keeps) = told(&head, &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]);
        assert!(keeps && text.ends_with("Content-Length: 9\r\n\r\n"), "{text}");
    }

    #[test]
    fn a_changed_protocol_passes_as_it_is() {
        let pieces = ["HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x01", "\x02"];
        let facts = Facts { websocket: true, ..FACTS };
        assert_eq!(told(&facts, &pieces).0, pieces.concat());
    }

    #[test]
    fn what_is_no_answer_is_told() {
        for (text, whole) in [
            ("nonsense\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.1 200 OK\r\nx\r\n\r\n", false),
        ] {
            let mut answer = Answer::default();
            answer.begin(&FACTS);
            assert!(answer.take(text.as_bytes(), whole, b"", &mut Vec::new()).is_err(), "{text}");
            assert!(!answer.has_begun());
        }
    }
}
