//! The uwsgi protocol: a 4-byte header and a block of length-prefixed pairs.

use crate::{Reject, Vars};

/// Limits of a packet.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest block in bytes, at most 65535 (`buffer-size`).
    pub block_bytes_max: usize,
    /// Most variables of a request (`max-vars` / 2).
    pub vars_max: usize,
}

/// A decoded request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// First modifier: which plugin.
    pub modifier1: u8,
    /// Second modifier.
    pub modifier2: u8,
    /// Bytes of the packet: header and block. The body follows.
    pub consumed: usize,
    /// `CONTENT_LENGTH`; `None` where absent or empty.
    pub content_length: Option<u64>,
}

/// Decodes the packet at the start of `input` into `vars` (cleared first); `Ok(None)` asks for more bytes.
///
/// # Errors
/// A [`Reject`] where the packet can never become valid.
pub fn decode(input: &[u8], limits: &Limits, vars: &mut Vars) -> Result<Option<Head>, Reject> {
    let _ = (input, limits, vars);
    Err(Reject::new(501, "not_written_yet"))
}
