//! Bytes of the membership library's messages: a fixed binary form, big-endian as the counts that the library writes itself.
//! A member is 23 bytes (IPv4) or 35 (IPv6); what is cut or has an unknown tag is an error, never a panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Message, State};

use crate::id::{Life, Member};

/// First byte of each message; another one is of another version.
const VERSION: u8 = 1;
/// Most bytes of a member with its incarnation and state.
const MEMBER_BYTES_MAX: usize = 38;
/// Most bytes of a header: version, two members, an incarnation, a tag, a third member, the number of a probe.
const HEADER_BYTES_MAX: usize = 1 + 3 * 35 + 2 + 1 + 1;

/// Why bytes are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum CodecError {
    /// They end too early.
    #[error("message is cut")]
    Cut,
    /// Something has a value that has no meaning.
    #[error("unknown {0} {1}")]
    Unknown(&'static str, u8),
    /// No room left in a datagram.
    #[error("no room")]
    Full,
}

/// The codec; it has no state.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wire;

fn byte(from: &mut impl Buf) -> Result<u8, CodecError> {
    from.try_get_u8().map_err(|_| CodecError::Cut)
}

fn short(from: &mut impl Buf) -> Result<u16, CodecError> {
    from.try_get_u16().map_err(|_| CodecError::Cut)
}

fn long(from: &mut impl Buf) -> Result<u64, CodecError> {
    from.try_get_u64().map_err(|_| CodecError::Cut)
}

fn put_identity(member: &Member, to: &mut impl BufMut) {
    match member.key.ip() {
        IpAddr::V4(ip) => {
            to.put_u8(4);
            to.put_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            to.put_u8(6);
            to.put_slice(&ip.octets());
        }
    }
    to.put_u16(member.key.port());
    to.put_u64(member.life.0);
    to.put_u64(member.epoch);
}

fn take_identity(from: &mut impl Buf) -> Result<Member, CodecError> {
    let ip = match byte(from)? {
        4 => {
            let mut octets = [0; 4];
            from.try_copy_to_slice(&mut octets).map_err(|_| CodecError::Cut)?;
            IpAddr::from(Ipv4Addr::from(octets))
        }
        6 => {
            let mut octets = [0; 16];
            from.try_copy_to_slice(&mut octets).map_err(|_| CodecError::Cut)?;
            IpAddr::from(Ipv6Addr::from(octets))
        }
        other => return Err(CodecError::Unknown("address family", other)),
    };
    let key = SocketAddr::new(ip, short(from)?);
    Ok(Member { key, life: Life(long(from)?), epoch: long(from)? })
}

impl Codec<Member> for Wire {
    type Error = CodecError;

    fn encode_header(
        &mut self,
        header: &Header<Member>,
        mut to: impl BufMut,
    ) -> Result<(), CodecError> {
        if to.remaining_mut() < HEADER_BYTES_MAX {
            return Err(CodecError::Full);
        }
        to.put_u8(VERSION);
        put_identity(&header.src, &mut to);
        to.put_u16(header.src_incarnation);
        put_identity(&header.dst, &mut to);
        let (tag, third, number) = match &header.message {
            Message::Ping(number) => (1, None, Some(*number)),
            Message::Ack(number) => (2, None, Some(*number)),
            Message::PingReq { target, probe_number } => (3, Some(target), Some(*probe_number)),
            Message::IndirectPing { origin, probe_number } => {
                (4, Some(origin), Some(*probe_number))
            }
            Message::IndirectAck { target, probe_number } => (5, Some(target), Some(*probe_number)),
            Message::ForwardedAck { origin, probe_number } => {
                (6, Some(origin), Some(*probe_number))
            }
            Message::Announce => (7, None, None),
            Message::Feed => (8, None, None),
            Message::Gossip => (9, None, None),
            Message::Broadcast => (10, None, None),
            Message::TurnUndead => (11, None, None),
        };
        to.put_u8(tag);
        if let Some(third) = third {
            put_identity(third, &mut to);
        }
        if let Some(number) = number {
            to.put_u8(number);
        }
        Ok(())
    }

    fn decode_header(&mut self, mut from: impl Buf) -> Result<Header<Member>, CodecError> {
        match byte(&mut from)? {
            VERSION => {}
            other => return Err(CodecError::Unknown("version", other)),
        }
        let src = take_identity(&mut from)?;
        let src_incarnation = short(&mut from)?;
        let dst = take_identity(&mut from)?;
        let message = match byte(&mut from)? {
            1 => Message::Ping(byte(&mut from)?),
            2 => Message::Ack(byte(&mut from)?),
            3 => {
                let target = take_identity(&mut from)?;
                Message::PingReq { target, probe_number: byte(&mut from)? }
            }
            4 => {
                let origin = take_identity(&mut from)?;
                Message::IndirectPing { origin, probe_number: byte(&mut from)? }
            }
            5 => {
                let target = take_identity(&mut from)?;
                Message::IndirectAck { target, probe_number: byte(&mut from)? }
            }
            6 => {
                let origin = take_identity(&mut from)?;
                Message::ForwardedAck { origin, probe_number: byte(&mut from)? }
            }
            7 => Message::Announce,
            8 => Message::Feed,
            9 => Message::Gossip,
            10 => Message::Broadcast,
            11 => Message::TurnUndead,
            other => return Err(CodecError::Unknown("message", other)),
        };
        Ok(Header { src, src_incarnation, dst, message })
    }

    fn encode_member(
        &mut self,
        member: &foca::Member<Member>,
        mut to: impl BufMut,
    ) -> Result<(), CodecError> {
        if to.remaining_mut() < MEMBER_BYTES_MAX {
            return Err(CodecError::Full);
        }
        put_identity(member.id(), &mut to);
        to.put_u16(member.incarnation());
        to.put_u8(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        Ok(())
    }

    fn decode_member(&mut self, mut from: impl Buf) -> Result<foca::Member<Member>, CodecError> {
        let member = take_identity(&mut from)?;
        let incarnation = short(&mut from)?;
        let state = match byte(&mut from)? {
            0 => State::Alive,
            1 => State::Suspect,
            2 => State::Down,
            other => return Err(CodecError::Unknown("state", other)),
        };
        Ok(foca::Member::new(member, incarnation, state))
    }
}

/// The member that a message says it is from, and how many updates it says it carries.
pub(super) fn sender(mut bytes: &[u8]) -> Result<(Member, u16), CodecError> {
    let header = Wire.decode_header(&mut bytes)?;
    Ok((header.src, bytes.try_get_u16().unwrap_or_default()))
}

/// Tells a member what is held of it, so that it can say that it lives: gossip with this one update.
pub(super) fn accusation(own: Member, held: &foca::Member<Member>) -> Result<Vec<u8>, CodecError> {
    let dst = *held.id();
    // The own incarnation is the library's secret; with the first one the receiver learns nothing of the sender that it did not know.
    let header = Header { src: own, src_incarnation: 0, dst, message: Message::Gossip };
    let mut bytes = Vec::new();
    Wire.encode_header(&header, &mut bytes)?;
    bytes.put_u16(1);
    Wire.encode_member(held, &mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(key: &str) -> Member {
        Member { key: key.parse().unwrap(), life: Life(7), epoch: 1_700_000_000_000 }
    }

    fn header(message: Message<Member>) -> Header<Member> {
        let (src, dst) = (member("192.0.2.1:1717"), member("[2001:db8::1]:99"));
        Header { src, src_incarnation: 3, dst, message }
    }

    #[test]
    fn headers_come_back_and_no_prefix_of_one_is_taken() {
        let third = member("[::1]:5");
        let messages = [
            Message::Ping(1),
            Message::Ack(2),
            Message::PingReq { target: third, probe_number: 3 },
            Message::IndirectPing { origin: third, probe_number: 4 },
            Message::IndirectAck { target: third, probe_number: 5 },
            Message::ForwardedAck { origin: third, probe_number: 6 },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::Broadcast,
            Message::TurnUndead,
        ];
        for message in messages {
            let header = header(message);
            let mut bytes = Vec::new();
            Wire.encode_header(&header, &mut bytes).unwrap();
            assert!(bytes.len() <= HEADER_BYTES_MAX);
            assert_eq!(Wire.decode_header(&bytes[..]).unwrap(), header);
            for cut in 0..bytes.len() {
                assert_eq!(Wire.decode_header(&bytes[..cut]), Err(CodecError::Cut));
            }
        }
    }

    #[test]
    fn members_come_back_and_unknown_values_do_not() {
        for state in [State::Alive, State::Suspect, State::Down] {
            let told = foca::Member::new(member("192.0.2.1:1717"), 9, state);
            let mut bytes = Vec::new();
            Wire.encode_member(&told, &mut bytes).unwrap();
            assert_eq!(Wire.decode_member(&bytes[..]).unwrap(), told);
            *bytes.last_mut().unwrap() = 3;
            assert_eq!(Wire.decode_member(&bytes[..]), Err(CodecError::Unknown("state", 3)));
            bytes[0] = 5;
            let unknown = CodecError::Unknown("address family", 5);
            assert_eq!(Wire.decode_member(&bytes[..]), Err(unknown));
        }
    }

    #[test]
    fn nothing_is_written_where_there_is_no_room() {
        let told = foca::Member::alive(member("192.0.2.1:1717"));
        let mut bytes = Vec::new().limit(MEMBER_BYTES_MAX - 1);
        assert_eq!(Wire.encode_member(&told, &mut bytes), Err(CodecError::Full));
        assert!(bytes.get_ref().is_empty());
    }
}
