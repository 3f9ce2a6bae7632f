//! What is wrong with a configuration, and where.

use std::fmt;
use std::sync::Arc;

use super::directive::{FileText, Position};
use super::{Directive, Origin};

/// Characters of a value that messages show.
const VALUE_CHARACTERS_MAX: usize = 200;

/// What a problem means for the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Hint,
    /// Probably not what was meant; the server starts.
    Warning,
    /// The server does not start.
    Error,
}

impl Severity {
    /// The word in messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Hint => "hint",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The text in a file that a problem is about, for a caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The file.
    pub file: Arc<FileText>,
    /// Where the text begins.
    pub at: Position,
    /// How many characters it has, at least 1.
    pub length: usize,
}

/// One problem. As text: `error: uwsgi.ini:3: processes = -1: must not be negative`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What it means.
    pub severity: Severity,
    /// Place and option (`uwsgi.ini:3: processes = -1`, `--processes -1`); empty where it has none.
    pub place: String,
    /// The option as it was written; empty where there is none.
    pub option: String,
    /// What is wrong and what is accepted.
    pub message: String,
    /// The text it is about, where it stands in a file.
    pub mark: Option<Mark>,
}

impl Diagnostic {
    /// A problem of a directive's value; of its name where it has no value.
    pub fn new(severity: Severity, directive: &Directive, message: impl Into<String>) -> Self {
        let value = directive.value.as_deref().filter(|value| !value.is_empty());
        let mark = match (&directive.origin, value) {
            (Origin::File(spot), Some(value)) => Some(Mark {
                file: spot.file.clone(),
                at: spot.value,
                length: value.chars().take_while(|&character| character != '\n').count().max(1),
            }),
            (Origin::File(_), None) => key_mark(directive),
            _ => None,
        };
        Self {
            severity,
            place: place(directive),
            option: directive.key.clone(),
            message: message.into(),
            mark,
        }
    }

    /// An error of a directive.
    pub fn error(directive: &Directive, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, directive, message)
    }

    /// A warning of a directive.
    pub fn warning(directive: &Directive, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, directive, message)
    }

    /// A hint to a directive.
    pub fn hint(directive: &Directive, message: impl Into<String>) -> Self {
        Self::new(Severity::Hint, directive, message)
    }

    /// An error without a directive.
    pub fn general(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            place: String::new(),
            option: String::new(),
            message: message.into(),
            mark: None,
        }
    }

    /// A problem in the text of a file that is none of an option.
    pub fn in_file(
        severity: Severity,
        file: &Arc<FileText>,
        at: Position,
        message: impl Into<String>,
    ) -> Self {
        let place = format!("{}:{}", file.name, at.line);
        let mark = Some(Mark { file: file.clone(), at, length: 1 });
        Self { severity, place, mark, ..Self::general(message) }
    }

    /// The same, with the caret under the option's name.
    pub fn at_key(mut self, directive: &Directive) -> Self {
        self.mark = key_mark(directive);
        self
    }

    /// True where the server must not start.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

fn key_mark(directive: &Directive) -> Option<Mark> {
    let Origin::File(spot) = &directive.origin else { return None };
    let length = directive.key.chars().count().max(1);
    Some(Mark { file: spot.file.clone(), at: spot.key, length })
}

fn place(directive: &Directive) -> String {
    match (&directive.origin, &directive.value) {
        (Origin::CommandLine, Some(value)) => format!("--{} {}", directive.key, cut(value)),
        (_, Some(value)) => format!("{} = {}", directive.place(), cut(value)),
        (_, None) => directive.place(),
    }
}

/// The beginning of a long value.
fn cut(value: &str) -> std::borrow::Cow<'_, str> {
    match value.char_indices().nth(VALUE_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &value[..end]).into(),
        None => value.into(),
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.severity.word())?;
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        f.write_str(&self.message)
    }
}
