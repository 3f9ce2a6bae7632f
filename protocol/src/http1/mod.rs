//! HTTP/1.1 (RFC 9110, RFC 9112): request heads, chunked bodies, response heads.

mod accept;
mod bytes;
mod chunked;
mod date;
mod fields;
mod frame;
mod framing;
mod head;
mod lines;
mod refusal;
mod request_line;
mod response;
mod scan;

pub use accept::{Form, sought};
pub(crate) use bytes::{decimal, list, trim};
pub use bytes::{is_token, is_value};
pub use chunked::{Chunk, ChunkLimits, ChunkedDecoder};
pub use date::http_date;
pub(crate) use fields::glue;
pub use head::HeadDecoder;
pub use refusal::{CONTINUE, Refusal, reason};
pub(crate) use request_line::is_host;
pub use response::{
    BodyFraming, End, FileFrame, Frame, HEAD_BYTES_MAX, HeadError, ResponseEncoder, Rules, Wire,
};

/// Limits of a request head. A limit that is exceeded gives 414 (in the request line) or 431.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request line or header line in bytes, without its line end.
    pub line_bytes_max: usize,
    /// Largest head in bytes, from the method to the empty line, both included (`buffer-size`).
    pub head_bytes_max: usize,
    /// Most header lines.
    pub headers_max: usize,
}

/// Version of a request, by what it means for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1 and later 1.x.
    Http11,
}

impl Version {
    /// As `SERVER_PROTOCOL` has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
        }
    }
}

/// How long a request's body is (RFC 9112, 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body.
    None,
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A decoded request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the head with its empty line (and a skipped empty line before it). The body follows.
    pub consumed: usize,
    /// Version of the request.
    pub version: Version,
    /// The method is HEAD: the answer has no body.
    pub is_head: bool,
    /// The client allows another request on this connection.
    pub keep_alive: bool,
    /// How long the body is.
    pub framing: Framing,
    /// The client waits for `100 Continue` before it sends the body.
    pub expect_continue: bool,
    /// `Upgrade` with `Connection: upgrade` on HTTP/1.1.
    pub upgrade: bool,
}
