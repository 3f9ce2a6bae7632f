//! The formats of configuration files.
//!
//! Each format is a pure function from the bytes of a file to the options of one section, with their places.
//! Magic variables are replaced in the raw text first, whatever the format, as in uWSGI.

mod ini;
mod json;
mod toml;
mod xml;
mod yaml;

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

/// What a problem means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    Warning,
    Error,
}

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub at: Position,
    pub message: String,
    pub weight: Weight,
}

impl Problem {
    fn error(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), weight: Weight::Error }
    }

    fn warning(at: Position, message: impl Into<String>) -> Self {
        Self { at, message: message.into(), weight: Weight::Warning }
    }
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
        Format::Xml => xml::parse(text, section, magic),
        Format::Yaml => yaml::parse(text, section, magic),
        Format::Json => json::parse(text, section, magic),
        Format::Toml => toml::parse(text, section, magic),
    }
}

/// The text of a file whose format knows only UTF-8; what is none is a problem of `parsed`.
fn decoded<'t>(text: &'t [u8], parsed: &mut Parsed) -> Option<&'t str> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match std::str::from_utf8(text) {
        Ok(text) => Some(text),
        Err(error) => {
            let valid = String::from_utf8_lossy(&text[..error.valid_up_to()]).into_owned();
            let at = Places::new(&valid).at(valid.len());
            parsed.problems.push(Problem::error(at, "the text is not valid UTF-8"));
            None
        }
    }
}

/// Where the bytes of a text stand.
struct Places<'t> {
    text: &'t str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'t> Places<'t> {
    fn new(text: &'t str) -> Self {
        let breaks = memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        Self { text, lines: std::iter::once(0).chain(breaks).collect() }
    }

    /// Line and column of the byte `offset`.
    fn at(&self, offset: usize) -> Position {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.lines.partition_point(|&begin| begin <= offset);
        let column = self.text[self.lines[line - 1]..offset].chars().count() + 1;
        let number = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Position { line: number(line), column: number(column) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::magic::FileNames;

    /// A format's reader.
    pub(super) type Parse = fn(&[u8], &str, &Magic<'_>) -> Parsed;

    pub(super) fn parsed(parse: Parse, text: &[u8], section: &str) -> Parsed {
        let (names, machine) = (FileNames::default(), crate::config::magic::tests::machine());
        parse(text, section, &Magic::new(&names, &names, &machine))
    }

    /// Each option as `line:column line:column key=value`, the places of key and value.
    pub(super) fn lines(parse: Parse, text: &str, section: &str) -> Vec<String> {
        let show = |line: Line| {
            let (key, value) = (line.key_at, line.value_at);
            let places = format!("{}:{} {}:{}", key.line, key.column, value.line, value.column);
            format!("{places} {}={}", line.key, line.value)
        };
        parsed(parse, text.as_bytes(), section).lines.into_iter().map(show).collect()
    }

    /// Each problem as `line:column weight: message`.
    pub(super) fn problems(parse: Parse, text: &str, section: &str) -> Vec<String> {
        let show = |problem: Problem| {
            let weight = format!("{:?}", problem.weight).to_lowercase();
            format!("{}:{} {weight}: {}", problem.at.line, problem.at.column, problem.message)
        };
        parsed(parse, text.as_bytes(), section).problems.into_iter().map(show).collect()
    }

    #[test]
    fn bytes_have_lines_and_columns() {
        let places = Places::new("a\nb\u{e9}c\n");
        for (offset, line, column) in
            [(0, 1, 1), (1, 1, 2), (2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 2, 3), (7, 3, 1), (99, 3, 1)]
        {
            assert_eq!(places.at(offset), Position { line, column }, "{offset}");
        }
    }

    #[test]
    fn every_format_says_where_a_text_is_no_text() {
        let readers: [Parse; 4] = [xml::parse, yaml::parse, json::parse, toml::parse];
        for parse in readers {
            let found = parsed(parse, b"a\nb \xff", "uwsgi");
            assert_eq!(found.problems[0].at, Position { line: 2, column: 3 });
        }
    }
}
