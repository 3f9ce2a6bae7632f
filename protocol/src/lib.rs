//! Wire codecs: bytes in, events out; bytes out. No I/O, no clock, no global state.
//!
//! Every decoder is incremental: it is called with all bytes received so far and either asks for more
//! or answers with spans over the caller's buffer. Every limit is a parameter. Untrusted input never
//! panics; it becomes a [`Reject`].
#![forbid(unsafe_code)]

pub mod cluster;
pub mod fastcgi;
pub mod forwarded;
pub mod http1;
pub mod mongrel2;
pub mod proxy;
pub mod scgi;
pub mod sniff;
pub mod uwsgi;
pub mod vars;
pub mod websocket;

#[doc(hidden)]
pub mod fuzzing;
mod names;
mod pairs;
mod reject;

pub use reject::Reject;
pub use vars::{Known, Name, Span, Vars, VarsView};
