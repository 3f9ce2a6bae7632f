//! The opening handshake (RFC 6455, 4.2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

use crate::http1::list;
use crate::{Known, VarsView};

/// RFC 6455, 1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
const KEY_BYTES: usize = 16;

/// The only version there is.
pub const VERSION: &[u8] = b"13";

/// Why a request does not become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The method is not GET.
    #[error("the handshake of a WebSocket is a GET request")]
    Method,
    /// `Sec-WebSocket-Version` is another one, or none: to be answered with 426 and [`VERSION`].
    #[error("only version 13 of WebSocket is spoken")]
    Version,
    /// `Sec-WebSocket-Key` is not 16 bytes in base64.
    #[error("Sec-WebSocket-Key is none")]
    Key,
}

impl Refusal {
    /// The status of the answer.
    pub fn status(self) -> u16 {
        match self {
            Self::Version => 426,
            Self::Method | Self::Key => 400,
        }
    }
}

/// What a client says that wants to open a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer<'a> {
    /// `Sec-WebSocket-Key`, which is one.
    pub key: &'a [u8],
    /// `Origin`.
    pub origin: Option<&'a [u8]>,
    /// `Sec-WebSocket-Protocol`: names, in the client's order.
    pub protocols: Option<&'a [u8]>,
}

/// True where `Upgrade` asks for a WebSocket, among others perhaps.
pub fn asks(upgrade: &[u8]) -> bool {
    list(upgrade).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
}

impl<'a> Offer<'a> {
    /// The offer of a request. `key` takes the place of the header, where an application gives it.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn read(vars: VarsView<'a>, key: Option<&'a [u8]>) -> Result<Self, Refusal> {
        if vars.get(Known::RequestMethod) != Some(b"GET") {
            return Err(Refusal::Method);
        }
        let header = |name: &[u8]| vars.find(name);
        if header(b"HTTP_SEC_WEBSOCKET_VERSION") != Some(VERSION) {
            return Err(Refusal::Version);
        }
        let key = key.or(header(b"HTTP_SEC_WEBSOCKET_KEY")).unwrap_or_default();
        if !STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES) {
            return Err(Refusal::Key);
        }
        Ok(Self {
            key,
            origin: header(b"HTTP_ORIGIN"),
            protocols: header(b"HTTP_SEC_WEBSOCKET_PROTOCOL"),
        })
    }

    /// The protocol that the client likes best.
    pub fn protocol(&self) -> Option<&'a [u8]> {
        self.protocols.and_then(|protocols| list(protocols).next())
    }
}

/// The value of `Sec-WebSocket-Accept`.
pub fn accept(key: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(key);
    hash.update(GUID);
    STANDARD.encode(hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Vars;

    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(accept(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn upgrades_are_lists_in_any_case() {
        assert!(asks(b"websocket") && asks(b"h2c, WebSocket"));
        assert!(!asks(b"h2c") && !asks(b"") && !asks(b"websockets"));
    }

    fn read(pairs: &[(&[u8], &[u8])]) -> Result<Option<Vec<u8>>, Refusal> {
        let mut vars = Vars::default();
        vars.push_bytes(Known::RequestMethod, b"GET");
        for (name, value) in pairs {
            vars.set(b"", name, value);
        }
        let offer = Offer::read(vars.view(b""), None)?;
        Ok(offer.protocol().map(<[u8]>::to_vec))
    }

    #[test]
    fn offers_are_looked_at() {
        let version: (&[u8], &[u8]) = (b"HTTP_SEC_WEBSOCKET_VERSION", b"13");
        let key: (&[u8], &[u8]) = (b"HTTP_SEC_WEBSOCKET_KEY", b"dGhlIHNhbXBsZSBub25jZQ==");
        let protocol: (&[u8], &[u8]) = (b"HTTP_SEC_WEBSOCKET_PROTOCOL", b" chat , superchat");
        assert_eq!(read(&[version, key]), Ok(None));
        assert_eq!(read(&[version, key, protocol]), Ok(Some(b"chat".to_vec())));
        assert_eq!(read(&[key]), Err(Refusal::Version));
        assert_eq!(read(&[(version.0, b"8"), key]), Err(Refusal::Version));
        assert_eq!(read(&[version]), Err(Refusal::Key));
        for bad in [&b"dGhlIHNhbXBsZSBub25j"[..], b"dGhlIHNhbXBsZSBub25jZQ", b"*", b""] {
            assert_eq!(read(&[version, (key.0, bad)]), Err(Refusal::Key), "{bad:?}");
        }
    }
}
