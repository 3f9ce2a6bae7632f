//! The uwsgi protocol: a 4-byte header and a block, of length-prefixed pairs for requests.

mod block;
mod request;

pub use block::{encode, encode_block, encode_items, items, pairs};
pub use request::decode;

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

/// Bytes of a packet's header.
pub const HEADER_BYTES: usize = 4;

/// The header of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// First modifier.
    pub modifier1: u8,
    /// Bytes of the block behind the header.
    pub datasize: usize,
    /// Second modifier.
    pub modifier2: u8,
}

/// The header at the start of `input`; `None` where it is not complete.
pub fn header(input: &[u8]) -> Option<Header> {
    let [modifier1, low, high, modifier2] = *input.first_chunk::<HEADER_BYTES>()?;
    Some(Header { modifier1, datasize: usize::from(u16::from_le_bytes([low, high])), modifier2 })
}
