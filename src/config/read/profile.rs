//! `profile`: defaults that experienced operators set. They come before everything else, so that every option
//! that is given anywhere wins over them.

use super::{Diagnostic, Directive, Origin, Reader};

/// Option and value of each default, by profile. `docs/configuration.md` explains each.
const PROFILES: &[(&str, &[(&str, &str)])] = &[(
    "production",
    &[
        ("master", "true"),
        ("strict", "true"),
        ("need-app", "true"),
        ("die-on-term", "true"),
        ("vacuum", "true"),
        ("no-orphans", "true"),
        ("auto-procname", "true"),
        ("harakiri", "60"),
        ("worker-reload-mercy", "60"),
        ("buffer-size", "32768"),
        ("log-date", "true"),
        ("memory-report", "true"),
    ],
)];

impl Reader<'_> {
    pub(super) fn profile(&mut self, directive: &Directive) {
        let name = directive.text();
        let Some((name, defaults)) = PROFILES.iter().find(|(known, _)| *known == name) else {
            let names: Vec<_> = PROFILES.iter().map(|(name, _)| *name).collect();
            let text = format!("there is no profile {name}; accepted: {}", names.join(", "));
            return self.problem(Diagnostic::error(directive, text));
        };
        let given = |key: &str| self.reading.directives.iter().any(|known| known.key == key);
        if !given("strict") {
            self.rules.strict = true;
        }
        let defaults = defaults.iter().map(|(key, value)| Directive {
            derived: true,
            ..Directive::new(*key, Some((*value).to_owned()), Origin::Profile(name))
        });
        self.reading.early.splice(0..0, defaults);
    }
}
