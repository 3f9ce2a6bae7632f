//! What works as it is and has something better beside it: options with a successor, comments behind values.

use super::{Diagnostic, Subject};
use crate::config::comment_behind;

/// Name as written, and what to use today. Only what works here is recommended: a test looks.
const SUCCESSORS: &[(&str, &str)] = &[
    ("lazy", "lazy-apps says more clearly what is wanted"),
    (
        "pidfile",
        "safe-pidfile is written when the server is up, so that whoever reads it can rely on it",
    ),
    ("pidfile2", "safe-pidfile2 is written when the server is up"),
    ("catch-exceptions", "need-app and the log; it shows the application's inside to everybody"),
    ("http", "http-socket says more clearly that the workers serve HTTP themselves"),
    (
        "env",
        "the environment file of the service, where the value is a secret: options can be read in /proc",
    ),
];

/// Only what is no secret is looked at by name alone.
fn concerns(key: &str, value: &str) -> bool {
    if key != "env" {
        return true;
    }
    let name = value.split('=').next().unwrap_or_default().to_ascii_lowercase();
    ["password", "secret", "token", "api_key", "apikey"].iter().any(|word| name.contains(word))
}

pub(super) fn find(subject: &Subject<'_>, found: &mut Vec<Diagnostic>) {
    for directive in subject.reading.effective() {
        if let Some(row) = subject.registry.find(&directive.key) {
            found.extend(comment_behind(row, directive));
        }
        let better = SUCCESSORS.iter().find(|(name, _)| *name == directive.key);
        if let Some((_, better)) = better.filter(|(name, _)| concerns(name, directive.text())) {
            let text = format!("there is something better: {better}");
            found.push(Diagnostic::hint(directive, text).at_key(directive));
        }
    }
}

#[cfg(test)]
mod tests {
    use uwsgi_plugin_api::Status;

    use super::SUCCESSORS;
    use crate::options::Registry;

    #[test]
    fn only_what_works_is_recommended() {
        let registry = Registry::new(&[]);
        for (name, text) in SUCCESSORS {
            for word in text.split([' ', ',', ';', ':']) {
                let row = registry.find(word).filter(|_| word.contains('-'));
                let works = row.is_none_or(|row| row.status == Status::Works);
                assert!(works, "{name}: {word} does not work here");
            }
        }
    }
}
