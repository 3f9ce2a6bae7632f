//! Whether the peer of a connection may have applications loaded (`dynamic-apps-from`).
//!
//! It is the socket's peer that counts, never an address that somebody tells: neither the header of the PROXY protocol nor
//! `X-Forwarded-For`. A process of another user namespace has the user that the kernel shows here, `nobody` where it has none
//! (user_namespaces(7)). The answer is the same in whichever process and how late it is asked.

use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use uwsgi_plugin_api::WireProtocol;

use super::peer::Peer;
use super::reactor::Listening;
use crate::config::model::loaders::Loaders;
use crate::config::model::proxies::Introduced;
use crate::sys::socket::{self, PeerAddress};

/// Who sends the requests of a connection.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// The socket that it came by.
    pub listening: &'a Listening,
    /// Whom it is from, as far as somebody told.
    pub peer: &'a Peer,
    /// The connection.
    pub socket: BorrowedFd<'a>,
}

impl Sender<'_> {
    /// Whether its requests by this protocol may have applications loaded.
    pub fn may_load(&self, protocol: WireProtocol, loaders: &Loaders) -> bool {
        // Variables of clients over HTTP are headers, whose names begin with HTTP_: where others name an application, the
        // configuration does (`http-var`).
        if protocol == WireProtocol::Http {
            return true;
        }
        // What a gateway passes on are the words of its clients.
        if self.listening.private {
            return false;
        }
        match self.address() {
            Some(PeerAddress::Ip(address, _)) => loaders.peers.contain(Some(address)),
            Some(PeerAddress::Local) if loaders.peers.local => true,
            Some(PeerAddress::Local) if loaders.picks_accounts() => {
                let credentials = socket::peer_credentials(self.socket);
                credentials.is_ok_and(|credentials| loaders.contain_process(&credentials))
            }
            Some(PeerAddress::Local) | None => false,
        }
    }

    /// The socket's peer; `None` where nobody knows any more.
    fn address(&self) -> Option<PeerAddress> {
        if self.listening.introduced != Introduced::Nobody {
            // The address may be one that was told.
            return socket::peer(self.socket).ok();
        }
        // As it was when the connection came: a client that has gone meanwhile has no address.
        match self.peer.address() {
            [] => Some(PeerAddress::Local),
            text => {
                let address = std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok()?;
                Some(PeerAddress::Ip(address, self.peer.port))
            }
        }
    }

    /// What to call it in a message.
    pub fn name(&self) -> String {
        match self.address() {
            Some(PeerAddress::Ip(address, _)) => address.to_string(),
            Some(PeerAddress::Local) => match socket::peer_credentials(self.socket) {
                Ok(peer) => format!("a process of user {} and group {}", peer.user, peer.group),
                Err(_) => "a process of this machine".to_owned(),
            },
            None => "a peer that is gone".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use uwsgi_plugin_api::Listener;

    use super::*;
    use crate::config::model::loaders::Account;
    use crate::config::model::sites::local_peers;

    fn listening(introduced: Introduced, private: bool) -> Listening {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let info = Listener {
            id: 0,
            protocol: WireProtocol::Uwsgi,
            name: String::new(),
            modifiers: (0, 0),
            static_vars: Vec::new(),
        };
        Listening::new(Arc::new(listener.into()), info, (introduced, private), 1)
    }

    fn accounts(word: &str) -> Loaders {
        let account = Account::of_word(word, String::new()).unwrap();
        let mut loaders = Loaders::default();
        loaders.accounts.push(account);
        loaders.resolve().unwrap();
        loaders
    }

    #[test]
    fn addresses_that_others_tell_do_not_count() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        let may = |from: &str, introduced, told: &str| {
            let mut loaders = Loaders::default();
            loaders.peers.networks.push(from.parse().unwrap());
            let peer = Peer::from_text(told.as_bytes(), 1);
            let listening = &listening(introduced, false);
            Sender { listening, peer: &peer, socket: socket.as_fd() }
                .may_load(WireProtocol::Uwsgi, &loaders)
        };
        assert!(may("127.0.0.0/8", Introduced::Everybody, "192.0.2.1"));
        assert!(!may("192.0.2.0/24", Introduced::Everybody, "192.0.2.1"));
        assert!(may("127.0.0.0/8", Introduced::Nobody, "127.0.0.1"));
        assert!(!may("192.0.2.0/24", Introduced::Nobody, "127.0.0.1"));
        assert!(!may("0.0.0.0/0", Introduced::Nobody, "not an address"));
    }

    #[test]
    fn processes_of_unix_sockets_count_by_their_credentials() {
        let (socket, _other) = UnixStream::pair().unwrap();
        let own = nix::unistd::geteuid().as_raw();
        let group = nix::unistd::getegid().as_raw();
        let peer = Peer::new(PeerAddress::Local);
        let may = |loaders: &Loaders, private| {
            let listening = &listening(Introduced::Nobody, private);
            Sender { listening, peer: &peer, socket: socket.as_fd() }
                .may_load(WireProtocol::Uwsgi, loaders)
        };
        assert!(may(&accounts(&format!("user:{own}")), false));
        assert!(may(&accounts(&format!("group:{group}")), false));
        assert!(!may(&accounts(&format!("user:{}", own + 1)), false));
        assert!(may(&local_peers().into(), false));
        assert!(!may(&local_peers().into(), true), "a gateway's");
        assert!(!may(&Loaders::default(), false));
    }
}
