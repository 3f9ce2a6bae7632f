//! Readers of configuration file formats: bytes and the name of a section in, its options in their order out.
//!
//! Each format is one pure function `parse(text, section, magic) -> Parsed` in a file of its own. They share
//! what stands here: where things stand in the file, what is said about it, and the text with its magic
//! variables filled in ([`written`]), which every reader parses instead of the raw one, as uWSGI does.
//! A reader knows no option and converts no value: whatever an option is given comes out as text.
//!
//! What uWSGI reads, comes out as it reads it. Where it loses something silently and starts, that is a
//! warning here; where it does not start, crashes, or its builds disagree, an error.

mod ini;
mod json;
mod kind;
#[cfg(test)]
mod properties;
mod toml;
mod written;
mod xml;
mod yaml;

pub(super) use kind::Format;

use super::Severity;
pub(super) use super::directive::Position;

/// One option of the asked section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub key: String,
    pub value: String,
    pub key_at: Position,
    /// Where the value begins, its quote included; of an absent value, the end of the key or its line.
    pub value_at: Position,
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub at: Position,
    /// A warning where uWSGI starts with such a file.
    pub severity: Severity,
    /// What is wrong and what is accepted.
    pub message: String,
}

impl Problem {
    fn error(at: Position, message: impl Into<String>) -> Self {
        Self { at, severity: Severity::Error, message: message.into() }
    }
}

/// What a file held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    /// Options of the section in their order; a list is one line per element. After a syntax error, those
    /// that were read before it, or none.
    pub lines: Vec<Line>,
    /// Whether the section was there at all.
    pub section_found: bool,
    /// In the order in which they were found.
    pub problems: Vec<Problem>,
}

/// A key and where it stands.
type Key = (String, Position);

impl Parsed {
    /// A file that could not be read at all.
    fn failed(problem: Problem) -> Self {
        Self { problems: vec![problem], ..Self::default() }
    }

    fn error(&mut self, at: Position, message: impl Into<String>) {
        self.problems.push(Problem::error(at, message));
    }

    fn warning(&mut self, at: Position, message: impl Into<String>) {
        let problem = Problem::error(at, message);
        self.problems.push(Problem { severity: Severity::Warning, ..problem });
    }

    /// Adds an option. NUL ends a string for uWSGI and for the system calls it would be given to.
    fn push(&mut self, (key, key_at): Key, value: String, value_at: Position) {
        if key.contains('\0') || value.contains('\0') {
            return self.error(key_at, "keys and values must not contain a NUL byte");
        }
        self.lines.push(Line { key, value, key_at, value_at });
    }
}

/// The text of a file in the formats that are UTF-8 or nothing, without its byte order mark.
fn decode(text: &[u8]) -> Result<&str, Problem> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    str::from_utf8(text).map_err(|error| {
        let good = &text[..error.valid_up_to()];
        let line_start = memchr::memrchr(b'\n', good).map_or(0, |at| at + 1);
        let at = Position {
            line: count(memchr::memchr_iter(b'\n', good).count()),
            column: count(String::from_utf8_lossy(&good[line_start..]).chars().count()),
        };
        Problem::error(at, "the file is not valid UTF-8")
    })
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The number, from 1, of what comes after `before` others.
fn count(before: usize) -> u32 {
    u32::try_from(before).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::written::Written;
    use super::*;
    use crate::config::magic::tests::{machine, place};
    use crate::config::magic::{FileNames, Magic};

    /// A reader of one format.
    pub(super) type Parse = fn(&[u8], &str, &Magic<'_>) -> Parsed;

    /// What `parse` makes of `text`, where `%n` is `app` and `%d` is `/srv/`.
    pub(super) fn parsed(parse: Parse, text: &[u8], section: &str) -> Parsed {
        let (names, machine) = (FileNames::new("/srv/app.conf", "", place("/srv/")), machine());
        parse(text, section, &Magic::new(&names, &names, &machine, Duration::ZERO))
    }

    /// `key=value` for each option.
    pub(super) fn options(parsed: &Parsed) -> Vec<String> {
        parsed.lines.iter().map(|line| format!("{}={}", line.key, line.value)).collect()
    }

    /// `key@line:column value@line:column` for each option.
    pub(super) fn places(parsed: &Parsed) -> Vec<String> {
        let place = |at: Position| format!("{}:{}", at.line, at.column);
        let lines = parsed.lines.iter();
        lines
            .map(|line| {
                format!(
                    "{}@{} {}@{}",
                    line.key,
                    place(line.key_at),
                    line.value,
                    place(line.value_at)
                )
            })
            .collect()
    }

    /// `warning 1:2: message` for each problem.
    pub(super) fn problems(parsed: &Parsed) -> Vec<String> {
        let problems = parsed.problems.iter();
        problems
            .map(|problem| {
                let Position { line, column } = problem.at;
                let severity = format!("{:?}", problem.severity).to_lowercase();
                format!("{severity} {line}:{column}: {}", problem.message)
            })
            .collect()
    }

    /// Checks a table of text, options and beginnings of problems.
    pub(super) fn check(parse: Parse, section: &str, table: &[(&str, &[&str], &[&str])]) {
        for (text, expected, expected_problems) in table {
            let found = parsed(parse, text.as_bytes(), section);
            assert_eq!(options(&found), *expected, "{text}");
            let problems = problems(&found);
            let same = problems.len() == expected_problems.len()
                && problems.iter().zip(*expected_problems).all(|(a, b)| a.starts_with(b));
            assert!(same, "{text}\n{problems:#?}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_are_found() {
        assert_eq!(decode(b"\xef\xbb\xbfa"), Ok("a"));
        let problem = decode("a\nä\u{e9}".as_bytes()).map(str::len);
        assert_eq!(problem, Ok(6));
        let problem = decode(b"a\n\xc3\xa4b\xe9").expect_err("latin-1");
        assert_eq!(problem.at, Position { line: 2, column: 3 });
    }

    #[test]
    fn an_option_with_a_nul_byte_is_refused() {
        for (parse, text) in [
            (ini::parse as Parse, "[uwsgi]\na=x\0y\nb=1"),
            (json::parse, r#"{"uwsgi": {"a": "x\u0000y", "b": "1"}}"#),
            (yaml::parse, "uwsgi:\n  a: \"x\\0y\"\n  b: 1\n"),
            (toml::parse, "[uwsgi]\na=\"x\\u0000y\"\nb=\"1\""),
        ] {
            let found = parsed(parse, text.as_bytes(), "uwsgi");
            assert_eq!(options(&found), ["b=1"], "{text}");
            assert!(problems(&found)[0].ends_with("must not contain a NUL byte"), "{text}");
        }
    }

    #[test]
    fn places_are_those_before_magic_variables() {
        let (names, machine) = (FileNames::new("/srv/app.conf", "", place("/srv/")), machine());
        let magic = Magic::new(&names, &names, &machine, Duration::ZERO);
        let written = Written::new("ä%n=%d.\r\n%(x)%\r\n%", &magic);
        assert_eq!(written.text, "äapp=/srv/.\r\n%(x)%\r\n%");
        for (text, line, column) in [
            ("ä", 1, 1),
            ("pp", 1, 2),
            ("=", 1, 4),
            ("srv", 1, 5),
            (".", 1, 7),
            ("(", 2, 1),
            ("x", 2, 3),
        ] {
            let offset = written.text.find(text).expect("it is there");
            assert_eq!(written.at(offset), Position { line, column }, "{text}");
        }
        assert_eq!(written.at(usize::MAX), Position { line: 3, column: 2 });
    }
}
