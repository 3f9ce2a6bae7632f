//! A message from its bytes. A reader that knows its end makes reading past it impossible, and no list is longer than its bytes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use uwsgi_plugin_api::cluster::{ConfigMark, Load};

use super::encode::{flag, kind};
use super::{
    About, Blob, CHUNK_BYTES, Election, Electorate, GOSSIP_BYTES_MAX, LOG_BYTES_MAX,
    MESSAGE_BYTES_LARGEST, MESSAGE_BYTES_MAX, Message, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Reply,
    Request, VERSION, VERSION_BYTES_MAX, VOTERS_BYTES_MAX, WHY_BYTES_MAX,
};
use crate::id::{Life, Member, TransferId};

/// Why bytes are no message, or a message has no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Another version of the program.
    #[error("message of version {0}, this node speaks {VERSION}")]
    Version(u8),
    /// A kind of message that there is not.
    #[error("unknown kind of message {0}")]
    Kind(u8),
    /// It ends too early.
    #[error("message ends too early")]
    Short,
    /// Something follows.
    #[error("bytes behind the end of the message")]
    Trailing,
    /// Longer than it may be.
    #[error("message is too large")]
    TooLarge,
    /// A field has a value that no node would write.
    #[error("wrong {0}")]
    Field(&'static str),
    /// A request or an answer that is none.
    #[error("not understood: {0}")]
    Json(String),
}

impl Message {
    /// What [`Message::encode`] made.
    ///
    /// # Errors
    /// No node makes such bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        if bytes.len() > MESSAGE_BYTES_LARGEST {
            return Err(WireError::TooLarge);
        }
        let mut reader = Reader(bytes);
        let version = reader.byte()?;
        if version != VERSION {
            return Err(WireError::Version(version));
        }
        let message = reader.message(bytes.len())?;
        if reader.0.is_empty() { Ok(message) } else { Err(WireError::Trailing) }
    }
}

/// What is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (head, rest) = self.0.split_first_chunk().ok_or(WireError::Short)?;
        self.0 = rest;
        Ok(*head)
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        self.array().map(|[byte]| byte)
    }

    fn short(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    fn int(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    fn long(&mut self) -> Result<u64, WireError> {
        self.array().map(u64::from_le_bytes)
    }

    fn boolean(&mut self) -> Result<bool, WireError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Field("truth")),
        }
    }

    fn bytes(&mut self, bytes_max: usize) -> Result<&'a [u8], WireError> {
        let len = usize::from(self.short()?);
        if len > bytes_max {
            return Err(WireError::TooLarge);
        }
        self.take(len)
    }

    fn text(&mut self, bytes_max: usize) -> Result<String, WireError> {
        let bytes = self.bytes(bytes_max)?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| WireError::Field("text"))
    }

    /// What is shown to people in tables and logs: without what moves their cursor or begins another line.
    fn name(&mut self) -> Result<String, WireError> {
        let text = self.text(NAME_BYTES_MAX)?;
        Ok(text
            .chars()
            .map(|one| if one.is_control() { char::REPLACEMENT_CHARACTER } else { one })
            .collect())
    }

    fn address(&mut self) -> Result<SocketAddr, WireError> {
        match self.byte()? {
            4 => self.address_v4(),
            6 => self.address_v6(),
            _ => Err(WireError::Field("family of an address")),
        }
    }

    fn address_v4(&mut self) -> Result<SocketAddr, WireError> {
        let ip = self.array::<4>().map(Ipv4Addr::from)?;
        Ok(SocketAddr::new(IpAddr::V4(ip), self.short()?))
    }

    fn address_v6(&mut self) -> Result<SocketAddr, WireError> {
        let ip = self.array::<16>().map(Ipv6Addr::from)?;
        Ok(SocketAddr::new(IpAddr::V6(ip), self.short()?))
    }

    fn member(&mut self) -> Result<Member, WireError> {
        let (key, life) = (self.address()?, Life(self.long()?));
        Ok(Member { key, life, epoch: self.long()? })
    }

    fn message(&mut self, len: usize) -> Result<Message, WireError> {
        Ok(match self.byte()? {
            kind::HELLO => Message::Hello { member: self.member()?, guest: self.boolean()? },
            kind::WELCOME if len > MESSAGE_BYTES_MAX => return Err(WireError::TooLarge),
            kind::WELCOME => {
                let (member, count) = (self.member()?, self.short()?);
                let others = (0..count).map(|_| self.member()).collect::<Result<_, _>>()?;
                Message::Welcome { member, others }
            }
            kind::GOSSIP => Message::Gossip(self.bytes(GOSSIP_BYTES_MAX)?.to_vec()),
            kind::ABOUT => Message::About(self.about()?),
            kind @ (kind::ASK | kind::GRANTED | kind::DENIED) => {
                Message::Election(self.election(kind)?)
            }
            kind::CHUNK => Message::Chunk {
                transfer: TransferId(self.long()?),
                kind: self.blob()?,
                number: self.int()?,
                total: self.int()?,
                bytes: self.bytes(CHUNK_BYTES)?.to_vec(),
            },
            kind::CHUNK_ACK => Message::ChunkAck {
                transfer: TransferId(self.long()?),
                next: self.int()?,
                later: self.long()?,
            },
            kind::CHUNK_REFUSED => Message::ChunkRefused {
                transfer: TransferId(self.long()?),
                why: self.text(WHY_BYTES_MAX)?,
            },
            kind::LOG => Message::Log(self.text(LOG_BYTES_MAX)?),
            kind::PAYLOAD => Message::Payload(self.bytes(PAYLOAD_BYTES_MAX)?.to_vec()),
            kind => return Err(WireError::Kind(kind)),
        })
    }

    fn about(&mut self) -> Result<About, WireError> {
        let member = self.member()?;
        let serial = self.long()?;
        let (hostname, address) = (self.name()?, self.name()?);
        let version = self.text(VERSION_BYTES_MAX)?;
        let config = ConfigMark { version: self.long()?, hash: self.long()? };
        let flags = self.byte()?;
        if flags & !flag::ALL != 0 {
            return Err(WireError::Field("flags"));
        }
        let is = |bit: u8| flags & bit != 0;
        let load = if is(flag::LOAD) { Some(self.load()?) } else { None };
        let (draining, observer, leaving) =
            (is(flag::DRAINING), is(flag::OBSERVER), is(flag::LEAVING));
        Ok(About {
            member,
            serial,
            hostname,
            address,
            version,
            load,
            config,
            draining,
            observer,
            leaving,
        })
    }

    fn load(&mut self) -> Result<Load, WireError> {
        Ok(Load {
            workers: self.short()?,
            threads: self.int()?,
            busy: self.int()?,
            queue: self.int()?,
            requests: self.long()?,
        })
    }

    fn election(&mut self, kind: u8) -> Result<Election, WireError> {
        let round = self.long()?;
        Ok(match kind {
            kind::ASK => {
                Election::Ask { round, electorate: self.electorate()?, leads: self.boolean()? }
            }
            kind::GRANTED => Election::Granted { round, version: self.long()? },
            _ => {
                let promised = if self.boolean()? { Some(self.address()?) } else { None };
                let electorate = if self.boolean()? { Some(self.electorate()?) } else { None };
                Election::Denied { round, promised, electorate }
            }
        })
    }

    fn electorate(&mut self) -> Result<Electorate, WireError> {
        let (lineage, version, term) = (self.long()?, self.long()?, self.long()?);
        let mut voters = BTreeSet::new();
        let fours = usize::from(self.short()?);
        for _ in 0..fours {
            self.voter(&mut voters, Self::address_v4)?;
        }
        let sixes = usize::from(self.short()?);
        if fours * 6 + sixes * 18 > VOTERS_BYTES_MAX {
            return Err(WireError::TooLarge);
        }
        for _ in 0..sixes {
            self.voter(&mut voters, Self::address_v6)?;
        }
        Ok(Electorate { lineage, version, term, voters })
    }

    /// The next voter comes behind those before it: none is named twice.
    fn voter(
        &mut self,
        voters: &mut BTreeSet<SocketAddr>,
        read: fn(&mut Self) -> Result<SocketAddr, WireError>,
    ) -> Result<(), WireError> {
        let voter = read(self)?;
        if voters.last().is_some_and(|last| *last >= voter) {
            return Err(WireError::Field("order of voters"));
        }
        voters.insert(voter);
        Ok(())
    }

    fn blob(&mut self) -> Result<Blob, WireError> {
        match self.byte()? {
            0 => Ok(Blob::Request),
            1 => Ok(Blob::Reply(TransferId(self.long()?))),
            _ => Err(WireError::Field("kind of a blob")),
        }
    }
}

impl Request {
    /// What [`Request::to_bytes`] made.
    ///
    /// # Errors
    /// [`WireError::Json`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        serde_json::from_slice(bytes).map_err(|fault| WireError::Json(fault.to_string()))
    }
}

impl Reply {
    /// What [`Reply::to_bytes`] made.
    ///
    /// # Errors
    /// [`WireError::Json`]
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, WireError> {
        serde_json::from_slice(bytes).map_err(|fault| WireError::Json(fault.to_string()))
    }
}
