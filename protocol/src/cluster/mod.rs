//! Datagrams of the multicast cluster of uWSGI 0.9.7 to 1.4 (protocol reference, section 6): a packet of the uwsgi protocol each.
//!
//! Nothing is signed, numbered or acknowledged; whoever sends one is believed. What that means is the matter of the node.

mod encode;

use std::net::Ipv4Addr;

use crate::Reject;
use crate::uwsgi::{HEADER_BYTES, Header, header, pairs};

/// Most bytes of a datagram that old nodes take: header and block.
pub const DATAGRAM_BYTES_MAX: usize = 4_096;
/// Most bytes of a block that is taken.
pub const BLOCK_BYTES_MAX: usize = 4_096;
/// Bytes of an address in a table of nodes.
pub const ADDRESS_BYTES_MAX: usize = 100;
/// Bytes of a host's name there.
pub const HOSTNAME_BYTES_MAX: usize = 254;

/// First modifiers.
pub mod modifier {
    /// A node has come: its host's name.
    pub const HELLO: u8 = 73;
    /// Bytes of an application.
    pub const MESSAGE: u8 = 74;
    /// A node tells of itself; or (modifier2 1, 2, 3) one is to be removed, enabled, disabled.
    pub const NODE: u8 = 95;
    /// A line for the log.
    pub const LOG: u8 = 96;
    /// Reload at once.
    pub const BRUTAL_RELOAD: u8 = 97;
    /// Reload gracefully.
    pub const RELOAD: u8 = 98;
    /// Options are asked for; or (modifier2 1) told.
    pub const OPTIONS: u8 = 99;
    /// Are you there; or (any modifier2 but 0) yes.
    pub const PING: u8 = 100;
}

/// What a datagram says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Datagram<'a> {
    /// A node has come: the name of its host. Any bytes, as in [`Datagram::Log`].
    Hello(&'a [u8]),
    /// Bytes of an application.
    Message(&'a [u8]),
    /// A node is there.
    Node(Node<'a>),
    /// The node at this address is gone. Documented, but nothing of uWSGI's sends it, nor the next two.
    Remove(&'a [u8]),
    /// The node at this address takes requests again.
    Enable(&'a [u8]),
    /// The node at this address is to get no requests.
    Disable(&'a [u8]),
    /// A line for the log, often with its newline.
    Log(&'a [u8]),
    /// Reload gracefully. Old nodes answer to `confirm` in no way.
    Reload {
        /// An answer is wanted.
        confirm: bool,
    },
    /// Reload at once. Documented, not heeded by any version.
    BrutalReload {
        /// An answer is wanted.
        confirm: bool,
    },
    /// Whoever has options is to tell them to the group.
    OptionsRequest,
    /// The options of a node in their order, at least one.
    Options(Vec<(&'a [u8], &'a [u8])>),
    /// Are you there?
    Ping,
    /// Yes.
    Pong,
}

/// What a node tells of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node<'a> {
    /// Name of its host, at most [`HOSTNAME_BYTES_MAX`].
    pub hostname: &'a [u8],
    /// Its first socket, `192.0.2.1:3031` or `:3031`; see [`address`].
    pub address: &'a str,
    /// Worker processes.
    pub workers: u32,
    /// Requests so far; all versions say 0.
    pub requests: u64,
}

/// What a datagram says. Bytes behind its packet are not looked at.
///
/// # Errors
/// Status 400, and the classes of `tests/vectors/cluster.json`.
pub fn decode(datagram: &[u8]) -> Result<Datagram<'_>, Reject> {
    let Header { modifier1, datasize, modifier2 } =
        header(datagram).ok_or(reject("short_datagram"))?;
    if datasize > BLOCK_BYTES_MAX {
        return Err(reject("packet_too_big"));
    }
    let block = &datagram[HEADER_BYTES..];
    let block = block.get(..datasize).ok_or(reject("truncated_datagram"))?;
    Ok(match (modifier1, modifier2) {
        (modifier::HELLO, _) => Datagram::Hello(block),
        (modifier::MESSAGE, _) => Datagram::Message(block),
        (modifier::NODE, 0) => Datagram::Node(Fields::read(block)?.node()?),
        (modifier::NODE, 1) => Datagram::Remove(Fields::read(block)?.address()?),
        (modifier::NODE, 2) => Datagram::Enable(Fields::read(block)?.address()?),
        (modifier::NODE, 3) => Datagram::Disable(Fields::read(block)?.address()?),
        (modifier::LOG, _) => Datagram::Log(block),
        (modifier::BRUTAL_RELOAD, confirm) => Datagram::BrutalReload { confirm: confirm == 1 },
        (modifier::RELOAD, confirm) => Datagram::Reload { confirm: confirm == 1 },
        (modifier::OPTIONS, 0) => Datagram::OptionsRequest,
        (modifier::OPTIONS, 1) if block.is_empty() => return Err(reject("empty_options")),
        (modifier::OPTIONS, 1) => Datagram::Options(pairs(block).collect::<Result<_, _>>()?),
        (modifier::NODE | modifier::OPTIONS, _) => return Err(reject("bad_action")),
        (modifier::PING, 0) => Datagram::Ping,
        (modifier::PING, _) => Datagram::Pong,
        _ => return Err(reject("unknown_modifier")),
    })
}

/// Address and port of a node's socket; no address in `:3031`, which means wherever the datagram came from.
pub fn address(text: &[u8]) -> Option<(Option<Ipv4Addr>, u16)> {
    let colon = text.iter().rposition(|byte| *byte == b':')?;
    let (ip, port) = (&text[..colon], &text[colon + 1..]);
    let port =
        number(port, 5).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0)?;
    if ip.is_empty() {
        return Some((None, port));
    }
    let (mut octets, mut count) = ([0; 4], 0);
    for part in ip.split(|byte| *byte == b'.') {
        *octets.get_mut(count)? = number(part, 3).and_then(|octet| u8::try_from(octet).ok())?;
        count += 1;
    }
    (count == 4).then_some((Some(octets.into()), port))
}

/// What a block says of a node; of a key that comes again the last value.
#[derive(Default)]
struct Fields<'a> {
    hostname: Option<&'a [u8]>,
    address: &'a [u8],
    workers: Option<&'a [u8]>,
    requests: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn read(block: &'a [u8]) -> Result<Self, Reject> {
        let mut fields = Self::default();
        for pair in pairs(block) {
            let (name, value) = pair?;
            match name {
                b"hostname" => fields.hostname = Some(value),
                b"address" => fields.address = value,
                b"workers" => fields.workers = Some(value),
                b"requests" => fields.requests = Some(value),
                _ => {}
            }
        }
        Ok(fields)
    }

    fn address(&self) -> Result<&'a [u8], Reject> {
        if self.address.is_empty() { Err(reject("missing_address")) } else { Ok(self.address) }
    }

    fn node(&self) -> Result<Node<'a>, Reject> {
        let text = self.address()?;
        let (hostname, workers) = self.hostname.zip(self.workers).ok_or(reject("missing_key"))?;
        if text.len() > ADDRESS_BYTES_MAX {
            return Err(reject("address_too_long"));
        }
        if hostname.len() > HOSTNAME_BYTES_MAX {
            return Err(reject("hostname_too_long"));
        }
        let workers = number(workers, 9).and_then(|workers| u32::try_from(workers).ok());
        let requests = number(self.requests.unwrap_or(b"0"), 18);
        let (workers, requests) = workers.zip(requests).ok_or(reject("bad_number"))?;
        let address = address(text).and_then(|_| std::str::from_utf8(text).ok());
        let address = address.ok_or(reject("bad_address"))?;
        Ok(Node { hostname, address, workers, requests })
    }
}

/// A number of so many digits at the most, at least one.
fn number(text: &[u8], digits_max: usize) -> Option<u64> {
    let digits = (1..=digits_max).contains(&text.len()) && text.iter().all(u8::is_ascii_digit);
    let add = |number: u64, digit: &u8| number * 10 + u64::from(digit - b'0');
    digits.then(|| text.iter().fold(0, add))
}

const fn reject(class: &'static str) -> Reject {
    Reject::new(400, class)
}
