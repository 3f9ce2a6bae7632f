//! One option as it was written, and where.

use std::fmt;
use std::sync::Arc;

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    CommandLine,
    /// In this environment variable.
    Environment(String),
    /// In this file, on this line (from 1).
    File(Arc<str>, u32),
}

/// An option or placeholder with its value. Order among directives is what decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    /// Its name as written, aliases kept, abbreviations completed, no dashes in front.
    pub key: String,
    /// Its value; `None` for a flag on the command line.
    pub value: Option<String>,
    /// Where it stands.
    pub origin: Origin,
}

impl Directive {
    /// The value as plugins see it: a flag without one is `1`.
    pub fn text(&self) -> &str {
        self.value.as_deref().unwrap_or("1")
    }

    /// Name and place for a message: `--processes`, `uwsgi.ini:3: processes`.
    pub fn place(&self) -> String {
        match &self.origin {
            Origin::CommandLine => format!("--{}", self.key),
            origin => format!("{origin}: {}", self.key),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CommandLine => f.write_str("command line"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(file, line) => write!(f, "{file}:{line}"),
        }
    }
}
