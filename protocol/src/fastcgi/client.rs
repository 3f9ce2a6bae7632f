//! The other side: requests as a front end sends them, and what it reads as an answer.

use super::pairs::push_pair;
use super::record::{CONTENT_BYTES_MAX, HEADER_BYTES, Header, Role, header, kinds};
use crate::Reject;

/// Appends the records of one request.
#[derive(Debug)]
pub struct RequestWriter<'a> {
    out: &'a mut Vec<u8>,
    id: u16,
    /// Where the header of the record that is being filled begins.
    record: usize,
}

impl<'a> RequestWriter<'a> {
    /// Begins a request to a responder. `keep_conn`: another one may follow on the connection.
    pub fn begin(id: u16, keep_conn: bool, out: &'a mut Vec<u8>) -> Self {
        out.extend_from_slice(&header(kinds::BEGIN_REQUEST, id, 8));
        out.extend_from_slice(&[0, Role::Responder as u8, u8::from(keep_conn), 0, 0, 0, 0, 0]);
        let record = out.len();
        out.extend_from_slice(&[0; HEADER_BYTES]);
        Self { out, id, record }
    }

    /// Adds a variable. Its parts may come one after the other: `name` and `value` are what they make together.
    pub fn param(&mut self, name: &[&[u8]], value: &[&[u8]]) {
        push_pair(name, value, self.out);
    }

    /// Ends the variables.
    pub fn end_params(self) {
        let Self { out, id, record } = self;
        let content = record + HEADER_BYTES;
        let len = out.len() - content;
        match u16::try_from(len) {
            Ok(len @ 0..=CONTENT_BYTES_MAX) => {
                out[record..content].copy_from_slice(&header(kinds::PARAMS, id, len));
            }
            _ => {
                let params = out.split_off(content);
                out.truncate(record);
                stream(kinds::PARAMS, id, &params, out);
            }
        }
        if len > 0 {
            out.extend_from_slice(&header(kinds::PARAMS, id, 0));
        }
    }
}

/// Appends bytes of a request's body.
pub fn body(id: u16, bytes: &[u8], out: &mut Vec<u8>) {
    stream(kinds::STDIN, id, bytes, out);
}

/// Appends the end of a request's body.
pub fn end_body(id: u16, out: &mut Vec<u8>) {
    out.extend_from_slice(&header(kinds::STDIN, id, 0));
}

/// No bytes are no record: an empty one would end the stream.
fn stream(kind: u8, id: u16, bytes: &[u8], out: &mut Vec<u8>) {
    for content in bytes.chunks(usize::from(CONTENT_BYTES_MAX)) {
        out.extend_from_slice(&header(kind, id, content.len() as u16));
        out.extend_from_slice(content);
    }
}

/// What comes next of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// Bytes of the answer.
    Stdout(&'a [u8]),
    /// Bytes for the front end's log.
    Stderr(&'a [u8]),
    /// The request is over.
    End,
}

/// Reads the answer to the one request of a connection, however its bytes are cut.
///
/// ```text
///   header (8 bytes, kept here while it is not whole) | content | padding |  header ...
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct AnswerDecoder {
    header: [u8; HEADER_BYTES],
    /// Bytes of it that are there, at most [`HEADER_BYTES`].
    have: usize,
    kind: u8,
    content: usize,
    padding: usize,
}

impl AnswerDecoder {
    /// The next part of `input`, which loses what was read; `None` where more is needed. Records of a kind that an answer
    /// has not are passed over.
    ///
    /// # Errors
    /// `bad_version`.
    pub fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Part<'a>>, Reject> {
        loop {
            if self.have < HEADER_BYTES {
                let (now, rest) = input.split_at(input.len().min(HEADER_BYTES - self.have));
                self.header[self.have..self.have + now.len()].copy_from_slice(now);
                self.have += now.len();
                *input = rest;
                let Some(header) = Header::read(&self.header[..self.have])? else {
                    return Ok(None);
                };
                self.kind = header.kind;
                (self.content, self.padding) = (header.content, header.padding);
            }
            if self.content > 0 {
                let (content, rest) = input.split_at(input.len().min(self.content));
                *input = rest;
                self.content -= content.len();
                match self.kind {
                    _ if content.is_empty() => return Ok(None),
                    kinds::STDOUT => return Ok(Some(Part::Stdout(content))),
                    kinds::STDERR => return Ok(Some(Part::Stderr(content))),
                    _ => {}
                }
            }
            if self.content == 0 {
                let padding = input.len().min(self.padding);
                *input = &input[padding..];
                self.padding -= padding;
                if self.padding > 0 {
                    return Ok(None);
                }
                self.have = 0;
                if self.kind == kinds::END_REQUEST {
                    return Ok(Some(Part::End));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, Progress, Stream, decode, end, stream_header};
    use super::*;
    use crate::{Known, Vars};

    #[test]
    fn what_is_written_is_what_a_responder_reads() {
        for long in [0, 200, 70_000] {
            let mut out = Vec::new();
            let mut request = RequestWriter::begin(1, true, &mut out);
            request.param(&[b"REQUEST_", b"METHOD"], &[b"POST"]);
            request.param(&[b"HTTP_X"], &[b"a", &vec![b'x'; long]]);
            request.end_params();
            body(1, b"hello", &mut out);
            end_body(1, &mut out);
            let limits = Limits { head_bytes_max: 100_000, vars_max: 10, connections_max: 1 };
            let mut vars = Vars::default();
            let head = match decode(&out, &limits, &mut vars).expect("it is one") {
                Progress::Request(head) => head,
                other => panic!("{other:?}"),
            };
            assert!(head.keep_conn);
            let view = vars.view(&out);
            assert_eq!(view.get(Known::RequestMethod), Some(&b"POST"[..]));
            let rest = &out[head.consumed..];
            assert_eq!(rest[..8], header(kinds::STDIN, 1, 5));
            assert_eq!(&rest[8..13], b"hello");
        }
    }

    #[test]
    fn an_answer_is_read_however_it_is_cut() {
        let mut answer = stream_header(Stream::Stdout, 1, 5).to_vec();
        answer[6] = 3;
        answer.extend_from_slice(b"hello\0\0\0");
        answer.extend_from_slice(&stream_header(Stream::Stderr, 1, 2));
        answer.extend_from_slice(b"no");
        answer.extend_from_slice(&end(1, 0));
        for size in 1..=answer.len() {
            let (mut decoder, mut stdout, mut stderr) = (AnswerDecoder::default(), vec![], vec![]);
            let mut ends = 0;
            for mut piece in answer.chunks(size) {
                while let Some(part) = decoder.next(&mut piece).expect("it is well-formed") {
                    match part {
                        Part::Stdout(bytes) => stdout.extend_from_slice(bytes),
                        Part::Stderr(bytes) => stderr.extend_from_slice(bytes),
                        Part::End => ends += 1,
                    }
                }
                assert!(piece.is_empty());
            }
            assert_eq!((&stdout[..], &stderr[..], ends), (&b"hello"[..], &b"no"[..], 1));
        }
    }
}
