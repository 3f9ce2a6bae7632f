//! Messages to datagrams and back: encoded, sealed, sent; received, opened, decoded. What is not taken is counted.

use std::net::SocketAddr;
use std::time::Duration;

use uwsgi_plugin_api::cluster::Refused;

use super::clock;
use crate::id::{Life, Peer};
use crate::plan::Plan;
use crate::seal::{Seal, SealError};
use crate::sockets::Sockets;
use crate::wire::{Message, Received};

/// See the module.
pub(crate) struct Mail {
    seal: Seal,
    pub(crate) life: Life,
}

impl Mail {
    /// A new life.
    ///
    /// # Errors
    /// No secret can be used, or the system gives no random numbers.
    pub(crate) fn open(plan: &Plan) -> Result<Self, SealError> {
        let number = getrandom::u64().map_err(|_| SealError::Chance)?;
        let life = Life(number.max(1)); // 0 is nobody
        let tolerance = Duration::from_millis(plan.tolerance_ms);
        let seal = Seal::new(&plan.secrets, &plan.group.to_string(), life, tolerance)?;
        Ok(Self { seal, life })
    }

    /// What a datagram says.
    pub(crate) fn take(&mut self, from: SocketAddr, datagram: &[u8]) -> Option<Received> {
        let (life, plain) = self.seal.open(clock::unix(), datagram).ok()?;
        match Message::decode(&plain) {
            Ok(message) => Some(Received { from, life, message }),
            Err(_) => {
                self.seal.count_malformed();
                None
            }
        }
    }

    /// To one peer.
    pub(crate) fn send(&mut self, sockets: &mut Sockets, to: Peer, message: &Message) {
        if let Some(bytes) = self.wrap(sockets, to.life, message) {
            sockets.send(to.key, &bytes);
        }
    }

    /// To all that hear the group.
    pub(crate) fn send_group(&mut self, sockets: &mut Sockets, message: &Message) {
        if let Some(bytes) = self.wrap(sockets, None, message) {
            sockets.send_group(&bytes);
        }
    }

    /// Datagrams that were not taken so far.
    pub(crate) fn refused(&self) -> Refused {
        self.seal.refused()
    }

    fn wrap(&mut self, out: &mut Sockets, to: Option<Life>, message: &Message) -> Option<Vec<u8>> {
        match message.encode() {
            Ok(plain) => Some(self.seal.seal(to, clock::unix(), &plain)),
            Err(error) => {
                out.troubles.note(&format!("a message cannot be sent: {error}"));
                None
            }
        }
    }
}
