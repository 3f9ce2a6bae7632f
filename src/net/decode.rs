//! Heads of requests, whatever protocol they came by: the codec's answer in the connection's terms.

use uwsgi_protocol::http1::{self, Framing, Version};
use uwsgi_protocol::{Known, Reject, Vars, VarsView, uwsgi};

use super::peer::Peer;

/// A decoded request head.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// First modifier (0 for HTTP).
    pub modifier1: u8,
    /// Second modifier (0 for HTTP).
    pub modifier2: u8,
    /// Bytes of the head in the input; variables point into them.
    pub len: usize,
    /// Version that the client speaks.
    pub version: Version,
    /// The method is HEAD.
    pub is_head: bool,
    /// The client allows another request.
    pub keep_alive: bool,
}

impl Default for Head {
    fn default() -> Self {
        let version = Version::Http10;
        Self { modifier1: 0, modifier2: 0, len: 0, version, is_head: false, keep_alive: false }
    }
}

/// A head, and what it says of its body.
pub(super) struct Decoded {
    pub(super) head: Head,
    pub(super) framing: Framing,
    /// The client waits for `100 Continue`, if it has sent nothing of the body yet.
    pub(super) expects_continue: bool,
}

/// A packet of the uwsgi protocol; `None` where it is incomplete.
pub(super) fn uwsgi(
    input: &[u8],
    limits: &uwsgi::Limits,
    vars: &mut Vars,
) -> Result<Option<Decoded>, Reject> {
    let Some(packet) = uwsgi::decode(input, limits, vars)? else { return Ok(None) };
    let view = vars.view(input);
    let head = Head {
        modifier1: packet.modifier1,
        modifier2: packet.modifier2,
        len: packet.consumed,
        version: announced_version(view),
        is_head: view.get(Known::RequestMethod) == Some(b"HEAD"),
        keep_alive: false,
    };
    let framing = Framing::Length(packet.content_length.unwrap_or(0));
    Ok(Some(Decoded { head, framing, expects_continue: false }))
}

/// What the front end's client speaks.
fn announced_version(view: VarsView<'_>) -> Version {
    match view.get(Known::ServerProtocol) {
        Some(b"HTTP/1.1") => Version::Http11,
        _ => Version::Http10,
    }
}

/// The head of an HTTP request; `None` where it is incomplete.
pub(super) fn http(
    decoder: &mut http1::HeadDecoder,
    input: &[u8],
    limits: &http1::Limits,
    vars: &mut Vars,
    peer: &Peer,
) -> Result<Option<Decoded>, Reject> {
    let Some(decoded) = decoder.decode(input, limits, vars)? else { return Ok(None) };
    if vars.view(input).get(Known::RequestMethod) == Some(b"CONNECT") {
        // A tunnel is nothing that an application could give (RFC 9110, 9.3.6).
        return Err(Reject::new(501, "connect_not_supported"));
    }
    vars.push_bytes(Known::RemoteAddr, peer.address());
    let head = Head {
        modifier1: 0,
        modifier2: 0,
        len: decoded.consumed,
        version: decoded.version,
        is_head: decoded.is_head,
        keep_alive: decoded.keep_alive,
    };
    let (framing, expects_continue) = (decoded.framing, decoded.expect_continue);
    Ok(Some(Decoded { head, framing, expects_continue }))
}
