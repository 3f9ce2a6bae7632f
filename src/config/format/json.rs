//! The options of a json file: members of the object named like the section in the outermost object.
//!
//! `true` is `1`, `false` and `null` are `0`, numbers stay as they are written, a list is one option for each
//! element. uWSGI's two builds differ (jansson drops fractions and repeated keys, yajl keeps both): this is
//! what the one that keeps them reads. Both drop lists and objects inside an option; here that is an error.

use std::fmt;

use serde::Deserializer;
use serde::de::{MapAccess, Visitor};
use serde_json::value::RawValue;

use super::written::Written;
use super::{Key, Parsed, Position, Problem, decode};
use crate::config::magic::Magic;

const VALUES: &str = "accepted: a string, a number, true, false, null, or a list of these";

/// Reads the section `section` of `text`.
pub(in crate::config) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let text = match decode(text) {
        Ok(text) => text,
        Err(problem) => return Parsed::failed(problem),
    };
    let written = Written::new(text, magic);
    let mut reader = Reader { written: &written, parsed: Parsed::default() };
    if let Err(problem) = reader.file(section) {
        reader.parsed.problems.push(problem);
    }
    reader.parsed
}

struct Reader<'t> {
    written: &'t Written,
    parsed: Parsed,
}

impl<'t> Reader<'t> {
    fn file(&mut self, section: &str) -> Result<(), Problem> {
        for (key, value) in self.members(&self.written.text)? {
            if self.string(key)? != section {
                continue;
            }
            let at = self.at(value);
            if !value.get().starts_with('{') {
                self.parsed.error(at, format!("{section} must be an object of options"));
            } else if self.parsed.section_found {
                let text = format!("the object {section} is there twice; accepted: one");
                self.parsed.error(self.at(key), text);
            } else {
                self.section(value)?;
            }
            self.parsed.section_found = true;
        }
        Ok(())
    }

    fn section(&mut self, section: &'t RawValue) -> Result<(), Problem> {
        for (key, value) in self.members(section.get())? {
            let key = (self.string(key)?, self.at(key));
            match value.get().bytes().next() {
                Some(b'[') => {
                    for element in self.elements(value)? {
                        self.option(key.clone(), element)?;
                    }
                }
                _ => self.option(key, value)?,
            }
        }
        Ok(())
    }

    fn option(&mut self, key: Key, value: &'t RawValue) -> Result<(), Problem> {
        let at = self.at(value);
        let text = match value.get() {
            "true" => "1".to_owned(),
            "false" | "null" => "0".to_owned(),
            text if text.starts_with('"') => self.string(value)?,
            text if text.starts_with(['{', '[']) => {
                let text = format!("the value of {} cannot be an option's; {VALUES}", key.0);
                self.parsed.error(at, text);
                return Ok(());
            }
            number => number.to_owned(),
        };
        self.parsed.push(key, text, at);
        Ok(())
    }

    /// The members of the object `text`, a part of the file.
    fn members(&self, text: &'t str) -> Result<Vec<(&'t RawValue, &'t RawValue)>, Problem> {
        let mut json = serde_json::Deserializer::from_str(text);
        let members =
            json.deserialize_map(Members).and_then(|members| json.end().map(|()| members));
        members.map_err(|error| self.problem(text, &error))
    }

    fn elements(&self, list: &'t RawValue) -> Result<Vec<&'t RawValue>, Problem> {
        serde_json::from_str(list.get()).map_err(|error| self.problem(list.get(), &error))
    }

    /// A string without its quotes and escapes. Halves of surrogate pairs are found only here.
    fn string(&self, raw: &'t RawValue) -> Result<String, Problem> {
        serde_json::from_str(raw.get()).map_err(|error| self.problem(raw.get(), &error))
    }

    /// `error` in `text`, which is a part of the file. Its place counts lines, and bytes within them.
    fn problem(&self, text: &str, error: &serde_json::Error) -> Problem {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let within = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let message = format!("{what}; accepted: json without comments");
        Problem::error(self.written.at(self.offset(text).saturating_add(within)), message)
    }

    fn at(&self, raw: &RawValue) -> Position {
        self.written.at(self.offset(raw.get()))
    }

    /// Where a part of the file begins in it.
    fn offset(&self, part: &str) -> usize {
        (part.as_ptr() as usize).saturating_sub(self.written.text.as_ptr() as usize)
    }
}

/// Takes an object's keys and values as they are written.
struct Members;

impl<'t> Visitor<'t> for Members {
    type Value = Vec<(&'t RawValue, &'t RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, options, parsed, places, problems};
    use super::*;

    #[test]
    fn values_are_text() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    r#"{"uwsgi": {"a": "x", "b": 1, "c": -4, "d": 1.50, "e": 1e3}}"#,
                    &["a=x", "b=1", "c=-4", "d=1.50", "e=1e3"],
                    &[],
                ),
                (
                    r#"{"uwsgi": {"a": true, "b": false, "c": null, "d": ""}}"#,
                    &["a=1", "b=0", "c=0", "d="],
                    &[],
                ),
                (
                    r#"{"uwsgi": {"a": 99999999999999999999, "b": -0}}"#,
                    &["a=99999999999999999999", "b=-0"],
                    &[],
                ),
                (
                    r#"{"uwsgi": {"a": "\u00e9\n\"\/ \ud83d\ude00", "\u0041": "%n%%d"}}"#,
                    &["a=é\n\"/ 😀", "A=app%d"],
                    &[],
                ),
                (
                    r#"{"uwsgi": {"l": ["x", 2, true, null], "m": [], "l": "y"}}"#,
                    &["l=x", "l=2", "l=1", "l=0", "l=y"],
                    &[],
                ),
                ("{\"uwsgi\": {\"\": \"x\", \"a b\": \"c\"}}", &["=x", "a b=c"], &[]),
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
                    r#"{"uwsgi": {"a": {"b": 1}, "c": [["d"], "e", {}]}}"#,
                    &["c=e"],
                    &[
                        "error 1:17: the value of a cannot",
                        "error 1:33: the value of c",
                        "error 1:45: the value of c",
                    ],
                ),
                (r#"{"uwsgi": [1]}"#, &[], &["error 1:11: uwsgi must be an object of options"]),
                (
                    r#"{"uwsgi": {"a": 1}, "uwsgi": {"b": 2}}"#,
                    &["a=1"],
                    &["error 1:21: the object uwsgi is there twice"],
                ),
                (r#"{"uwsgi": {"a": 1, "b": "\ud83d"}}"#, &["a=1"], &["error 1:"]),
            ],
        );
    }

    #[test]
    fn syntax_errors_are_placed() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "",
                    &[],
                    &["error 1:1: EOF while parsing a value; accepted: json without comments"],
                ),
                ("[]", &[], &["error 1:1: invalid type: sequence, expected an object"]),
                ("{\"uwsgi\": {\"a\": 1,}}", &[], &["error 1:19: key must be a string"]),
                ("{\"uwsgi\":\n {\"é\" x}}", &[], &["error 2:7: expected `:`"]),
                ("{} x", &[], &["error 1:4: trailing characters"]),
                ("// c\n{}", &[], &["error 1:1: expected value"]),
                ("{\"uwsgi\": {\"a\": \"\t\"}}", &[], &["error 1:17: control character"]),
            ],
        );
    }

    #[test]
    fn places_are_those_of_the_file() {
        let text =
            "\u{feff}{\n  \"uwsgi\": {\"é\": \"%d\", \"%n\": 1,\r\n\t\"l\": [\"x\",\n \"y\"]}}";
        let places = places(&parsed(parse, text.as_bytes(), "uwsgi"));
        assert_eq!(places, ["é@2:13 /srv/@2:18", "app@2:24 1@2:30", "l@3:2 x@3:8", "l@3:2 y@4:2"]);
    }

    #[test]
    fn only_the_asked_section_is_read() {
        let text = br#"{"a": 1, "s": {"uwsgi": {"x": 9}}, "t": {"y": 1}}"#;
        assert_eq!(options(&parsed(parse, text, "t")), ["y=1"]);
        let none = parsed(parse, text, "uwsgi");
        assert!(!none.section_found && none.problems.is_empty());
    }

    #[test]
    fn depth_needs_no_stack() {
        for text in ["[", "{\"uwsgi\":{\"a\":[", "{\"a\":"] {
            assert_eq!(problems(&parsed(parse, text.repeat(200_000).as_bytes(), "uwsgi")).len(), 1);
        }
        let deep = format!("{{\"uwsgi\":{{\"a\":{}1{}}}}}", "[".repeat(99_999), "]".repeat(99_999));
        assert_eq!(problems(&parsed(parse, deep.as_bytes(), "uwsgi")).len(), 1);
    }
}
