//! Bytes of a message, and of what is asked and answered.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use uwsgi_plugin_api::cluster::Load;

use super::decode::WireError;
use super::{
    About, Blob, CHUNK_BYTES, Election, Electorate, GOSSIP_BYTES_MAX, LOG_BYTES_MAX,
    MESSAGE_BYTES_MAX, Message, NAME_BYTES_MAX, PAYLOAD_BYTES_MAX, Reply, Request, VERSION,
    VERSION_BYTES_MAX, VOTERS_BYTES_MAX, WHY_BYTES_MAX,
};
use crate::id::Member;

/// Kinds of messages: the second byte.
pub(super) mod kind {
    pub(in crate::wire) const HELLO: u8 = 1;
    pub(in crate::wire) const WELCOME: u8 = 2;
    pub(in crate::wire) const GOSSIP: u8 = 3;
    pub(in crate::wire) const ABOUT: u8 = 4;
    pub(in crate::wire) const ASK: u8 = 5;
    pub(in crate::wire) const GRANTED: u8 = 6;
    pub(in crate::wire) const DENIED: u8 = 7;
    pub(in crate::wire) const CHUNK: u8 = 8;
    pub(in crate::wire) const CHUNK_ACK: u8 = 9;
    pub(in crate::wire) const CHUNK_REFUSED: u8 = 10;
    pub(in crate::wire) const LOG: u8 = 11;
    pub(in crate::wire) const PAYLOAD: u8 = 12;
}

/// Bits of what a node tells of itself.
pub(super) mod flag {
    pub(in crate::wire) const LOAD: u8 = 1;
    pub(in crate::wire) const DRAINING: u8 = 2;
    pub(in crate::wire) const OBSERVER: u8 = 4;
    pub(in crate::wire) const LEAVING: u8 = 8;
    pub(in crate::wire) const ALL: u8 = LOAD | DRAINING | OBSERVER | LEAVING;
}

impl Message {
    /// Its bytes, at most [`super::MESSAGE_BYTES_LARGEST`].
    ///
    /// # Errors
    /// [`WireError::TooLarge`]: what may not be cut is too long.
    pub fn encode(&self) -> Result<Vec<u8>, WireError> {
        let mut out = Writer(Vec::with_capacity(128));
        out.byte(VERSION);
        match self {
            Self::Hello { member, guest } => {
                out.byte(kind::HELLO);
                out.member(member);
                out.byte(u8::from(*guest));
            }
            Self::Welcome { member, others } => out.welcome(member, others),
            Self::Gossip(bytes) => {
                out.byte(kind::GOSSIP);
                out.bytes(bytes, GOSSIP_BYTES_MAX)?;
            }
            Self::About(about) => out.about(about),
            Self::Election(election) => out.election(election)?,
            Self::Chunk { transfer, kind, number, total, bytes } => {
                out.byte(kind::CHUNK);
                out.long(transfer.0);
                out.blob(*kind);
                out.int(*number);
                out.int(*total);
                out.bytes(bytes, CHUNK_BYTES)?;
            }
            Self::ChunkAck { transfer, next, later } => {
                out.byte(kind::CHUNK_ACK);
                out.long(transfer.0);
                out.int(*next);
                out.long(*later);
            }
            Self::ChunkRefused { transfer, why } => {
                out.byte(kind::CHUNK_REFUSED);
                out.long(transfer.0);
                out.text(why, WHY_BYTES_MAX);
            }
            Self::Log(line) => {
                out.byte(kind::LOG);
                out.text(line, LOG_BYTES_MAX);
            }
            Self::Payload(bytes) => {
                out.byte(kind::PAYLOAD);
                out.bytes(bytes, PAYLOAD_BYTES_MAX)?;
            }
        }
        Ok(out.0)
    }
}

/// Bytes that voters take.
pub(super) fn voters_bytes(voters: &BTreeSet<SocketAddr>) -> usize {
    voters.iter().map(|voter| if voter.is_ipv4() { 6 } else { 18 }).sum()
}

/// What begins a text and has so many bytes at the most.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

struct Writer(Vec<u8>);

impl Writer {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    fn short(&mut self, value: u16) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn int(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn long(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8], bytes_max: usize) -> Result<(), WireError> {
        let len = u16::try_from(bytes.len()).map_err(|_| WireError::TooLarge)?;
        if bytes.len() > bytes_max {
            return Err(WireError::TooLarge);
        }
        self.short(len);
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn text(&mut self, text: &str, bytes_max: usize) {
        let text = cut(text, bytes_max);
        self.short(u16::try_from(text.len()).expect("no text may have more than 2,000 bytes"));
        self.0.extend_from_slice(text.as_bytes());
    }

    fn address(&mut self, address: &SocketAddr) {
        self.byte(if address.is_ipv4() { 4 } else { 6 });
        self.bare_address(address);
    }

    fn bare_address(&mut self, address: &SocketAddr) {
        match address {
            SocketAddr::V4(address) => self.0.extend_from_slice(&address.ip().octets()),
            SocketAddr::V6(address) => self.0.extend_from_slice(&address.ip().octets()),
        }
        self.short(address.port());
    }

    fn member(&mut self, member: &Member) {
        self.address(&member.key);
        self.long(member.life.0);
        self.long(member.epoch);
    }

    fn welcome(&mut self, member: &Member, others: &[Member]) {
        self.byte(kind::WELCOME);
        self.member(member);
        let (at, mut count) = (self.0.len(), 0_u16);
        self.short(0);
        for other in others {
            let before = self.0.len();
            self.member(other);
            if self.0.len() > MESSAGE_BYTES_MAX {
                self.0.truncate(before);
                break;
            }
            count += 1;
        }
        self.0[at..at + 2].copy_from_slice(&count.to_le_bytes());
    }

    fn about(&mut self, about: &About) {
        self.byte(kind::ABOUT);
        self.member(&about.member);
        self.long(about.serial);
        self.text(&about.hostname, NAME_BYTES_MAX);
        self.text(&about.address, NAME_BYTES_MAX);
        self.text(&about.version, VERSION_BYTES_MAX);
        self.long(about.config.version);
        self.long(about.config.hash);
        let bit = |on: bool, bit: u8| if on { bit } else { 0 };
        self.byte(
            bit(about.load.is_some(), flag::LOAD)
                | bit(about.draining, flag::DRAINING)
                | bit(about.observer, flag::OBSERVER)
                | bit(about.leaving, flag::LEAVING),
        );
        if let Some(Load { workers, threads, busy, queue, requests }) = about.load {
            self.short(workers);
            self.int(threads);
            self.int(busy);
            self.int(queue);
            self.long(requests);
        }
    }

    fn election(&mut self, election: &Election) -> Result<(), WireError> {
        match election {
            Election::Ask { round, electorate, leads } => {
                self.byte(kind::ASK);
                self.long(*round);
                self.electorate(electorate)?;
                self.byte(u8::from(*leads));
            }
            Election::Granted { round, version } => {
                self.byte(kind::GRANTED);
                self.long(*round);
                self.long(*version);
            }
            Election::Denied { round, promised, electorate } => {
                self.byte(kind::DENIED);
                self.long(*round);
                self.byte(u8::from(promised.is_some()));
                if let Some(promised) = promised {
                    self.address(promised);
                }
                self.byte(u8::from(electorate.is_some()));
                if let Some(electorate) = electorate {
                    self.electorate(electorate)?;
                }
            }
        }
        Ok(())
    }

    /// The voters of each family behind their number: sorted, those of IPv4 come first.
    fn electorate(&mut self, electorate: &Electorate) -> Result<(), WireError> {
        let Electorate { lineage, version, term, voters } = electorate;
        if voters_bytes(voters) > VOTERS_BYTES_MAX {
            return Err(WireError::TooLarge);
        }
        self.long(*lineage);
        self.long(*version);
        self.long(*term);
        for four in [true, false] {
            let family = || voters.iter().filter(|voter| voter.is_ipv4() == four);
            let count = u16::try_from(family().count()).map_err(|_| WireError::TooLarge)?;
            self.short(count);
            family().for_each(|voter| self.bare_address(voter));
        }
        Ok(())
    }

    fn blob(&mut self, blob: Blob) {
        match blob {
            Blob::Request => self.byte(0),
            Blob::Reply(to) => {
                self.byte(1);
                self.long(to.0);
            }
        }
    }
}

impl Request {
    /// The bytes of its blob: JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers always have a form in JSON")
    }
}

impl Reply {
    /// The bytes of its blob: JSON.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers always have a form in JSON")
    }
}
