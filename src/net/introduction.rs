//! The header of the PROXY protocol at the start of a connection: who the client is, and how it came to the balancer.

use uwsgi_protocol::{Known, Reject, Vars, proxy};

use super::connection::Connection;
use super::peer::Peer;
use crate::sys::socket::PeerAddress;

/// How the client came to the balancer, where that one told it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// The port that it connected to.
    pub server_port: Option<u16>,
    /// It speaks TLS there.
    pub tls: bool,
}

impl Arrival {
    /// Tells the application, in the variables of a request over HTTP.
    pub(super) fn announce(self, vars: &mut Vars) {
        if let Some(port) = self.server_port {
            vars.push_bytes(Known::ServerPort, port.to_string().as_bytes());
        }
        if self.tls {
            vars.push_bytes(Known::Https, b"on");
        }
    }
}

impl Connection {
    /// True where the header is over, and something else follows. `optional`: what is none is the beginning of something
    /// else.
    ///
    /// # Errors
    /// What is wrong with the header.
    pub(super) fn take_introduction(&mut self, optional: bool) -> Result<bool, Reject> {
        let header = match proxy::decode(self.input.data()) {
            Ok(None) => return Ok(false),
            Ok(Some(header)) => header,
            Err(reject) if optional && reject.reason == "no_proxy_header" => {
                self.awaits_header = false;
                return Ok(true);
            }
            Err(reject) => return Err(reject),
        };
        if let Some((client, server)) = header.addresses {
            self.peer = Peer::new(PeerAddress::Ip(client.ip(), client.port()));
            self.arrival.server_port = Some(server.port());
        }
        self.arrival.tls = header.tls;
        self.input.consume(header.consumed);
        self.awaits_header = false;
        Ok(!self.input.is_empty())
    }
}
