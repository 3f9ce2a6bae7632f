//! The lines of an ini file, by uWSGI's rules (behaviour note 2.2).
//!
//! Lines are trimmed; a comment is a line that begins with `;` or `#`; the first `=` divides; there is no
//! quoting and no continuation. Only the asked section is read, sections of one name add up.

use super::{Line, Parsed, Position, Problem};
use crate::config::magic::Magic;

const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Reads the section `section` of `text`.
pub(super) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut parsed = Parsed::default();
    let mut inside = false;
    for (number, line) in (1u32..).zip(text.split(|&byte| byte == b'\n')) {
        let decoded = String::from_utf8_lossy(line);
        let line_text = magic.substitute(decoded.trim_matches(BLANKS));
        let line_text = line_text.trim_matches(BLANKS);
        match line_text.chars().next() {
            None | Some(';' | '#') => {}
            Some('[') => {
                inside = section_name(line_text) == section;
                parsed.section_found |= inside;
            }
            Some(_) if !inside => {}
            Some(_) => {
                let (key_at, value_at) = places(number, &decoded);
                if std::str::from_utf8(line).is_err() {
                    parsed.problems.push(Problem::error(key_at, "the line is not valid UTF-8"));
                    continue;
                }
                let (key, value) = line_text.split_once('=').unwrap_or((line_text, ""));
                let key = key.trim_end_matches(BLANKS).to_owned();
                let value = value.trim_start_matches(BLANKS).to_owned();
                parsed.lines.push(Line { key, value, key_at, value_at });
            }
        }
    }
    parsed
}

/// Where key and value begin in a line as written.
fn places(line: u32, text: &str) -> (Position, Position) {
    let column = |bytes: usize| u32::try_from(text[..bytes].chars().count() + 1).unwrap_or(u32::MAX);
    let blanks = |from: usize| text[from..].len() - text[from..].trim_start_matches(BLANKS).len();
    let key = blanks(0);
    let value = match text.find('=') {
        Some(equals) => equals + 1 + blanks(equals + 1),
        None => key,
    };
    (Position { line, column: column(key) }, Position { line, column: column(value) })
}

/// The text between the first and the last character of a section line.
fn section_name(line: &str) -> &str {
    let inner = &line[1..];
    inner.char_indices().next_back().map_or("", |(last, _)| &inner[..last])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::magic::FileNames;

    fn keys(text: &str, section: &str) -> Vec<String> {
        let (names, machine) = (FileNames::default(), crate::config::magic::tests::machine());
        let ini = parse(text.as_bytes(), section, &Magic::new(&names, &names, &machine));
        ini.lines
            .into_iter()
            .map(|line| format!("{}:{}={}", line.key_at.line, line.key, line.value))
            .collect()
    }

    #[test]
    fn keys_and_values_are_trimmed_and_divided_at_the_first_equals_sign() {
        assert_eq!(
            keys("[uwsgi]\n  a  =  b c \t\r\nkey only\nd=e=f\n = x\n\n", "uwsgi"),
            ["2:a=b c", "3:key only=", "4:d=e=f", "5:=x"]
        );
    }

    #[test]
    fn only_whole_lines_are_comments() {
        assert_eq!(keys("[uwsgi]\n;a=1\n # b=1\nc = 1 # d\n", "uwsgi"), ["4:c=1 # d"]);
    }

    #[test]
    fn only_the_asked_section_is_read_and_equal_sections_add_up() {
        let text = "x=0\n[uwsgi]\na=1\n[other]\nb=2\n[uwsgi]\nc=3\n[uwsgi]extra\nd=4\n[ uwsgi ]\ne=5\n[uwsgi\nf=6\n";
        assert_eq!(keys(text, "uwsgi"), ["3:a=1", "7:c=3"]);
        assert_eq!(keys(text, "other"), ["5:b=2"]);
    }

    #[test]
    fn a_byte_order_mark_is_skipped() {
        assert_eq!(keys("\u{feff}[uwsgi]\na=1", "uwsgi"), ["2:a=1"]);
    }

    #[test]
    fn lines_that_are_not_utf8_are_named_where_they_count() {
        let (names, machine) = (FileNames::default(), crate::config::magic::tests::machine());
        let magic = Magic::new(&names, &names, &machine);
        let ini = parse(b"[uwsgi]\n; caf\xe9\na=caf\xe9\nb=1", "uwsgi", &magic);
        assert_eq!(ini.problems[0].at.line, 3);
        assert_eq!(ini.lines.len(), 1);
    }
}
