//! The lines of an ini file, by uWSGI's rules (behaviour note 2.2).
//!
//! Lines are trimmed; a comment is a line that begins with `;` or `#`; the first `=` divides; there is no
//! quoting and no continuation. Only the asked section is read, sections of one name add up.

use super::written::Written;
use super::{BYTE_ORDER_MARK, Parsed, Position, count};
use crate::config::magic::Magic;

const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Reads the section `section` of `text`.
pub(in crate::config) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let mut parsed = Parsed::default();
    let mut inside = false;
    for (number, raw) in (1u32..).zip(text.split(|&byte| byte == b'\n')) {
        let decoded = String::from_utf8_lossy(raw);
        let indent = decoded.len() - decoded.trim_start_matches(BLANKS).len();
        let begin = Position { line: number, column: count(indent) };
        let written = Written::line(decoded.trim_matches(BLANKS), magic, begin);
        let line = written.text.trim_matches(BLANKS);
        match line.chars().next() {
            None | Some(';' | '#') => {}
            Some('[') => {
                inside = section_name(line) == section;
                parsed.section_found |= inside;
            }
            Some(_) if !inside => {}
            Some(_) => match str::from_utf8(raw) {
                Ok(_) => option(line, &written, &mut parsed),
                Err(error) => {
                    let good = String::from_utf8_lossy(&raw[..error.valid_up_to()]);
                    let at = Position { line: number, column: count(good.chars().count()) };
                    parsed.error(at, "the line is not valid UTF-8");
                }
            },
        }
    }
    parsed
}

/// Takes the option on `line`, which is `written` without blanks around it.
fn option(line: &str, written: &Written, parsed: &mut Parsed) {
    let start = written.text.len() - written.text.trim_start_matches(BLANKS).len();
    let (key, value, value_start) = match line.split_once('=') {
        None => (line, "", line.len()),
        Some((key, value)) => {
            let value = value.trim_start_matches(BLANKS);
            (key.trim_end_matches(BLANKS), value, line.len() - value.len())
        }
    };
    let (key_at, value_at) = (written.at(start), written.at(start + value_start));
    parsed.push((key.to_owned(), key_at), value.to_owned(), value_at);
}

/// The text between the first and the last character of a section line.
fn section_name(line: &str) -> &str {
    let inner = &line[1..];
    inner.char_indices().next_back().map_or("", |(last, _)| &inner[..last])
}

#[cfg(test)]
mod tests {
    use super::super::tests::{options, parsed, places, problems};
    use super::*;

    fn keys(text: &str, section: &str) -> Vec<String> {
        options(&parsed(parse, text.as_bytes(), section))
    }

    #[test]
    fn keys_and_values_are_trimmed_and_divided_at_the_first_equals_sign() {
        assert_eq!(
            keys("[uwsgi]\n  a  =  b c \t\r\nkey only\nd=e=f\n = x\n\n", "uwsgi"),
            ["a=b c", "key only=", "d=e=f", "=x"]
        );
    }

    #[test]
    fn only_whole_lines_are_comments() {
        assert_eq!(keys("[uwsgi]\n;a=1\n # b=1\nc = 1 # d\n", "uwsgi"), ["c=1 # d"]);
    }

    #[test]
    fn only_the_asked_section_is_read_and_equal_sections_add_up() {
        let text = "x=0\n[uwsgi]\na=1\n[other]\nb=2\n[uwsgi]\nc=3\n[uwsgi]extra\nd=4\n[ uwsgi ]\ne=5\n[uwsgi\nf=6\n";
        assert_eq!(keys(text, "uwsgi"), ["a=1", "c=3"]);
        assert_eq!(keys(text, "other"), ["b=2"]);
        assert!(!parsed(parse, text.as_bytes(), "none").section_found);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(keys("\u{feff}[uwsgi]\na=1", "uwsgi"), ["a=1"]);
    }

    #[test]
    fn places_are_those_of_the_file() {
        let text = "[uwsgi]\n  a  =\té\n%n-%n = %d%n\nonly\n  %q x=%(n)\nnone =\n";
        assert_eq!(
            places(&parsed(parse, text.as_bytes(), "uwsgi")),
            [
                "a@2:3 é@2:8",
                "app-app@3:1 /srv/app@3:9",
                "only@4:1 @4:5",
                "x@5:6 %(n)@5:8",
                "none@6:1 @6:7",
            ]
        );
    }

    #[test]
    fn lines_that_are_not_utf8_are_named_where_they_count() {
        let found = parsed(parse, b"[uwsgi]\n; caf\xe9\n a=caf\xe9\nb=1", "uwsgi");
        assert_eq!(problems(&found), ["error 3:7: the line is not valid UTF-8"]);
        assert_eq!(options(&found), ["b=1"]);
    }
}
