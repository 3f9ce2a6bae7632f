//! What the processes of a site are told when they are started: one file, read once.
//!
//! Not on a command line, where everybody would see it and every value would have its placeholders filled in.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use uwsgi_plugin_api::{Listener, SiteRules, WireProtocol};

use super::handover::Passed;
use crate::config::model::site_spec::{join, split};
use crate::config::model::sites::OwnSite;
use crate::net::reactor::Listening;
use crate::net::rescue::{self, Rescue};
use crate::shm::SitesBoard;
use crate::sys::channel::Channel;
use crate::sys::memory;

/// Names of what is passed.
pub(super) const ORDER: &str = "site-order";
pub(super) const TAKE: &str = "site-take";
pub(super) const SEND: &str = "site-send";
pub(super) const LEASH: &str = "site-leash";

/// How the messages on a leash begin: the instance that they hold is to end, or to end at once.
pub(super) const END: &[u8] = b"e";
pub(super) const STOP: &[u8] = b"s";

/// What is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteOrder {
    /// The site.
    pub own: OwnSite,
    /// How sites are told apart.
    pub rules: SiteRules,
    /// It cannot be started: whoever asks is told so.
    pub stand_in: bool,
    /// Its options.
    pub options: Vec<(String, String)>,
    /// The listeners of the instance, in their order.
    pub listeners: Vec<ListenerOrder>,
}

/// A listener of the instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerOrder {
    /// What it speaks.
    pub protocol: WireProtocol,
    /// Its address.
    pub name: String,
    /// Modifiers of its requests.
    pub modifiers: (u8, u8),
    /// It is for gateways.
    pub private: bool,
    /// It is one of `http`.
    pub router: bool,
    /// Variables of all its requests.
    pub vars: Vec<(String, Vec<u8>)>,
}

/// What the processes of a site are given, besides the order.
pub struct SitePost {
    /// The ways to them and from them.
    pub rescue: Rescue,
    /// Leads to the master of the instance. Its end is theirs.
    pub leash: Channel,
    /// What else the instance shares with them: where requests of sites are counted.
    pub shared: Passed,
}

impl std::fmt::Debug for SitePost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SitePost").finish_non_exhaustive()
    }
}

impl ListenerOrder {
    pub(super) fn of(listening: &Listening, router: bool) -> Self {
        let Listener { protocol, name, modifiers, static_vars, .. } = &*listening.info;
        let var = |(known, value): &(uwsgi_plugin_api::Known, Vec<u8>)| {
            (known.as_str().to_owned(), value.clone())
        };
        Self {
            protocol: *protocol,
            name: name.clone(),
            modifiers: *modifiers,
            private: listening.private,
            router,
            vars: static_vars.iter().map(var).collect(),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let (first, second) = self.modifiers;
        let numbers = [first, second, u8::from(self.private), u8::from(self.router)];
        let mut parts =
            vec![self.protocol.name().into(), self.name.clone().into_bytes(), numbers.to_vec()];
        for (name, value) in &self.vars {
            parts.extend([name.clone().into_bytes(), value.clone()]);
        }
        join(&parts)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let parts = split(bytes)?;
        let [protocol, name, numbers, vars @ ..] = parts.as_slice() else { return None };
        let &[first, second, private, router] = *numbers else { return None };
        let vars = vars.chunks_exact(2).map(|pair| Some((text(pair[0])?, pair[1].to_vec())));
        Some(Self {
            protocol: WireProtocol::of_name(&text(protocol)?)?,
            name: text(name)?,
            modifiers: (first, second),
            private: private != 0,
            router: router != 0,
            vars: vars.collect::<Option<_>>()?,
        })
    }
}

impl SiteOrder {
    fn encode(&self) -> Vec<u8> {
        let SiteRules { by_host, host_header_only, ignore_script_name } = self.rules;
        let options = self.options.iter().flat_map(|(name, value)| [name.as_str(), value]);
        let suspects = self.own.suspects.iter().map(|path| path.as_os_str().as_encoded_bytes());
        join(&[
            self.own.key.clone(),
            self.own.name.clone().into_bytes(),
            [self.stand_in, by_host, host_header_only, ignore_script_name].map(u8::from).to_vec(),
            join(&suspects.collect::<Vec<_>>()),
            join(&options.collect::<Vec<_>>()),
            join(&self.listeners.iter().map(ListenerOrder::encode).collect::<Vec<_>>()),
        ])
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let parts = split(bytes)?;
        let &[key, name, flags, suspects, options, listeners] = parts.as_slice() else {
            return None;
        };
        let &[stand_in, by_host, host_header_only, ignore_script_name] = flags else { return None };
        let rules = SiteRules {
            by_host: by_host != 0,
            host_header_only: host_header_only != 0,
            ignore_script_name: ignore_script_name != 0,
        };
        let texts = |bytes| split(bytes)?.into_iter().map(text).collect::<Option<Vec<_>>>();
        let pairs = texts(options)?;
        let pairs = pairs.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        let listeners = split(listeners)?.into_iter().map(ListenerOrder::decode);
        Some(Self {
            own: OwnSite {
                key: key.to_vec(),
                name: text(name)?,
                suspects: texts(suspects)?.into_iter().map(PathBuf::from).collect(),
            },
            rules,
            stand_in: stand_in != 0,
            options: pairs.collect(),
            listeners: listeners.collect::<Option<_>>()?,
        })
    }

    /// A file with it.
    pub(super) fn write(&self) -> io::Result<File> {
        memory::file_of(c"uwsgi-site", &self.encode())
    }

    /// Takes it and all that comes with it out of what another image has passed.
    ///
    /// # Errors
    /// Something is missing or broken.
    pub fn take(passed: &mut Passed) -> io::Result<(Self, SitePost)> {
        let mut find = |name: &str| -> io::Result<OwnedFd> {
            let missing = || io::Error::other(format!("the processes of a site lack {name}"));
            passed.remove(name).ok_or_else(missing)
        };
        let mut bytes = Vec::new();
        File::from(find(ORDER)?).read_to_end(&mut bytes)?;
        let broken = || io::Error::from(io::ErrorKind::InvalidData);
        let order = Self::decode(&bytes).ok_or_else(broken)?;
        let (own, take) = (find(SEND)?, find(TAKE)?);
        // Those of another user have none.
        let home = find(rescue::SEND).ok();
        let leash = Channel::from(find(LEASH)?);
        let figures = SitesBoard::passed_as();
        let shared = passed.remove(figures).map(|memory| (figures.to_owned(), memory));
        let rescue = Rescue::of_site(own, take, home);
        Ok((order, SitePost { rescue, leash, shared: shared.into_iter().collect() }))
    }
}

fn text(bytes: &[u8]) -> Option<String> {
    String::from_utf8(bytes.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_survives_its_bytes() {
        let listener = ListenerOrder {
            protocol: WireProtocol::Http,
            name: "127.0.0.1:80".into(),
            modifiers: (0, 1),
            private: true,
            router: false,
            vars: vec![("SERVER_PORT".into(), b"80".to_vec())],
        };
        let order = SiteOrder {
            own: OwnSite { key: vec![0, 255], name: "a".into(), suspects: vec!["/a.py".into()] },
            rules: SiteRules { by_host: true, host_header_only: false, ignore_script_name: true },
            stand_in: true,
            options: vec![("threads".into(), "2".into()), ("env".into(), String::new())],
            listeners: vec![listener],
        };
        assert_eq!(SiteOrder::decode(&order.encode()), Some(order));
        assert_eq!(SiteOrder::decode(b"x"), None);
    }
}
