//! FastCGI and SCGI as a front end speaks them, written from the specifications and independent of the server's own
//! codecs.

use super::answer::Answer;
use super::{Connection, Request};

pub const BEGIN: u8 = 1;
pub const ABORT: u8 = 2;
pub const END: u8 = 3;
pub const PARAMS: u8 = 4;
pub const STDIN: u8 = 5;
pub const STDOUT: u8 = 6;
pub const STDERR: u8 = 7;
pub const GET_VALUES: u8 = 9;
pub const GET_VALUES_RESULT: u8 = 10;
pub const UNKNOWN_TYPE: u8 = 11;

/// A record with that much padding.
pub fn record(kind: u8, id: u16, content: &[u8], padding: u8) -> Vec<u8> {
    let [id_high, id_low] = id.to_be_bytes();
    let [high, low] = u16::try_from(content.len()).expect("a record's content").to_be_bytes();
    let mut bytes = vec![1, kind, id_high, id_low, high, low, padding, 0];
    bytes.extend_from_slice(content);
    bytes.resize(bytes.len() + usize::from(padding), 0xee);
    bytes
}

pub fn begin(id: u16, role: u16, keep: bool) -> Vec<u8> {
    let [high, low] = role.to_be_bytes();
    record(BEGIN, id, &[high, low, u8::from(keep), 0, 0, 0, 0, 0], 0)
}

fn length(count: usize) -> Vec<u8> {
    match u8::try_from(count) {
        Ok(short) if short < 128 => vec![short],
        _ => (u32::try_from(count).expect("a length") | 1 << 31).to_be_bytes().to_vec(),
    }
}

pub fn pairs(pairs: &[(String, String)]) -> Vec<u8> {
    let one = |(name, value): &(String, String)| {
        [length(name.len()), length(value.len()), name.clone().into(), value.clone().into()]
            .concat()
    };
    pairs.iter().flat_map(one).collect()
}

/// A stream in records of at most `size` bytes, with its end.
pub fn stream(kind: u8, id: u16, bytes: &[u8], size: usize) -> Vec<u8> {
    let mut out: Vec<u8> =
        bytes.chunks(size).flat_map(|piece| record(kind, id, piece, 3)).collect();
    out.extend(record(kind, id, b"", 0));
    out
}

/// A whole request of the responder role.
pub fn request(request: &Request, id: u16, keep: bool) -> Vec<u8> {
    in_records(request, id, keep, 65_535)
}

/// The same in records of at most `size` bytes.
pub fn in_records(request: &Request, id: u16, keep: bool, size: usize) -> Vec<u8> {
    let params = pairs(&request.cgi());
    [begin(id, 1, keep), stream(PARAMS, id, &params, size), stream(STDIN, id, &request.body, size)]
        .concat()
}

/// One record of the server.
#[derive(Debug, PartialEq)]
pub struct Record {
    pub kind: u8,
    pub id: u16,
    pub content: Vec<u8>,
}

/// All that belongs to one answer.
#[derive(Debug)]
pub struct Reply {
    pub id: u16,
    pub answer: Answer,
    pub stderr: String,
    pub app_status: u32,
    pub protocol_status: u8,
}

#[track_caller]
pub fn take_record(connection: &mut Connection) -> Record {
    let header = connection.take(8);
    assert_eq!(header[0], 1, "version of {header:?}");
    let number = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let content = connection.take(usize::from(number(4)));
    connection.take(usize::from(header[6]));
    Record { kind: header[1], id: number(2), content }
}

/// Reads records until a request is over.
#[track_caller]
pub fn reply(connection: &mut Connection, head: bool) -> Reply {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut ended = false;
    loop {
        let Record { kind, id, content } = take_record(connection);
        match kind {
            STDOUT if content.is_empty() => ended = true,
            STDOUT => {
                assert!(!ended, "output after its end");
                stdout.extend(content);
            }
            STDERR => stderr.extend(content),
            END => {
                assert_eq!(content.len(), 8, "{content:?}");
                let app_status = u32::from_be_bytes(content[..4].try_into().unwrap());
                return Reply {
                    id,
                    answer: answer(&stdout, head),
                    stderr: String::from_utf8_lossy(&stderr).into_owned(),
                    app_status,
                    protocol_status: content[4],
                };
            }
            _ => panic!("a record of type {kind}"),
        }
    }
}

/// An answer in CGI's form, or with a status line.
#[track_caller]
pub fn answer(bytes: &[u8], head: bool) -> Answer {
    let with_line = match bytes.strip_prefix(b"Status: ") {
        Some(rest) => [b"CGI ", rest].concat(),
        None => bytes.to_vec(),
    };
    Answer::whole(&with_line, head)
        .unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)))
}

/// An SCGI request.
pub fn scgi(request: &Request) -> Vec<u8> {
    let length = request.body.len().to_string();
    let mut block = format!("CONTENT_LENGTH\0{length}\0SCGI\x001\0").into_bytes();
    for (name, value) in request.cgi().iter().filter(|(name, _)| name != "CONTENT_LENGTH") {
        block.extend_from_slice(format!("{name}\0{value}\0").as_bytes());
    }
    [format!("{}:", block.len()).as_bytes(), &block, b",", &request.body].concat()
}
