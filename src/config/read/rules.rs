//! Which options may be given: `strict`, `blacklist` and `whitelist` (behaviour notes 2.1, 2.7).
//!
//! `strict` counts for everything, wherever it stands, so it is applied when all was read.

use super::{Diagnostic, Directive, Reader};

/// The rules in force at a place.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Unknown options are errors, wherever they stand.
    pub(super) strict: bool,
    black: Option<Vec<String>>,
    white: Option<Vec<String>>,
}

/// The names of a list, which are divided by blanks.
fn names(directive: &Directive) -> Vec<String> {
    directive.text().split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl Rules {
    /// Takes the options that set rules.
    pub(super) fn take(&mut self, name: &str, directive: &Directive) {
        match name {
            "strict" => {
                self.strict = uwsgi_plugin_api::settings::flag_is_true(directive.text());
            }
            "blacklist" => self.black = Some(names(directive)),
            "end-blacklist" => self.black = None,
            "whitelist" => self.white = Some(names(directive)),
            "end-whitelist" => self.white = None,
            _ => {}
        }
    }

    /// Whether an option is forbidden here, in uWSGI's words. The ends of the lists never are: in uWSGI a
    /// whitelist that does not name `end-whitelist` cannot be ended.
    fn forbids(&self, key: &str) -> Option<&'static str> {
        if ["end-blacklist", "end-whitelist"].contains(&key) {
            return None;
        }
        let is = |name: &String| name == key;
        if self.black.as_ref().is_some_and(|names| names.iter().any(is)) {
            return Some("blacklist");
        }
        self.white.as_ref().filter(|names| !names.iter().any(is)).map(|_| "whitelist")
    }
}

impl Reader<'_> {
    /// Whether the rules let a directive in; what they refuse is a problem.
    pub(super) fn is_allowed(&mut self, directive: &Directive) -> bool {
        let key = directive.key.as_str();
        if let Some(list) = self.rules.forbids(key) {
            let text = format!("forbidden option \"{key}\" (by {list})");
            self.problem(Diagnostic::error(directive, text).at_key(directive));
            return false;
        }
        true
    }
}
