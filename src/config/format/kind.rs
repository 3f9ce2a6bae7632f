//! Which formats there are.

use super::{Parsed, ini, json, toml, xml, yaml};
use crate::config::magic::Magic;

/// A format, by the option that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Format {
    Ini,
    Xml,
    Yaml,
    Json,
    Toml,
}

impl Format {
    pub(in crate::config) const ALL: [Self; 5] =
        [Self::Ini, Self::Xml, Self::Yaml, Self::Json, Self::Toml];
    /// Endings of file names, with their dot.
    pub(in crate::config) const EXTENSIONS: [&str; 7] =
        [".ini", ".xml", ".yaml", ".yml", ".json", ".js", ".toml"];

    /// The format of a file by its name's ending.
    pub(in crate::config) fn of(file: &str) -> Option<Self> {
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
    pub(in crate::config) const fn option(self) -> &'static str {
        match self {
            Self::Ini => "ini",
            Self::Xml => "xml",
            Self::Yaml => "yaml",
            Self::Json => "json",
            Self::Toml => "toml",
        }
    }

    /// How log lines call it.
    pub(in crate::config) const fn title(self) -> &'static str {
        match self {
            Self::Ini => "INI",
            Self::Xml => "XML",
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Toml => "TOML",
        }
    }

    /// Reads the section `section` of `text`.
    pub(in crate::config) fn parse(self, text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
        match self {
            Self::Ini => ini::parse(text, section, magic),
            Self::Xml => xml::parse(text, section, magic),
            Self::Yaml => yaml::parse(text, section, magic),
            Self::Json => json::parse(text, section, magic),
            Self::Toml => toml::parse(text, section, magic),
        }
    }
}
