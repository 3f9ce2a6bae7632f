//! The formats of configuration files.
//!
//! Each format is a pure function from the bytes of a file to the options of one section, with their places.
//! Magic variables are replaced in the raw text first, whatever the format, as in uWSGI.

mod ini;

use super::directive::Position;
use super::magic::Magic;

/// A format, by the option that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Ini,
    Xml,
    Yaml,
    Json,
    Toml,
}

impl Format {
    pub(super) const ALL: [Self; 5] = [Self::Ini, Self::Xml, Self::Yaml, Self::Json, Self::Toml];
    /// Endings of file names, with their dot.
    pub(super) const EXTENSIONS: [&str; 7] =
        [".ini", ".xml", ".yaml", ".yml", ".json", ".js", ".toml"];

    /// The format of a file by its name's ending.
    pub(super) fn of(file: &str) -> Option<Self> {
        Some(match file.rsplit_once('.')?.1 {
            "ini" => Self::Ini,
            "xml" => Self::Xml,
            "yaml" | "yml" => Self::Yaml,
            "json" | "js" => Self::Json,
            "toml" => Self::Toml,
            _ => return None,
        })
    }

    /// The canonical name of the option that reads it.
    pub(super) const fn option(self) -> &'static str {
        match self {
            Self::Ini => "ini",
            Self::Xml => "xml",
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Toml => "toml",
        }
    }

    /// How log lines call it.
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Ini => "INI",
            Self::Xml => "XML",
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Toml => "TOML",
        }
    }
}

/// One option of the asked section.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub key: String,
    pub value: String,
    /// Where the key stands in the file as written.
    pub key_at: Position,
    /// Where the value stands.
    pub value_at: Position,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub at: Position,
    pub message: String,
}

/// What a file held.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Options of the section in their order.
    pub lines: Vec<Line>,
    /// Whether the section was there at all.
    pub section_found: bool,
    pub problems: Vec<Problem>,
}

/// Reads the section `section` of `text`.
pub(super) fn parse(format: Format, text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    match format {
        Format::Ini => ini::parse(text, section, magic),
        _ => todo!(),
    }
}
