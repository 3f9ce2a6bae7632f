//! TOML files: a table of options below the section's name. uWSGI has no such format, so nothing is guessed: what is
//! no string, number, truth value, date, or array of these is an error.

use toml_edit::{Document, Item, Value};

use super::{Line, Parsed, Places, Problem};
use crate::config::magic::Magic;

/// Reads the section `section` of `text`.
pub(super) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    let Some(text) = super::decoded(text, &mut parsed) else { return parsed };
    let text = magic.substitute(text);
    let places = Places::new(&text);
    let document = match Document::parse(text.as_str()) {
        Ok(document) => document,
        Err(error) => {
            let at = places.at(error.span().map_or(0, |span| span.start));
            let message = format!("no valid TOML: {}", error.message().replace('\n', "; "));
            parsed.problems.push(Problem::error(at, message));
            return parsed;
        }
    };
    let Some(item) = document.as_table().get(section) else { return parsed };
    parsed.section_found = true;
    let Some(table) = item.as_table_like() else {
        let at = places.at(item.span().map_or(0, |span| span.start));
        parsed.problems.push(Problem::error(at, "the section is no table; accepted: [section]"));
        return parsed;
    };
    for (name, item) in table.iter() {
        let key = table.key(name).and_then(toml_edit::Key::span).map_or(0, |span| span.start);
        member(name, key, item, &places, &mut parsed);
    }
    parsed.lines.sort_by_key(|line| line.key_at);
    parsed
}

fn member(name: &str, key: usize, item: &Item, places: &Places<'_>, parsed: &mut Parsed) {
    match item {
        Item::Value(Value::Array(array)) => {
            array.iter().for_each(|value| option(name, key, value, places, parsed));
        }
        Item::Value(value) => option(name, key, value, places, parsed),
        _ => no_value(name, key, places, parsed),
    }
}

fn no_value(name: &str, at: usize, places: &Places<'_>, parsed: &mut Parsed) {
    let message = format!("{name}: a table is no value; accepted: a string, a number, true, false, or an array of them");
    parsed.problems.push(Problem::error(places.at(at), message));
}

fn option(name: &str, key: usize, value: &Value, places: &Places<'_>, parsed: &mut Parsed) {
    let at = value.span().map_or(key, |span| span.start);
    let text = match value {
        Value::String(text) => text.value().clone(),
        Value::Integer(number) => number.value().to_string(),
        Value::Float(number) => number.value().to_string(),
        Value::Boolean(truth) => truth.value().to_string(),
        Value::Datetime(date) => date.value().to_string(),
        Value::Array(_) | Value::InlineTable(_) => return no_value(name, at, places, parsed),
    };
    let (key_at, value_at) = (places.at(key), places.at(at));
    parsed.lines.push(Line { key: name.to_owned(), value: text, key_at, value_at });
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, parsed, problems};
    use super::*;

    #[test]
    fn values_are_text_and_keep_their_places() {
        let text = "# c\n[uwsgi]\na = 1\nb = \"x # y\" # c\nc = true\nd = [\"A=1\", 2]\n\n[x]\ne = 'z'\n";
        assert_eq!(
            lines(parse, text, "uwsgi"),
            ["3:1 3:5 a=1", "4:1 4:5 b=x # y", "5:1 5:5 c=true", "6:1 6:6 d=A=1", "6:1 6:13 d=2"]
        );
        assert_eq!(lines(parse, text, "x"), ["9:1 9:5 e=z"]);
        assert_eq!(lines(parse, "uwsgi = { b = 1, a = 2 }\n", "uwsgi"), ["1:11 1:15 b=1", "1:18 1:22 a=2"]);
        assert!(!parsed(parse, b"a = 1\n", "uwsgi").section_found);
    }

    #[test]
    fn tables_are_no_values() {
        let found = problems(parse, "[uwsgi]\na = {b = 1}\nc = [[1]]\n[uwsgi.d]\ne = 1\n", "uwsgi");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|text| text.contains("error: ")), "{found:?}");
        assert!(problems(parse, "uwsgi = 1\n", "uwsgi")[0].contains("the section is no table"));
    }

    #[test]
    fn errors_have_their_place() {
        for (text, place) in [("[uwsgi]\na = x\n", "2:5"), ("[uwsgi]\na = 1\na = 2\n", "3:1"), ("[uwsgi\n", "1:7")] {
            let found = problems(parse, text, "uwsgi");
            assert!(found[0].starts_with(&format!("{place} error: no valid TOML: ")), "{text}: {found:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let _ = parsed(parse, format!("[uwsgi]\na = {}", "[".repeat(10_000)).as_bytes(), "uwsgi");
    }
}
