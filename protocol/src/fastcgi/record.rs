//! Records: what they look like, and those that the server writes (FastCGI 1.0, 3.3 and 5).

use crate::Reject;

/// Bytes of a record's header.
pub const HEADER_BYTES: usize = 8;
/// Bytes of the largest record: header, content, padding.
pub const RECORD_BYTES_MAX: usize = HEADER_BYTES + 65_535 + 255;
/// What one record of an answer carries at the most, in bytes: a multiple of 8, as the specification recommends (3.3).
pub const CONTENT_BYTES_MAX: u16 = 65_528;

const VERSION: u8 = 1;

/// Types of records.
pub mod kinds {
    #![allow(missing_docs)] // each is its name in the specification
    pub const BEGIN_REQUEST: u8 = 1;
    pub const ABORT_REQUEST: u8 = 2;
    pub const END_REQUEST: u8 = 3;
    pub const PARAMS: u8 = 4;
    pub const STDIN: u8 = 5;
    pub const STDOUT: u8 = 6;
    pub const STDERR: u8 = 7;
    pub const DATA: u8 = 8;
    pub const GET_VALUES: u8 = 9;
    pub const GET_VALUES_RESULT: u8 = 10;
    pub const UNKNOWN_TYPE: u8 = 11;
}

/// Roles of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Role {
    /// Answers requests.
    Responder = 1,
}

/// Streams of the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Stream {
    /// The answer.
    Stdout = kinds::STDOUT,
    /// Lines for the front end's log.
    Stderr = kinds::STDERR,
}

/// How a request ended for the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ProtocolStatus {
    /// It was served.
    Complete = 0,
    /// Refused: this connection takes no second request beside the first.
    CannotMultiplex = 1,
    /// Refused: there is no room.
    Overloaded = 2,
    /// Refused: the role is not played here.
    UnknownRole = 3,
}

/// The header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// One of [`kinds`], or anything.
    pub kind: u8,
    /// The request; 0 for management records.
    pub id: u16,
    /// Bytes of content behind the header.
    pub content: usize,
    /// Bytes of padding behind the content.
    pub padding: usize,
}

impl Header {
    /// The header at the start of `input`; `None` where it is not complete.
    ///
    /// # Errors
    /// `bad_version`.
    #[inline]
    pub fn read(input: &[u8]) -> Result<Option<Self>, Reject> {
        if input.first().is_some_and(|version| *version != VERSION) {
            return Err(Reject::new(400, "bad_version"));
        }
        let Some(&[_, kind, id_high, id_low, high, low, padding, _]) = input.first_chunk() else {
            return Ok(None);
        };
        Ok(Some(Self {
            kind,
            id: u16::from_be_bytes([id_high, id_low]),
            content: usize::from(u16::from_be_bytes([high, low])),
            padding: usize::from(padding),
        }))
    }

    /// True for a record that is a part of this request: a type that nobody knows is passed over (the
    /// specification leaves room for others).
    #[inline]
    pub(super) fn is_of(&self, id: u16) -> bool {
        self.id == id && self.kind <= kinds::UNKNOWN_TYPE
    }

    /// Bytes of the whole record.
    #[inline]
    pub fn record_len(&self) -> usize {
        HEADER_BYTES + self.content + self.padding
    }
}

/// Bytes of the record that begins there, whether they are all there or not; `None` with less than a header.
pub fn record_len(input: &[u8]) -> Option<usize> {
    Some(Header::read(input).ok()??.record_len())
}

/// A record's header, without padding.
pub(super) fn header(kind: u8, id: u16, len: u16) -> [u8; HEADER_BYTES] {
    let ([id_high, id_low], [high, low]) = (id.to_be_bytes(), len.to_be_bytes());
    [VERSION, kind, id_high, id_low, high, low, 0, 0]
}

/// The header of a record of a stream; an empty one ends the stream.
pub fn stream_header(stream: Stream, id: u16, len: u16) -> [u8; HEADER_BYTES] {
    header(stream as u8, id, len)
}

/// END_REQUEST.
pub fn end_request(id: u16, app_status: u32, status: ProtocolStatus) -> [u8; 16] {
    let mut record = [0; 16];
    record[..8].copy_from_slice(&header(kinds::END_REQUEST, id, 8));
    record[8..12].copy_from_slice(&app_status.to_be_bytes());
    record[12] = status as u8;
    record
}

/// The end of the answer and of its request.
pub fn end(id: u16, app_status: u32) -> [u8; 24] {
    let mut records = [0; 24];
    records[..8].copy_from_slice(&stream_header(Stream::Stdout, id, 0));
    records[8..].copy_from_slice(&end_request(id, app_status, ProtocolStatus::Complete));
    records
}

/// GET_VALUES_RESULT with this content.
pub(super) fn values(content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap_or(u16::MAX);
    let content = &content[..usize::from(len)];
    [&header(kinds::GET_VALUES_RESULT, 0, len)[..], content].concat()
}

/// UNKNOWN_TYPE.
pub(super) fn unknown_type(kind: u8) -> Vec<u8> {
    [&header(kinds::UNKNOWN_TYPE, 0, 8)[..], &[kind, 0, 0, 0, 0, 0, 0, 0]].concat()
}

/// A whole request without a body, as a front end sends it; `None` where the variables do not fit into one record.
pub fn request(id: u16, keep_conn: bool, pairs: &[(&[u8], &[u8])]) -> Option<Vec<u8>> {
    let params = super::pairs::encode(pairs);
    let len = u16::try_from(params.len()).ok()?;
    let begin = [0, Role::Responder as u8, u8::from(keep_conn), 0, 0, 0, 0, 0];
    let end = |kind| header(kind, id, 0);
    let parts: [&[u8]; 6] = [
        &header(kinds::BEGIN_REQUEST, id, 8),
        &begin,
        &header(kinds::PARAMS, id, len),
        &params,
        &end(kinds::PARAMS),
        &end(kinds::STDIN),
    ];
    Some(parts.concat())
}
