//! What is probably wrong with a configuration that could be served: `uwsgi check`.
//!
//! The reader and its checks find what keeps the server from starting and what it misreads; the rules here
//! know what people regret later. They read the directives and the checked configuration and change nothing.

mod cluster;
mod contradictions;
mod paths;
mod production;
pub mod report;
mod sites;
mod successors;

use uwsgi_plugin_api::settings::{flag_is_true, leading_number};

use crate::config::{Config, Diagnostic, Directive, Reading, SOCKETS, Severity};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// What the rules look at.
struct Subject<'a> {
    registry: &'a Registry,
    machine: &'a Machine,
    reading: &'a Reading,
    /// Absent where the configuration has errors.
    config: Option<&'a Config>,
}

impl<'a> Subject<'a> {
    /// All directives of an option, by its canonical name.
    fn all(&self, name: &str) -> Vec<&'a Directive> {
        let of = |directive: &&Directive| {
            self.registry.find(&directive.key).is_some_and(|row| row.name == name)
        };
        self.reading.effective().filter(of).collect()
    }

    /// All directives that ask for a socket.
    fn sockets(&self) -> impl Iterator<Item = &'a Directive> {
        let is_socket = |directive: &&Directive| {
            let row = self.registry.find(&directive.key);
            row.is_some_and(|row| SOCKETS.iter().any(|(name, _)| *name == row.name))
        };
        self.reading.effective().filter(is_socket)
    }

    /// Those, and the ones that ask for a socket which the master answers itself.
    fn addresses(&self) -> impl Iterator<Item = &'a Directive> {
        self.sockets().chain(["stats", "health"].into_iter().filter_map(|name| self.last(name)))
    }

    /// The directive that counts.
    fn last(&self, name: &str) -> Option<&'a Directive> {
        self.all(name).pop()
    }

    /// Whether an option is given and not switched off.
    fn is_on(&self, name: &str) -> bool {
        self.last(name).is_some_and(|directive| flag_is_true(directive.text()))
    }

    /// A number that an option is set to.
    fn number(&self, name: &str) -> Option<u64> {
        self.last(name).map(|directive| leading_number(directive.text()))
    }
}

/// A problem without a place.
fn general(severity: Severity, option: &str, message: &str) -> Diagnostic {
    Diagnostic { severity, option: option.to_owned(), ..Diagnostic::general(message.to_owned()) }
}

/// Everything the rules find.
pub fn lint(
    registry: &Registry,
    machine: &Machine,
    reading: &Reading,
    config: Option<&Config>,
) -> Vec<Diagnostic> {
    let subject = Subject { registry, machine, reading, config };
    let mut found = Vec::new();
    contradictions::find(&subject, &mut found);
    paths::find(&subject, &mut found);
    production::find(&subject, &mut found);
    sites::find(&subject, &mut found);
    cluster::find(&subject, &mut found);
    successors::find(&subject, &mut found);
    found
}
