//! Variables of the environment: `env`, `ienv`, `unenv`, `envdir`, `early-envdir`.
//!
//! As in uWSGI the folders of `envdir` win over everything; those of `early-envdir`, and `ienv`, are seen by the
//! placeholders and conditions that follow them.

use std::path::Path;

use super::{Diagnostic, Directive, Reader};

/// A change of the environment: a variable's new value, or `None` to remove it.
pub type Variable = (String, Option<String>);

/// The variables of a folder: a file each, whose text is the value, without the blanks at its end. An empty file
/// removes its variable. Hidden files and folders are left out.
fn folder(path: &Path) -> Result<Vec<Variable>, String> {
    let wrong =
        |error: std::io::Error| format!("cannot read the folder {}: {error}", path.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(wrong)? {
        let entry = entry.map_err(wrong)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || !entry.path().is_file() {
            continue;
        }
        if name.contains('=') {
            return Err(format!("{name} cannot be the name of a variable"));
        }
        let bytes = std::fs::read(entry.path()).map_err(wrong)?;
        let text = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
        let text = std::str::from_utf8(text).map_err(|_| format!("{name} is not valid UTF-8"))?;
        found.push((name, Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())));
    }
    found.sort();
    Ok(found)
}

/// `NAME=VALUE`.
fn assignment(directive: &Directive) -> Result<Variable, Diagnostic> {
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
        let found = match self.source.sealed {
            true => Err("nothing is opened here".to_owned()),
            false => folder(Path::new(directive.text())),
        };
        found.map_err(|message| Diagnostic::error(directive, message))
    }
}
