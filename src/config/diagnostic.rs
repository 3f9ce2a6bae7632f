//! What is wrong with a configuration, and where.

use std::fmt;

use super::{Directive, Origin};

/// What a problem means for the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Probably not what was meant; the server starts.
    Warning,
    /// The server does not start.
    Error,
}

/// One problem. As text: `error: uwsgi.ini:3: processes = -1: must not be negative`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it means.
    pub severity: Severity,
    /// Place and option (`uwsgi.ini:3: processes = -1`, `--processes -1`); empty where it has none.
    pub place: String,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl Diagnostic {
    /// An error of a directive.
    pub fn error(directive: &Directive, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: place(directive), message: message.into() }
    }

    /// A warning of a directive.
    pub fn warning(directive: &Directive, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(directive, message) }
    }

    /// A note to a directive.
    pub fn note(directive: &Directive, message: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::error(directive, message) }
    }

    /// An error without a directive.
    pub fn general(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, place: String::new(), message: message.into() }
    }

    /// True where the server must not start.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

fn place(directive: &Directive) -> String {
    match (&directive.origin, &directive.value) {
        (Origin::CommandLine, Some(value)) => format!("--{} {value}", directive.key),
        (_, Some(value)) => format!("{} = {value}", directive.place()),
        (_, None) => directive.place(),
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.severity {
            Severity::Note => "note: ",
            Severity::Warning => "warning: ",
            Severity::Error => "error: ",
        })?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}
