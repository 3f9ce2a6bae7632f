//! `dynamic-apps-from`.

use super::proxies::network;
use crate::config::model::loaders::{Account, Loaders};
use crate::config::model::sites::local_peers;
use crate::config::values::Values;

const ACCEPTED: &str = "accepted: addresses, networks such as 10.0.0.0/8, unix, and for unix sockets user:NAME and group:NAME";

pub(super) fn loaders(values: &mut Values<'_>) -> Loaders {
    let directives = values.all("dynamic-apps-from").to_vec();
    if directives.is_empty() {
        return local_peers().into();
    }
    let mut loaders = Loaders::default();
    for directive in directives {
        for word in directive.text().split(',').map(str::trim) {
            let account = || Account::of_word(word, directive.place());
            match (network(word), word) {
                (Some(network), _) => loaders.peers.networks.push(network),
                (None, "unix") => loaders.peers.local = true,
                (None, _) => match account() {
                    Some(account) => loaders.accounts.push(account),
                    None => values.error(directive, format!("{word:?} is no peer; {ACCEPTED}")),
                },
            }
        }
    }
    loaders
}
