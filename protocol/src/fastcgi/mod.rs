//! FastCGI 1.0, the responder role: the application's side, and in [`client`] the front end's.
//!
//! ```text
//!   BEGIN_REQUEST  PARAMS.. PARAMS(empty)  STDIN.. STDIN(empty)       from the front end
//!   STDERR..  STDOUT.. STDOUT(empty)  END_REQUEST                     to it
//! ```
//! Records of several requests may interleave on one connection. Here requests are looked at one after the other:
//! [`sort`] brings the records of the first one together, and [`StdinDecoder`] says what is not its own.

pub mod client;
mod head;
mod pairs;
mod record;
mod stdin;

pub use head::{Head, Limits, Progress, decode, sort};
pub use record::{
    CONTENT_BYTES_MAX, HEADER_BYTES, Header, ProtocolStatus, RECORD_BYTES_MAX, Role, Stream, end,
    end_request, kinds, record_len, request, stream_header,
};
pub use stdin::{Piece, StdinDecoder};
