//! Whose requests may have applications loaded (`dynamic-apps-from`).

use ipnet::IpNet;

use super::proxies::Peers;
use crate::sys::privileges;
use crate::sys::socket::Credentials;

/// Peers by address; those of unix sockets also by the user and the groups of their process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaders {
    /// Addresses, networks, and everybody who comes by a unix socket.
    pub peers: Peers,
    /// `user:` and `group:`, as they were written.
    pub accounts: Vec<Account>,
    /// Users of `accounts`, once they were looked up.
    users: Vec<u32>,
    /// Their groups.
    groups: Vec<u32>,
}

/// A user or a group of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What it is.
    pub kind: Kind,
    /// Its name or number.
    pub name: String,
    /// The option with its place, for messages.
    pub place: String,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A user.
    User,
    /// A group.
    Group,
}

impl From<Peers> for Loaders {
    fn from(peers: Peers) -> Self {
        Self { peers, ..Self::default() }
    }
}

impl Account {
    /// `user:NAME` or `group:NAME`; `None` for another word.
    pub fn of_word(word: &str, place: String) -> Option<Self> {
        let (kind, name) = match word.split_once(':')? {
            ("user", name) => (Kind::User, name),
            ("group", name) => (Kind::Group, name),
            _ => return None,
        };
        (!name.is_empty()).then(|| Self { kind, name: name.to_owned(), place })
    }

    /// Its number.
    ///
    /// # Errors
    /// There is no such user or group; the text says so without its place.
    pub fn number(&self) -> Result<u32, String> {
        let (what, found) = match self.kind {
            Kind::User => ("user", privileges::find_uid(&self.name)),
            Kind::Group => ("group", privileges::find_group(&self.name)),
        };
        found.map_err(|_| {
            let name = &self.name;
            format!(
                "{what}:{name} is no {what} of this machine; accepted: one of /etc/{}, or a number",
                if what == "user" { "passwd" } else { "group" }
            )
        })
    }
}

impl Loaders {
    /// Looks users and groups up. At the start, where the files that name them can be read still.
    ///
    /// # Errors
    /// The first that is not there, with its place.
    pub fn resolve(&mut self) -> Result<(), String> {
        self.users.clear();
        self.groups.clear();
        for account in &self.accounts {
            let number = account.number().map_err(|why| format!("{}: {why}", account.place))?;
            match account.kind {
                Kind::User => self.users.push(number),
                Kind::Group => self.groups.push(number),
            }
        }
        Ok(())
    }

    /// Whether some who come by unix sockets may, and the others may not.
    pub fn picks_accounts(&self) -> bool {
        !self.peers.local && !self.accounts.is_empty()
    }

    /// Whether peers of other machines may, as far as addresses tell.
    pub fn reach_beyond_machine(&self) -> bool {
        let own =
            |network: &IpNet| network.network().is_loopback() && network.broadcast().is_loopback();
        !self.peers.networks.iter().all(own)
    }

    /// Whether a process that has these credentials may, by a unix socket.
    pub fn contain_process(&self, credentials: &Credentials) -> bool {
        let Credentials { user, group, groups } = credentials;
        self.users.contains(user)
            || self.groups.iter().any(|allowed| allowed == group || groups.contains(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaders(words: &[&str]) -> Loaders {
        let account = |word: &&str| Account::of_word(word, "x.ini:2: dynamic-apps-from".to_owned());
        let accounts = words.iter().map(|word| account(word).unwrap()).collect();
        Loaders { accounts, ..Loaders::default() }
    }

    #[test]
    fn processes_are_known_by_user_and_groups() {
        let mut loaders = loaders(&["user:33", "user:root", "group:44"]);
        loaders.resolve().unwrap();
        let may = |user, group, groups: &[u32]| {
            let groups = groups.to_vec();
            loaders.contain_process(&Credentials { user, group, groups })
        };
        assert!(may(33, 1, &[]) && may(0, 0, &[]) && may(5, 44, &[]) && may(5, 1, &[2, 44]));
        assert!(!may(34, 33, &[33]) && !may(44, 1, &[]));
    }

    #[test]
    fn who_is_not_there_is_named_with_its_place() {
        let error = loaders(&["user:no such user"]).resolve().unwrap_err();
        assert!(error.starts_with("x.ini:2: dynamic-apps-from: user:no such user is no user "));
        assert!(loaders(&["group:no such group"]).resolve().unwrap_err().contains("/etc/group"));
    }

    #[test]
    fn networks_beyond_loopback_are_known() {
        let beyond = |networks: &[&str]| {
            let networks = networks.iter().map(|text| text.parse().unwrap()).collect();
            Loaders::from(Peers { networks, local: true }).reach_beyond_machine()
        };
        assert!(!beyond(&[]) && !beyond(&["127.0.0.0/8", "::1/128"]) && !beyond(&["127.1.0.0/16"]));
        assert!(
            beyond(&["127.0.0.0/7"]) && beyond(&["::1/128", "10.0.0.1/32"]) && beyond(&["::/0"])
        );
    }

    #[test]
    fn other_words_are_no_accounts() {
        for word in ["unix", "user", "user:", "users:x", "::1", ""] {
            assert_eq!(Account::of_word(word, String::new()), None, "{word}");
        }
    }
}
