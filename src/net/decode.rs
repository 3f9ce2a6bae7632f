//! Heads of requests, whatever protocol they came by: the codec's answer in the connection's terms.

use uwsgi_plugin_api::{Listener, WireProtocol};
use uwsgi_protocol::fastcgi::{self, Progress};
use uwsgi_protocol::http1::{self, Framing, Version};
use uwsgi_protocol::sniff::{self, Guess};
use uwsgi_protocol::{Known, Reject, Vars, scgi, uwsgi, websocket};

use super::front::Front;
use super::introduction::Arrival;
use super::peer::Peer;
use super::upload::{Policy, Upload};

/// Limits of heads, by protocol.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// A uwsgi packet.
    pub packet: uwsgi::Limits,
    /// An HTTP head.
    pub http: http1::Limits,
    /// The netstring of SCGI.
    pub scgi: scgi::Limits,
    /// The parameters of FastCGI.
    pub fastcgi: fastcgi::Limits,
}

/// What a connection may turn out to speak where that is not said beforehand.
pub const RECOGNIZED: [WireProtocol; 4] =
    [WireProtocol::Http, WireProtocol::Uwsgi, WireProtocol::FastCgi, WireProtocol::Scgi];

/// What the first bytes of a connection show; `None` where they are too few to tell.
pub(super) fn recognize(input: &[u8]) -> Result<Option<WireProtocol>, Reject> {
    match sniff::recognize(input) {
        Guess::More => Ok(None),
        Guess::Http => Ok(Some(WireProtocol::Http)),
        Guess::Uwsgi => Ok(Some(WireProtocol::Uwsgi)),
        Guess::FastCgi => Ok(Some(WireProtocol::FastCgi)),
        Guess::Scgi => Ok(Some(WireProtocol::Scgi)),
        // Nobody who may send such a header: see `proxy`.
        Guess::Proxy | Guess::Unknown => Err(Reject::new(400, "unknown_protocol")),
    }
}

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
    /// FastCGI's number of the request.
    pub request_id: Option<u16>,
    /// The client asks for a WebSocket, and has announced no body.
    pub upgrade: bool,
}

impl Default for Head {
    fn default() -> Self {
        Self {
            modifier1: 0,
            modifier2: 0,
            len: 0,
            version: Version::Http10,
            is_head: false,
            keep_alive: false,
            request_id: None,
            upgrade: false,
        }
    }
}

/// A head, and what it says of its body.
pub(super) struct Decoded {
    pub(super) head: Head,
    pub(super) upload: Upload,
    /// The client waits for `100 Continue`, if it has sent nothing of the body yet.
    pub(super) expects_continue: bool,
}

/// What the bytes at the start of the input are.
pub(super) enum Found {
    /// A head that is not complete.
    Part,
    /// A head.
    Head(Decoded),
    /// Something between two requests that is answered at once: so many bytes are done with.
    Between { consumed: usize, answer: Vec<u8> },
    /// Records of several requests, in no order: see [`fastcgi::sort`].
    Interleaved,
}

/// One look at the input of a connection.
pub(super) struct Look<'a> {
    pub(super) input: &'a [u8],
    pub(super) limits: &'a Limits,
    pub(super) body: &'a Policy,
    pub(super) listener: &'a Listener,
    /// What the listener asks for beyond its protocol.
    pub(super) front: Option<&'a Front>,
    pub(super) peer: &'a Peer,
    pub(super) arrival: Arrival,
    pub(super) decoder: &'a mut http1::HeadDecoder,
}

impl Look<'_> {
    /// What lies there.
    pub(super) fn decode(self, vars: &mut Vars) -> Result<Found, Reject> {
        match self.listener.protocol {
            WireProtocol::Uwsgi => self.uwsgi(vars, false),
            WireProtocol::PersistentUwsgi => self.uwsgi(vars, true),
            WireProtocol::Http | WireProtocol::Auto => self.http(vars),
            WireProtocol::FastCgi | WireProtocol::FastCgiNph => self.fastcgi(vars),
            WireProtocol::Scgi | WireProtocol::ScgiNph => self.scgi(vars),
            WireProtocol::Raw => self.raw(vars),
        }
    }

    /// A packet of the uwsgi protocol. Persistent: there are no bodies, so that the next packet follows at once
    /// (reference 1.4).
    fn uwsgi(self, vars: &mut Vars, persistent: bool) -> Result<Found, Reject> {
        let Some(packet) = uwsgi::decode(self.input, &self.limits.packet, vars)? else {
            return Ok(Found::Part);
        };
        let length = packet.content_length.filter(|_| !persistent);
        let head = Head {
            modifier1: packet.modifier1,
            modifier2: packet.modifier2,
            len: packet.consumed,
            keep_alive: persistent,
            upgrade: !persistent && length.unwrap_or(0) == 0 && asks(self.input, vars),
            ..self.announced(vars)
        };
        self.found(head, Framing::Length(length.unwrap_or(0)))
    }

    fn scgi(self, vars: &mut Vars) -> Result<Found, Reject> {
        let Some(decoded) = scgi::decode(self.input, &self.limits.scgi, vars)? else {
            return Ok(Found::Part);
        };
        let upgrade = decoded.content_length == 0 && asks(self.input, vars);
        let head = Head { len: decoded.consumed, upgrade, ..self.announced(vars) };
        self.found(head, Framing::Length(decoded.content_length))
    }

    fn fastcgi(self, vars: &mut Vars) -> Result<Found, Reject> {
        let decoded = match fastcgi::decode(self.input, &self.limits.fastcgi, vars)? {
            Progress::More => return Ok(Found::Part),
            Progress::Interleaved => return Ok(Found::Interleaved),
            Progress::Reply { consumed, reply } => {
                return Ok(Found::Between { consumed, answer: reply });
            }
            Progress::Request(head) => head,
        };
        if decoded.content_length.is_none()
            && let Some(position) = vars.position(Known::ContentLength)
        {
            // What applications would take for a number (Caddy sends -1).
            let nothing = vars.stash(b"");
            vars.replace(position, nothing);
        }
        let head = Head {
            len: decoded.consumed,
            keep_alive: decoded.keep_conn,
            request_id: Some(decoded.request_id),
            // The stream of an announced body ends with it, be it empty.
            upgrade: decoded.content_length.is_none() && asks(self.input, vars),
            ..self.announced(vars)
        };
        let (id, length) = (decoded.request_id, decoded.content_length);
        let mut upload = Upload::in_records(id, length, self.body)?;
        upload.at_once = head.upgrade;
        Ok(Found::Head(Decoded { head, upload, expects_continue: false }))
    }

    /// Nothing is read: whatever comes is the application's.
    fn raw(self, vars: &mut Vars) -> Result<Found, Reject> {
        vars.clear();
        let (modifier1, modifier2) = self.listener.modifiers;
        let head = Head { modifier1, modifier2, ..Head::default() };
        self.found(head, Framing::Length(0))
    }

    fn http(self, vars: &mut Vars) -> Result<Found, Reject> {
        let keeps_slashes = self.front.is_some_and(Front::keeps_slashes);
        let limits = http1::Limits { keeps_slashes, ..self.limits.http };
        let decoded = self.decoder.decode(self.input, &limits, vars)?;
        let Some(decoded) = decoded else { return Ok(Found::Part) };
        if vars.view(self.input).get(Known::RequestMethod) == Some(b"CONNECT") {
            // A tunnel is nothing that an application could give (RFC 9110, 9.3.6).
            return Err(Reject::new(501, "connect_not_supported"));
        }
        vars.push_bytes(Known::RemoteAddr, self.peer.address());
        self.arrival.announce(vars);
        if let Some(front) = self.front {
            front.adapt(&decoded, self.input, vars)?;
        }
        let (modifier1, modifier2) = self.listener.modifiers;
        let head = Head {
            modifier1,
            modifier2,
            len: decoded.consumed,
            version: decoded.version,
            is_head: decoded.is_head,
            keep_alive: decoded.keep_alive,
            request_id: None,
            upgrade: decoded.upgrade && decoded.framing == Framing::None && asks(self.input, vars),
        };
        let upload = Upload::new(decoded.framing, self.body)?;
        let expects_continue = decoded.expect_continue;
        Ok(Found::Head(Decoded { head, upload, expects_continue }))
    }

    /// What a front end says of its client, in the variables of any protocol.
    fn announced(&self, vars: &Vars) -> Head {
        let view = vars.view(self.input);
        let version = match view.get(Known::ServerProtocol) {
            Some(b"HTTP/1.1") => Version::Http11,
            _ => Version::Http10,
        };
        let (modifier1, modifier2) = self.listener.modifiers;
        let is_head = view.get(Known::RequestMethod) == Some(b"HEAD");
        Head { modifier1, modifier2, version, is_head, ..Head::default() }
    }

    fn found(self, head: Head, framing: Framing) -> Result<Found, Reject> {
        let upload = Upload::new(framing, self.body)?;
        Ok(Found::Head(Decoded { head, upload, expects_continue: false }))
    }
}

/// True where the client asks for a WebSocket.
fn asks(input: &[u8], vars: &Vars) -> bool {
    vars.view(input).get(Known::Upgrade).is_some_and(websocket::asks)
}
