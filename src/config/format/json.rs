//! JSON files: an object of options as a member of the outermost object (behaviour note 2.2).
//!
//! `true` is `1`, `false` and `null` are `0`, an array gives one option for each element; of members with one name
//! the last counts, at the place of the first. uWSGI leaves out fractions, objects and arrays in arrays
//! without a word, and cuts large numbers; here numbers stay as they are written, and what is left out is warned of.

use std::fmt;

use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::{Line, Parsed, Places, Problem};
use crate::config::magic::Magic;

/// Members of an object in their order, values as written.
struct Members<'t>(Vec<(String, &'t RawValue)>);

impl<'t> serde::Deserialize<'t> for Members<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'t> Visitor<'t> for MembersVisitor {
    type Value = Members<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'t>>(self, mut map: A) -> Result<Members<'t>, A::Error> {
        let mut members: Vec<(String, &RawValue)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, &RawValue>()? {
            match members.iter_mut().find(|(known, _)| *known == key) {
                Some(member) => member.1 = value,
                None => members.push((key, value)),
            }
        }
        Ok(Members(members))
    }
}

/// Elements of an array, as written.
struct Elements<'t>(Vec<&'t RawValue>);

impl<'t> serde::Deserialize<'t> for Elements<'t> {
    fn deserialize<D: Deserializer<'t>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor)
    }
}

struct ElementsVisitor;

impl<'t> Visitor<'t> for ElementsVisitor {
    type Value = Elements<'t>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'t>>(self, mut array: A) -> Result<Elements<'t>, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = array.next_element()? {
            elements.push(element);
        }
        Ok(Elements(elements))
    }
}

/// Reads the section `section` of `text`.
pub(super) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    let Some(text) = super::decoded(text, &mut parsed) else { return parsed };
    let text = magic.substitute(text);
    let places = Places::new(&text);
    match serde_json::from_str::<Members<'_>>(&text) {
        Ok(Members(members)) => {
            let found = members.into_iter().find(|(name, _)| name == section);
            parsed.section_found = found.is_some();
            if let Some((_, value)) = found {
                section_members(value, &text, &places, &mut parsed);
            }
        }
        Err(error) => parsed.problems.push(syntax(&error, &places)),
    }
    parsed
}

fn syntax(error: &serde_json::Error, places: &Places<'_>) -> Problem {
    let line = places.lines.get(error.line().saturating_sub(1)).copied().unwrap_or_default();
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    Problem::error(places.at(line + error.column().saturating_sub(1)), format!("no valid JSON: {message}"))
}

/// Where a value that was taken from the text stands in it.
fn offset(value: &RawValue, text: &str) -> usize {
    (value.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

fn section_members(section: &RawValue, text: &str, places: &Places<'_>, parsed: &mut Parsed) {
    let begin = offset(section, text);
    let Ok(Members(members)) = serde_json::from_str(section.get()) else {
        let message = "the section is no object; accepted: {\"option\": value, ...}";
        return parsed.problems.push(Problem::error(places.at(begin), message));
    };
    for (key, value) in members {
        if value.get().starts_with('[') {
            let Ok(Elements(elements)) = serde_json::from_str(value.get()) else { continue };
            elements.into_iter().for_each(|element| option(&key, element, text, places, parsed));
        } else {
            option(&key, value, text, places, parsed);
        }
    }
}

fn option(key: &str, value: &RawValue, text: &str, places: &Places<'_>, parsed: &mut Parsed) {
    let at = offset(value, text);
    let value = match value.get() {
        "true" => "1".to_owned(),
        "false" | "null" => "0".to_owned(),
        quoted if quoted.starts_with('"') => serde_json::from_str(quoted).unwrap_or_default(),
        nested if nested.starts_with(['{', '[']) => {
            let message = format!("{key}: objects, and arrays in arrays, are no values; this one is left out");
            return parsed.problems.push(Problem::warning(places.at(at), message));
        }
        number => number.to_owned(),
    };
    let key_at = places.at(key_before(text, at));
    parsed.lines.push(Line { key: key.to_owned(), value, key_at, value_at: places.at(at) });
}

/// Where the name stands that belongs to a value: the last string before its colon, on the value's line where it is
/// there. Names with escaped quotes are found by their end, which is near enough for a message.
fn key_before(text: &str, value: usize) -> usize {
    let before = &text[..value];
    let colon = before.rfind(':').unwrap_or(value);
    let end = before[..colon].rfind('"').unwrap_or(colon);
    before[..end].rfind('"').map_or(value, |begin| begin + 1)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, parsed, problems};
    use super::*;

    #[test]
    fn values_are_text_and_keep_their_places() {
        let text = "{\"uwsgi\": {\n  \"a\": 1,\n  \"b\": \"x\\u00e9\\\"\", \"c\": true,\n  \"d\": [false, null, -2]\n}}";
        assert_eq!(
            lines(parse, text, "uwsgi"),
            ["2:4 2:8 a=1", "3:4 3:8 b=x\u{e9}\"", "3:22 3:26 c=1", "4:4 4:9 d=0", "4:4 4:16 d=0", "4:4 4:22 d=-2"]
        );
    }

    #[test]
    fn numbers_stay_as_they_are_written() {
        let text = "{\"uwsgi\": {\"a\": 1.50, \"b\": 12345678901234567890123, \"c\": 1e3}}";
        let found = lines(parse, text, "uwsgi");
        assert_eq!(found.len(), 3);
        assert!(found[0].ends_with("a=1.50") && found[1].ends_with("=12345678901234567890123"), "{found:?}");
    }

    #[test]
    fn the_last_member_of_a_name_counts_at_the_place_of_the_first() {
        let text = "{\"uwsgi\": {\"b\": 1, \"a\": 2, \"b\": 3}}";
        let found = lines(parse, text, "uwsgi");
        assert!(found[0].ends_with("b=3") && found[1].ends_with("a=2"), "{found:?}");
    }

    #[test]
    fn sections_are_members() {
        let text = "{\"uwsgi\": {\"a\": 1}, \"x\": {\"b\": 2}}";
        assert_eq!(lines(parse, text, "x"), ["1:28 1:32 b=2"]);
        assert!(!parsed(parse, b"{}", "uwsgi").section_found);
    }

    #[test]
    fn what_is_no_value_is_told() {
        let text = "{\"uwsgi\": {\"a\": {\"b\": 1}, \"c\": [[1], 2]}}";
        let found = problems(parse, text, "uwsgi");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("1:17 warning: a: objects"), "{found:?}");
        assert_eq!(lines(parse, text, "uwsgi"), ["1:28 1:38 c=2"]);
    }

    #[test]
    fn errors_have_their_place() {
        for (text, place) in [
            ("{\"uwsgi\": {\"a\": 1,}}", "1:19"),
            ("{\n \"uwsgi\": x", "2:11"),
            ("[1]", "1:1"),
            ("{\"uwsgi\": [1]}", "1:11"),
            ("{} x", "1:4"),
            ("", "1:1"),
        ] {
            let found = problems(parse, text, "uwsgi");
            assert!(found[0].starts_with(&format!("{place} error: ")), "{text}: {found:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let found = problems(parse, &"{\"uwsgi\":".repeat(10_000), "uwsgi");
        assert!(found[0].contains("recursion limit") || found[0].contains("EOF"), "{found:?}");
    }
}
