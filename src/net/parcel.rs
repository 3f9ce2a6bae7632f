//! What is written on a connection that changes its worker.
//!
//! ```text
//!   | version 1 | kind 1 |                                                        a nudge ends here
//!   | protocol 1 | spoken 1 | flags 1 | server_port 2 | requests 4 | head_left_ms 4 | port 2 |
//!   | name_len 2 | address_len 1 |
//!   | name | address | input |
//! ```
//! Numbers are little-endian. Sender and receiver may be of different generations, even of different programs: so
//! there is a version, and the listener goes by its address and not by its number. Nothing here trusts its bytes.

use uwsgi_plugin_api::{Listener, WireProtocol};

/// Changes with the form of the messages; a message of another version is not understood.
pub(super) const VERSION: u8 = 3;

const CONNECTION: u8 = b'c';
const NUDGE: u8 = b'n';

/// Flags.
const AWAITS_HEADER: u8 = 1;
const TLS: u8 = 2;

/// A message of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// Its descriptor comes with it.
    Connection(Parcel<'a>),
    /// A worker has left the listeners: whoever is idle looks after them.
    Nudge,
}

/// One connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parcel<'a> {
    /// What its listener speaks.
    pub(super) protocol: WireProtocol,
    /// What it turned out to speak; its listener's where that is not known yet.
    pub(super) spoken: WireProtocol,
    /// A header of the PROXY protocol comes first.
    pub(super) awaits_header: bool,
    /// Such a header told that the client speaks TLS.
    pub(super) tls: bool,
    /// The port that such a header told; 0 where none did.
    pub(super) server_port: u16,
    /// Name of its listener: the address that it is bound to.
    pub(super) name: &'a [u8],
    /// Requests that it was served.
    pub(super) requests: u32,
    /// Milliseconds that its present head has left.
    pub(super) head_left_ms: u32,
    /// The client's port.
    pub(super) port: u16,
    /// The client's address as text.
    pub(super) address: &'a [u8],
    /// What was read and not served.
    pub(super) input: &'a [u8],
}

impl<'a> Parcel<'a> {
    /// True where it came by this listener.
    pub(super) fn came_by(&self, listener: &Listener) -> bool {
        listener.protocol == self.protocol && listener.name.as_bytes() == self.name
    }

    fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (&[protocol, spoken, flags], rest) = bytes.split_first_chunk()?;
        if flags & !(AWAITS_HEADER | TLS) != 0 {
            return None;
        }
        let (server_port, rest) = rest.split_first_chunk()?;
        let (protocol, spoken) = (of_letter(protocol)?, of_letter(spoken)?);
        let (requests, rest) = rest.split_first_chunk()?;
        let (head_left_ms, rest) = rest.split_first_chunk()?;
        let (port, rest) = rest.split_first_chunk()?;
        let (name_len, rest) = rest.split_first_chunk()?;
        let (&[address_len], rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*name_len)))?;
        let (address, input) = rest.split_at_checked(usize::from(address_len))?;
        Some(Self {
            protocol,
            spoken,
            awaits_header: flags & AWAITS_HEADER != 0,
            tls: flags & TLS != 0,
            server_port: u16::from_le_bytes(*server_port),
            name,
            requests: u32::from_le_bytes(*requests),
            head_left_ms: u32::from_le_bytes(*head_left_ms),
            port: u16::from_le_bytes(*port),
            address,
            input,
        })
    }
}

impl<'a> Message<'a> {
    /// Its bytes; `None` where a name or an address is longer than any real one.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let parcel = match self {
            Self::Nudge => return Some(vec![VERSION, NUDGE]),
            Self::Connection(parcel) => parcel,
        };
        let name_len = u16::try_from(parcel.name.len()).ok()?;
        let address_len = u8::try_from(parcel.address.len()).ok()?;
        let flags = u8::from(parcel.awaits_header) * AWAITS_HEADER + u8::from(parcel.tls) * TLS;
        let parts = [
            &[VERSION, CONNECTION, letter(parcel.protocol), letter(parcel.spoken), flags][..],
            &parcel.server_port.to_le_bytes(),
            &parcel.requests.to_le_bytes(),
            &parcel.head_left_ms.to_le_bytes(),
            &parcel.port.to_le_bytes(),
            &name_len.to_le_bytes(),
            &[address_len],
            parcel.name,
            parcel.address,
            parcel.input,
        ];
        Some(parts.concat())
    }

    /// The message in `bytes`; `None` for what no worker of this version sends.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        match bytes {
            [VERSION, NUDGE] => Some(Self::Nudge),
            [VERSION, CONNECTION, rest @ ..] => Parcel::decode(rest).map(Self::Connection),
            _ => None,
        }
    }
}

/// What a protocol is called in a message. Other versions of the program may send and read them.
fn letter(protocol: WireProtocol) -> u8 {
    match protocol {
        WireProtocol::Uwsgi => b'u',
        WireProtocol::PersistentUwsgi => b'p',
        WireProtocol::Http => b'h',
        WireProtocol::FastCgi => b'f',
        WireProtocol::FastCgiNph => b'F',
        WireProtocol::Scgi => b's',
        WireProtocol::ScgiNph => b'S',
        WireProtocol::Raw => b'r',
        WireProtocol::Auto => b'a',
    }
}

fn of_letter(wanted: u8) -> Option<WireProtocol> {
    WireProtocol::ALL.into_iter().find(|protocol| letter(*protocol) == wanted)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_parcel_survives_its_bytes(
            protocols in prop::array::uniform2(prop::sample::select(&WireProtocol::ALL[..])),
            name in prop::collection::vec(any::<u8>(), 0..300),
            numbers in any::<(u32, u32, u16, u16, bool, bool)>(),
            address in prop::collection::vec(any::<u8>(), 0..46),
            input in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let [protocol, spoken] = protocols;
            let (requests, head_left_ms, port, server_port, awaits_header, tls) = numbers;
            let (name, address, input) = (&name[..], &address[..], &input[..]);
            let parcel = Parcel {
                protocol,
                spoken,
                awaits_header,
                tls,
                server_port,
                name,
                requests,
                head_left_ms,
                port,
                address,
                input,
            };
            let message = Message::Connection(parcel);
            let bytes = message.encode().unwrap();
            prop_assert_eq!(Message::decode(&bytes), Some(message));
        }

        #[test]
        fn any_bytes_are_read_without_harm(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(message) = Message::decode(&bytes) {
                prop_assert_eq!(message.encode(), Some(bytes.clone()));
            }
            let own = [&[VERSION, CONNECTION][..], &bytes].concat();
            if let Some(message) = Message::decode(&own) {
                prop_assert_eq!(message.encode(), Some(own));
            }
        }
    }

    #[test]
    fn another_version_is_not_understood() {
        let mut bytes = Message::Nudge.encode().unwrap();
        assert_eq!(Message::decode(&bytes), Some(Message::Nudge));
        bytes[0] += 1;
        assert_eq!(Message::decode(&bytes), None);
    }
}
