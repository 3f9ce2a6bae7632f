//! The envelope of a datagram: sealed, signed, told from what was recorded.
//!
//! ```text
//! uwc1 | to life 8 | from life 8 | sequence 8 | Unix ms 8 | nonce 24 | sealed message | HMAC-SHA256 of all before it 32
//! ```
//! Integers are little-endian. The keys come from the secret and the group, so that clusters with one secret are apart; the signature is
//! looked at first, in constant time, and nothing of a datagram is believed before. A recorded datagram is nothing to a later life it was
//! not for, nothing after `tolerance`, and nothing twice. What a node tells to whoever is there (its hello) can be said again to a node
//! that starts within `tolerance`: it must not do harm when it is late.
//!
//! Nothing here waits, and the only chance is what nonces begin with. Who is refused is counted, never answered.

use std::time::Duration;

use chacha20::XChaCha20;
use chacha20::cipher::{KeyIvInit, StreamCipher};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use uwsgi_plugin_api::cluster::Refused;

use crate::id::Life;
use crate::wire::MESSAGE_BYTES_LARGEST;

mod replay;
#[cfg(test)]
mod tests;

use replay::Replays;

/// Bytes that the seal adds to a message.
pub const SEAL_BYTES: usize = HEAD_BYTES + MAC_BYTES;
/// Most bytes of a datagram. Who receives has room for one more, so that what was cut is seen.
pub const DATAGRAM_BYTES_MAX: usize = MESSAGE_BYTES_LARGEST + SEAL_BYTES;
/// Secrets of one cluster: each one is another signature to compute for every datagram of a stranger.
pub const SECRETS_MAX: usize = 8;

const MAGIC: [u8; 4] = *b"uwc1";
const NONCE_BYTES: usize = 24;
const NONCE_AT: usize = 4 + 4 * 8;
const HEAD_BYTES: usize = NONCE_AT + NONCE_BYTES;
const MAC_BYTES: usize = 32;

/// Why a datagram is not taken, or nothing can be sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Larger than any node would send, or cut.
    #[error("datagram is too large")]
    Oversized,
    /// Not signed with a secret of this cluster; or there is no room to tell a new sender's datagrams from recorded ones.
    #[error("datagram is not of this cluster")]
    Forged,
    /// Seen before, older than anything remembered, or for another life.
    #[error("datagram was recorded")]
    Replayed,
    /// Signed at a time that is too far from this node's clock.
    #[error("clock of the sender differs too much")]
    Skewed,
    /// This node's own, come back from the group. Not counted.
    #[error("own datagram")]
    Own,
    /// No secret, an empty one, or more than [`SECRETS_MAX`].
    #[error("1 to {SECRETS_MAX} secrets are needed, none of them empty")]
    Secrets,
    /// The system gives no random numbers.
    #[error("no random numbers")]
    Chance,
}

/// Keys of a cluster, and what was heard of its nodes.
pub struct Seal {
    keys: Vec<Keys>,
    life: Life,
    tolerance_ms: u64,
    /// Of this life; with `nonce` it makes a nonce that no other datagram has.
    sequence: u64,
    nonce: [u8; NONCE_BYTES - 8],
    replays: Replays,
    refused: Refused,
}

impl Seal {
    /// For datagrams of `life` in `group`. The first secret seals, all of them open. Of the datagrams of others none is taken whose time
    /// differs by more than `tolerance`.
    ///
    /// # Errors
    /// [`SealError::Secrets`], [`SealError::Chance`]
    pub fn new(
        secrets: &[Vec<u8>],
        group: &str,
        life: Life,
        tolerance: Duration,
    ) -> Result<Self, SealError> {
        let usable = (1..=SECRETS_MAX).contains(&secrets.len());
        if !usable || secrets.iter().any(Vec::is_empty) {
            return Err(SealError::Secrets);
        }
        let mut nonce = [0; NONCE_BYTES - 8];
        getrandom::fill(&mut nonce).map_err(|_| SealError::Chance)?;
        let tolerance_ms = u64::try_from(tolerance.as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            keys: secrets.iter().map(|secret| Keys::new(secret, group)).collect(),
            life,
            tolerance_ms,
            sequence: 0,
            nonce,
            replays: Replays::new(tolerance_ms.saturating_mul(2)),
            refused: Refused::default(),
        })
    }

    /// A datagram of a message, to one life or to whoever is there.
    pub fn seal(&mut self, to: Option<Life>, now_unix_ms: u64, plain: &[u8]) -> Vec<u8> {
        self.sequence += 1;
        let keys = &self.keys[0]; // there is one: `new`
        let mut datagram = Vec::with_capacity(plain.len() + SEAL_BYTES);
        datagram.extend_from_slice(&MAGIC);
        let to = to.unwrap_or_default();
        for number in [to.0, self.life.0, self.sequence, now_unix_ms] {
            datagram.extend_from_slice(&number.to_le_bytes());
        }
        datagram.extend_from_slice(&self.nonce);
        datagram.extend_from_slice(&self.sequence.to_le_bytes());
        datagram.extend_from_slice(plain);
        let (head, text) = datagram.split_at_mut(HEAD_BYTES);
        keys.apply(head, text);
        let mac = keys.sign.clone().chain_update(&datagram).finalize().into_bytes();
        datagram.extend_from_slice(&mac);
        datagram
    }

    /// The life that sent a datagram, and its message.
    ///
    /// # Errors
    /// Why it is not taken; it is counted, where it is not [`SealError::Own`].
    pub fn open(
        &mut self,
        now_unix_ms: u64,
        datagram: &[u8],
    ) -> Result<(Life, Vec<u8>), SealError> {
        let opened = self.check(now_unix_ms, datagram);
        if let Err(why) = opened {
            self.count(why);
        }
        opened.map(|Checked { from, keys, head, text }| {
            let mut plain = text.to_vec();
            self.keys[keys].apply(head, &mut plain);
            (from, plain)
        })
    }

    /// What is to be taken.
    fn check<'a>(
        &mut self,
        now_unix_ms: u64,
        datagram: &'a [u8],
    ) -> Result<Checked<'a>, SealError> {
        if datagram.len() > DATAGRAM_BYTES_MAX {
            return Err(SealError::Oversized);
        }
        let (signed, mac) = datagram.split_last_chunk::<MAC_BYTES>().ok_or(SealError::Forged)?;
        let (head, text) = signed.split_at_checked(HEAD_BYTES).ok_or(SealError::Forged)?;
        let signs = |keys: &Keys| keys.sign.clone().chain_update(signed).verify_slice(mac).is_ok();
        let magic = head.starts_with(&MAGIC);
        let keys = self.keys.iter().position(signs).filter(|_| magic).ok_or(SealError::Forged)?;
        let [to, from, sequence, sent_ms] = numbers(head);
        if from == self.life.0 {
            return Err(SealError::Own);
        }
        if to != 0 && to != self.life.0 {
            return Err(SealError::Replayed);
        }
        if now_unix_ms.abs_diff(sent_ms) > self.tolerance_ms {
            return Err(SealError::Skewed);
        }
        self.replays.admit(Life(from), sequence, sent_ms, now_unix_ms)?;
        Ok(Checked { from: Life(from), keys, head, text })
    }

    fn count(&mut self, why: SealError) {
        let counter = match why {
            SealError::Oversized => &mut self.refused.oversized,
            SealError::Forged => &mut self.refused.forged,
            SealError::Replayed => &mut self.refused.replayed,
            SealError::Skewed => &mut self.refused.skewed,
            SealError::Own | SealError::Secrets | SealError::Chance => return,
        };
        *counter += 1;
    }

    /// A datagram was opened, and what was in it is no message.
    pub fn count_malformed(&mut self) {
        self.refused.malformed += 1;
    }

    /// Datagrams that were not taken so far.
    pub fn refused(&self) -> Refused {
        self.refused
    }
}

/// A datagram that is to be taken.
#[derive(Clone, Copy)]
struct Checked<'a> {
    from: Life,
    /// Number of the keys that signed it.
    keys: usize,
    head: &'a [u8],
    /// Still sealed.
    text: &'a [u8],
}

/// The numbers of a head; it is as long as a head.
fn numbers(head: &[u8]) -> [u64; 4] {
    let mut numbers = [0; 4];
    for (number, bytes) in numbers.iter_mut().zip(head[4..NONCE_AT].chunks_exact(8)) {
        *number = u64::from_le_bytes(bytes.try_into().expect("chunks of 8 bytes"));
    }
    numbers
}

/// What comes of one secret.
struct Keys {
    /// The signature's state with its key in it, so that the key is not hashed again for each datagram.
    sign: Hmac<Sha256>,
    seal: chacha20::Key,
}

impl Keys {
    fn new(secret: &[u8], group: &str) -> Self {
        let keyed = |key: &[u8]| {
            Hmac::<Sha256>::new_from_slice(key).expect("a key of HMAC may have any length")
        };
        let derived = |purpose: &str| {
            let label = format!("uwsgi-rs cluster 1 {purpose}|{group}");
            keyed(secret).chain_update(label).finalize().into_bytes()
        };
        Self { sign: keyed(&derived("sign")), seal: derived("seal") }
    }

    /// Seals a text, or opens it: the same twice is nothing.
    fn apply(&self, head: &[u8], text: &mut [u8]) {
        let nonce = chacha20::XNonce::from_slice(&head[NONCE_AT..]);
        XChaCha20::new(&self.seal, nonce).apply_keystream(text);
    }
}
