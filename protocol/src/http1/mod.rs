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
pub(crate) mod scan;

pub use accept::{Form, coding_weight, sought};
pub(crate) use bytes::trim;
pub use bytes::{decimal, is_token, is_value, list};
pub use chunked::{Chunk, ChunkLimits, ChunkedDecoder};
pub use date::http_date;
pub(crate) use fields::glue;
pub use head::HeadDecoder;
pub use refusal::{CONTINUE, Refusal, reason};
pub(crate) use request_line::is_host;
pub use request_line::percent_decode;
pub use response::{
    BodyFraming, End, FileFrame, Frame, HEAD_BYTES_MAX, HeadError, ResponseEncoder, Rules, Wire,
};

/// Limits of a request head, and how it is read. A limit that is exceeded gives 414 (in the request line) or 431.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request line in bytes, without its line end (`limit-request-line`).
    pub line_bytes_max: usize,
    /// Longest header line in bytes, without its line end (`limit-request-field-size`).
    pub field_bytes_max: usize,
    /// Largest head in bytes, from the method to the empty line, both included (`buffer-size`).
    pub head_bytes_max: usize,
    /// Most header lines (`limit-request-fields`).
    pub headers_max: usize,
    /// What is forgiven (`http-compat`).
    pub strictness: Strictness,
    /// `%2F` stays as it is in `PATH_INFO` (`http-path-info-no-decode-slashes`).
    pub keeps_slashes: bool,
}

impl Limits {
    /// What common servers take, and nothing is forgiven.
    pub const DEFAULT: Self = Self {
        line_bytes_max: 8190,
        field_bytes_max: 8190,
        head_bytes_max: 65536,
        headers_max: 100,
        strictness: Strictness::Strict,
        keeps_slashes: false,
    };
}

/// What a decoder makes of heads that RFC 9112 allows to be refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strictness {
    /// They are refused.
    #[default]
    Strict,
    /// What old clients send is understood: lines that end in a bare LF, folded lines (RFC 9112, 5.2), blanks in front
    /// of a colon, repeated equal `Content-Length`, HTTP/1.1 without `Host`; names with `_` are variables like others.
    ///
    /// Never what two readers could take for different borders of a message: both `Content-Length` and
    /// `Transfer-Encoding`, different lengths, codings other than `chunked`, faults of chunks; no folding, blank or `_`
    /// in the name or value of a header that frames the message or routes it. Nor control characters.
    Compat,
}

impl Strictness {
    /// Old clients are understood.
    pub(crate) fn forgives(self) -> bool {
        self == Self::Compat
    }
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
