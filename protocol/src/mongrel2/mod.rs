//! Mongrel2's handler protocol (Mongrel2 1.12): what it sends to a handler, what a handler sends back, and the
//! requests of its control port.
//!
//! ```text
//!   34f9ceee-... 7 /path 16:6:METHOD,3:GET,}5:hello,          to the handler: sender, connection, path, headers, body
//!   34f9ceee-... 3:7 9, HTTP/1.1 200 OK ...                   from the handler: sender, connections, bytes for them
//! ```
//! ZeroMQ gives whole messages, so nothing here is incremental: a message that is cut anywhere is refused. Headers
//! in JSON are only found here, not read: that takes a parser of JSON, which the plugin brings.

pub mod control;
pub mod message;
pub mod reply;
pub mod tnetstring;

pub use message::{Headers, Limits, Message};
pub use reply::{Extended, Reply, TARGETS_MAX};

/// True for what may stand before the first space of a message: letters, digits and hyphens, one at least.
pub fn is_sender(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

/// A connection's number: 1 to 10 digits, at most 4294967295.
fn connection(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 10 {
        return None;
    }
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u64::from(byte - b'0'));
    let number = digits.iter().try_fold(0_u64, |sum, byte| Some(sum * 10 + digit(byte)?))?;
    u32::try_from(number).ok()
}
