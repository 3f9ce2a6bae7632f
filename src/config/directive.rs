//! One option as it was written, and where.

use std::fmt;
use std::sync::Arc;

/// The text of a configuration file, kept so that messages can show its lines.
#[derive(Debug, PartialEq, Eq)]
pub struct FileText {
    /// As it was named.
    pub name: String,
    /// What stood in it; bytes that are no UTF-8 are replaced.
    pub text: String,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl FileText {
    /// The text `text` of a file that was named `name`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let breaks = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        let lines = std::iter::once(0).chain(breaks).collect();
        Self { name: name.into(), text, lines }
    }

    /// Line `number`, from 1, without its line break; empty where there is none.
    pub fn line(&self, number: u32) -> &str {
        let Some(&begin) = (number as usize).checked_sub(1).and_then(|at| self.lines.get(at))
        else {
            return "";
        };
        let end = self.lines.get(number as usize).map_or(self.text.len(), |&next| next - 1);
        self.text[begin..end].trim_end_matches('\r')
    }
}

/// A place in a file as it was written, before magic variables were filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// From 1.
    pub line: u32,
    /// In characters, from 1; a byte order mark counts as none.
    pub column: u32,
}

/// Where an option stands in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The file.
    pub file: Arc<FileText>,
    /// Begin of the key.
    pub key: Position,
    /// Begin of the value.
    pub value: Position,
}

/// Where a directive stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// On the command line.
    CommandLine,
    /// In this environment variable.
    Environment(String),
    /// In a file.
    File(Spot),
    /// In the profile of this name.
    Profile(&'static str),
    /// Among the options of a site.
    Site,
    /// Among those that the cluster of this group runs with.
    Cluster(String),
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
    /// What a declared option stands for; `show-config` leaves it out, as uWSGI does.
    pub derived: bool,
    /// It has acted where it stands, so placeholders in its value come too late.
    pub consumed: bool,
}

impl Directive {
    /// A directive that was written.
    pub fn new(key: impl Into<String>, value: Option<String>, origin: Origin) -> Self {
        Self { key: key.into(), value, origin, derived: false, consumed: false }
    }

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
            Self::File(spot) => write!(f, "{}:{}", spot.file.name, spot.key.line),
            Self::Profile(name) => write!(f, "profile {name}"),
            Self::Site => f.write_str("options of a site"),
            Self::Cluster(group) => write!(f, "cluster {group}"),
        }
    }
}
