//! Variables of the environment: `env`, `ienv`, `unenv`, `envdir`, `early-envdir`.
//!
//! As in uWSGI the folders of `envdir` win over everything; those of `early-envdir`, and `ienv`, are seen by the
//! placeholders and conditions that follow them.

use super::{Diagnostic, Directive, Reader};

/// A change of the environment: a variable's new value, or `None` to remove it.
pub type Variable = (String, Option<String>);

/// `NAME=VALUE`.
pub(in crate::config) fn assignment(directive: &Directive) -> Result<Variable, Diagnostic> {
    match directive.text().split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), Some(value.to_owned()))),
        _ => Err(Diagnostic::error(directive, "accepted: NAME=VALUE")),
    }
}

impl Reader<'_> {
    /// `ienv` and `early-envdir`: what is read later sees the variables.
    pub(super) fn set_variables(&mut self, name: &str, directive: &Directive) {
        let found = match name {
            "ienv" => assignment(directive).map(|variable| vec![variable]),
            _ => self.variables_of(directive),
        };
        match found {
            Ok(variables) => {
                for (name, value) in &variables {
                    self.source.environment.retain(|(known, _)| known != name.as_str());
                    let value = value.iter().map(|value| (name.into(), value.into()));
                    self.source.environment.extend(value);
                }
                self.reading.variables.extend(variables);
            }
            Err(problem) => self.problem(problem),
        }
    }

    /// The other options of variables, when all was read.
    pub(super) fn late_variables(&mut self) {
        let (mut set, mut folders) = (Vec::new(), Vec::new());
        let mut problems = Vec::new();
        for directive in self.reading.effective() {
            let Some(row) = self.registry.find(&directive.key) else { continue };
            let (list, found) = match row.name {
                "env" => (&mut set, assignment(directive).map(|variable| vec![variable])),
                "unenv" => (&mut set, Ok(vec![(directive.text().to_owned(), None)])),
                "envdir" => (&mut folders, self.variables_of(directive)),
                _ => continue,
            };
            match found {
                Ok(variables) => list.extend(variables),
                Err(problem) => problems.push(problem),
            }
        }
        self.reading.variables.extend(set.into_iter().chain(folders));
        self.reading.problems.extend(problems);
    }

    fn variables_of(&self, directive: &Directive) -> Result<Vec<Variable>, Diagnostic> {
        let found = self.window.folder(directive.text());
        found.map_err(|message| Diagnostic::error(directive, message))
    }
}
