//! The options of a toml file, which uWSGI does not read: keys of the table named like the section.
//!
//! Booleans are `true` and `false`, integers are in decimal, floats and dates as they are written, a list is
//! one option for each element. Strings keep suffixes such as `10M`: what they mean is the option's business.

use ::toml::Spanned;
use ::toml::de::{DeInteger, DeTable, DeValue};

use super::written::Written;
use super::{Key, Parsed, decode};
use crate::config::magic::Magic;

const VALUES: &str = "accepted: a string, a number, true, false, a date, or a list of these";

/// Reads the section `section` of `text`.
pub(in crate::config) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let text = match decode(text) {
        Ok(text) => text,
        Err(problem) => return Parsed::failed(problem),
    };
    let written = Written::new(text, magic);
    let (file, errors) = DeTable::parse_recoverable(&written.text);
    let mut reader = Reader { written: &written, parsed: Parsed::default() };
    for error in errors {
        let at = written.at(error.span().map_or(0, |span| span.start));
        reader
            .parsed
            .error(at, format!("{}; accepted: toml 1.1", error.message().replace('\n', ", ")));
    }
    let first_error = reader.parsed.problems.iter().map(|problem| problem.at).min();
    if let Some((key, value)) = file.get_ref().get_key_value(section) {
        reader.parsed.section_found = true;
        match value.get_ref() {
            DeValue::Table(table) => reader.table(table),
            _ => {
                let text = format!("{section} must be a table of options: [{section}]");
                reader.parsed.error(written.at(key.span().start), text);
            }
        }
    }
    if let Some(first_error) = first_error {
        reader.parsed.lines.retain(|line| line.value_at < first_error); // the parser guesses what follows
    }
    reader.parsed
}

struct Reader<'t> {
    written: &'t Written,
    parsed: Parsed,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>) {
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start); // the table is sorted by name
        for (name, value) in entries {
            let key = (name.get_ref().to_string(), self.written.at(name.span().start));
            match value.get_ref() {
                DeValue::Array(list) => {
                    for element in list {
                        self.option(key.clone(), element);
                    }
                }
                _ => self.option(key, value),
            }
        }
    }

    fn option(&mut self, key: Key, value: &Spanned<DeValue<'_>>) {
        let at = self.written.at(value.span().start);
        let text = match value.get_ref() {
            DeValue::String(text) => Some(text.to_string()),
            DeValue::Integer(integer) => decimal(integer),
            DeValue::Float(float) => Some(float.as_str().to_owned()),
            DeValue::Boolean(boolean) => Some(boolean.to_string()),
            DeValue::Datetime(date) => Some(date.to_string()),
            DeValue::Array(_) | DeValue::Table(_) => None,
        };
        match text {
            Some(text) => self.parsed.push(key, text, at),
            None => {
                let text = format!("the value of {} cannot be an option's; {VALUES}", key.0);
                self.parsed.error(at, text);
            }
        }
    }
}

/// `None` beyond 128 bits.
fn decimal(integer: &DeInteger<'_>) -> Option<String> {
    let number = i128::from_str_radix(integer.as_str(), integer.radix());
    number.ok().map(|number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, options, parsed, places, problems};
    use super::*;

    #[test]
    fn values_are_text_in_the_order_of_the_file() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "[uwsgi]\nz = \"x # y\"\na = 'C:\\n' # c\nm = \"\"\"\none\ntwo\"\"\"\n",
                    &["z=x # y", "a=C:\\n", "m=one\ntwo"],
                    &[],
                ),
                (
                    "[uwsgi]\na = 1_000\nb = 0x10\nc = -4\nd = 1.50\ne = 0o17\nf = +3\n",
                    &["a=1000", "b=16", "c=-4", "d=1.50", "e=15", "f=3"],
                    &[],
                ),
                (
                    "[uwsgi]\na = true\nb = false\nc = 1979-05-27T07:32:00Z\nd = 07:32:00\ne = \"10M\"\n",
                    &["a=true", "b=false", "c=1979-05-27T07:32:00Z", "d=07:32:00", "e=10M"],
                    &[],
                ),
                (
                    "[uwsgi]\nl = [\"x\", 2,\n true]\nm = []\n\"a b\" = 1\n",
                    &["l=x", "l=2", "l=true", "a b=1"],
                    &[],
                ),
                ("uwsgi = { a = 1, b = \"%n%%d\" }\n", &["a=1", "b=app%d"], &[]),
                ("uwsgi.a = 1\n[other]\nb = 1\n", &["a=1"], &[]),
            ],
        );
    }

    #[test]
    fn values_that_are_no_options_are_named() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "[uwsgi]\na = { b = 1 }\nc = [[1], {}, 2]\n[uwsgi.sub]\nx = 1\n",
                    &["c=2"],
                    &[
                        "error 2:5: the value of a",
                        "error 3:6: the value of c",
                        "error 3:11: the value of c",
                        "error 4:",
                    ],
                ),
                (
                    "[[uwsgi]]\na = 1\n",
                    &[],
                    &["error 1:3: uwsgi must be a table of options: [uwsgi]"],
                ),
                ("uwsgi = 1\n", &[], &["error 1:1: uwsgi must be a table"]),
            ],
        );
    }

    #[test]
    fn every_syntax_error_is_placed() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "[uwsgi]\na = 1\né%n = yes\nb = 2\nc = 1\n",
                    &["a=1"],
                    &["error 3:1: invalid unquoted key", "error 3:7: string values must be quoted"],
                ),
                (
                    "[uwsgi]\na = 1\na = 2\n",
                    &["a=1"],
                    &["error 3:1: duplicate key; accepted: toml 1.1"],
                ),
            ],
        );
        let found = parsed(parse, b"[uwsgi]\na = \"caf\xe9\"\n", "uwsgi");
        assert_eq!(problems(&found), ["error 2:9: the file is not valid UTF-8"]);
    }

    #[test]
    fn places_are_those_of_the_file() {
        let text = "\u{feff}[uwsgi]\r\n\"é\" = \"%d\" # c\r\n  %n = 'x'\nl = [1,\n 2]\n";
        assert_eq!(
            places(&parsed(parse, text.as_bytes(), "uwsgi")),
            ["é@2:1 /srv/@2:7", "app@3:3 x@3:8", "l@4:1 1@4:6", "l@4:1 2@5:2"]
        );
    }

    #[test]
    fn only_the_asked_table_is_read() {
        let text = b"a = 1\n[uwsgi]\nb = 2\n[sec]\nc = 3\n";
        assert_eq!(options(&parsed(parse, text, "sec")), ["c=3"]);
        assert_eq!(parsed(parse, text, "nope"), Parsed::default());
    }

    #[test]
    fn depth_has_a_limit() {
        for text in ["a = ", "[uwsgi]\na = "] {
            let text = text.to_owned() + &"[".repeat(100_000);
            assert!(!parsed(parse, text.as_bytes(), "uwsgi").problems.is_empty());
        }
    }
}
