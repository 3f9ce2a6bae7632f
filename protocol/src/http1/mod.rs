//! HTTP/1.1 (RFC 9110, RFC 9112): request heads, chunked bodies, response heads.

mod bytes;
mod chunked;
mod head;
mod response;

pub(crate) use bytes::decimal;
pub use chunked::{Chunk, ChunkedDecoder};
pub use head::HeadDecoder;
pub use response::{
    End, FileFrame, Frame, HEAD_BYTES_MAX, HeadError, ResponseEncoder, Rules, Wire, error_response, http_date,
};

/// Limits of a request head. A limit that is exceeded gives 414 (target) or 431.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request line or header line in bytes, without its line end.
    pub line_bytes_max: usize,
    /// Largest head in bytes, from the method to the empty line (`buffer-size`).
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

