//! YAML files: one mapping of options below the section's name (behaviour note 2.2).
//!
//! Scalars are taken as text, whatever YAML would make of them (`true` and `1.0` stay so), a sequence gives one
//! option for each element. As in uWSGI (built with libyaml) only the first section of that name counts, a key
//! without a value is left out, and what lies deeper is flattened into the section; since nobody wants the last two, both are
//! warned of.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use super::{Line, Parsed, Position, Problem};
use crate::config::magic::Magic;

/// Collections may stand in each other this deep.
const DEPTH_MAX: usize = 64;

/// A scalar with its place and the number of its anchor.
#[derive(Clone, Debug)]
struct Scalar {
    text: String,
    at: Position,
    anchor: usize,
    /// Nothing is written: `key:`.
    absent: bool,
}

/// What the parser says, as far as it matters here.
enum Token {
    Scalar(Scalar),
    Alias(usize, Position),
    Mapping(Position),
    Sequence,
    End,
    Other,
}

struct Reader<'t, 'p> {
    parser: Parser<'t, StrInput<'t>>,
    parsed: &'p mut Parsed,
    anchors: Vec<Scalar>,
}

/// Reads the section `section` of `text`.
pub(super) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    let Some(text) = super::decoded(text, &mut parsed) else { return parsed };
    let text = magic.substitute(text);
    let mut reader = Reader { parser: Parser::new_from_str(&text), parsed: &mut parsed, anchors: Vec::new() };
    if let Err(error) = reader.document(section) {
        let at = position(error.marker());
        parsed.problems.push(Problem::error(at, format!("no valid YAML: {}", error.info())));
    }
    parsed
}

fn position(marker: &Marker) -> Position {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: number(marker.line().max(1)), column: number(marker.col() + 1) }
}

impl Reader<'_, '_> {
    fn next(&mut self) -> Result<Option<Token>, ScanError> {
        let Some(event) = self.parser.next_event() else { return Ok(None) };
        let (event, Span { start, end }) = event?;
        Ok(Some(match event {
            Event::Scalar(text, style, anchor, _) => {
                let absent = style == ScalarStyle::Plain && start.index() == end.index();
                Token::Scalar(Scalar { text: text.into_owned(), at: position(&start), anchor, absent })
            }
            Event::Alias(anchor) => Token::Alias(anchor, position(&start)),
            Event::MappingStart(..) => Token::Mapping(position(&start)),
            Event::SequenceStart(..) => Token::Sequence,
            Event::MappingEnd | Event::SequenceEnd | Event::StreamEnd => Token::End,
            _ => Token::Other,
        }))
    }

    /// Looks for the section among the keys of the outermost mapping.
    fn document(&mut self, section: &str) -> Result<(), ScanError> {
        loop {
            match self.next()? {
                None => return Ok(()),
                Some(Token::Mapping(_)) => break,
                Some(_) => {}
            }
        }
        while let Some(token) = self.next()? {
            match token {
                Token::Scalar(key) if key.text == section => return self.section(),
                Token::Scalar(_) | Token::Alias(..) => self.skip()?,
                Token::Mapping(_) | Token::Sequence => self.skip_rest(1)?,
                Token::End => return Ok(()),
                Token::Other => {}
            }
        }
        Ok(())
    }

    /// Passes over one value.
    fn skip(&mut self) -> Result<(), ScanError> {
        match self.next()? {
            Some(Token::Mapping(_) | Token::Sequence) => self.skip_rest(1),
            _ => Ok(()),
        }
    }

    fn skip_rest(&mut self, mut depth: usize) -> Result<(), ScanError> {
        while depth > 0 {
            match self.next()? {
                None => return Ok(()),
                Some(Token::Mapping(_) | Token::Sequence) => depth += 1,
                Some(Token::End) => depth -= 1,
                Some(_) => {}
            }
        }
        Ok(())
    }

    fn section(&mut self) -> Result<(), ScanError> {
        self.parsed.section_found = true;
        match self.next()? {
            Some(Token::Mapping(_)) => self.mapping(1),
            Some(Token::Sequence) => self.elements(None, 1),
            _ => Ok(()),
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<(), ScanError> {
        while let Some(token) = self.next()? {
            match token {
                Token::End => return Ok(()),
                Token::Scalar(key) => self.value(&key, depth)?,
                Token::Alias(_, at) => {
                    self.warn(at, "an alias cannot be the name of an option; it is left out");
                    self.skip()?;
                }
                Token::Mapping(at) => {
                    self.warn(at, "a mapping cannot be the name of an option; it is left out");
                    self.skip_rest(1)?;
                    self.skip()?;
                }
                Token::Sequence => {
                    self.skip_rest(1)?;
                    self.skip()?;
                }
                Token::Other => {}
            }
        }
        Ok(())
    }

    fn value(&mut self, key: &Scalar, depth: usize) -> Result<(), ScanError> {
        match self.next()? {
            Some(Token::Scalar(value)) => self.option(key, value),
            Some(Token::Alias(anchor, at)) => self.aliased(key, anchor, at),
            Some(Token::Sequence) => return self.elements(Some(key), depth + 1),
            Some(Token::Mapping(_)) => {
                let text = "an option has no options of its own: those below it count as options of the section";
                self.warn(key.at, text);
                return if depth < DEPTH_MAX { self.mapping(depth + 1) } else { self.skip_rest(1) };
            }
            _ => {}
        }
        Ok(())
    }

    /// One option for each element; mappings among them are options of the section.
    fn elements(&mut self, key: Option<&Scalar>, depth: usize) -> Result<(), ScanError> {
        while let Some(token) = self.next()? {
            match (token, key) {
                (Token::End, _) => return Ok(()),
                (Token::Scalar(value), Some(key)) => self.option(key, value),
                (Token::Alias(anchor, at), Some(key)) => self.aliased(key, anchor, at),
                (Token::Scalar(value), None) => self.warn(value.at, "here stands no option: accepted is a mapping"),
                (Token::Mapping(_) | Token::Sequence, _) if depth >= DEPTH_MAX => self.skip_rest(1)?,
                (Token::Sequence, key) => self.elements(key, depth + 1)?,
                (Token::Mapping(at), key) => {
                    if key.is_some() {
                        self.warn(at, "a mapping is no value: what is in it counts as options of the section");
                    }
                    self.mapping(depth + 1)?;
                }
                (Token::Alias(..) | Token::Other, _) => {}
            }
        }
        Ok(())
    }

    fn option(&mut self, key: &Scalar, value: Scalar) {
        if value.absent {
            let text = "the option has no value and is left out; accepted: a value, true for a flag";
            return self.warn(key.at, text);
        }
        if value.anchor > 0 {
            self.anchors.push(value.clone());
        }
        let line = Line { key: key.text.clone(), value: value.text, key_at: key.at, value_at: value.at };
        self.parsed.lines.push(line);
    }

    fn aliased(&mut self, key: &Scalar, anchor: usize, at: Position) {
        match self.anchors.iter().find(|scalar| scalar.anchor == anchor).cloned() {
            Some(value) => self.option(key, Scalar { at, anchor: 0, ..value }),
            None => self.warn(at, "the alias is of no value of the section; the option is left out"),
        }
    }

    fn warn(&mut self, at: Position, message: &str) {
        self.parsed.problems.push(Problem::warning(at, message));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, problems};
    use super::*;

    fn listed(text: &str) -> Vec<String> {
        lines(parse, text, "uwsgi")
    }

    #[test]
    fn scalars_stay_text_and_keep_their_places() {
        let text = "# c\nuwsgi:\n  a: 1.0\n  b: \"x # y\"\n  c: 'z'  # c\n  d: true\n  e: one\n   two\n  f: ''\n";
        assert_eq!(
            listed(text),
            ["3:3 3:6 a=1.0", "4:3 4:6 b=x # y", "5:3 5:6 c=z", "6:3 6:6 d=true", "7:3 7:6 e=one two", "9:3 9:6 f="]
        );
    }

    #[test]
    fn sequences_give_an_option_for_each_element() {
        let text = "uwsgi:\n  env:\n    - A=1\n    - B=2\n  x: [y, z]\n";
        assert_eq!(
            listed(text),
            ["2:3 3:7 env=A=1", "2:3 4:7 env=B=2", "5:3 5:7 x=y", "5:3 5:10 x=z"]
        );
    }

    #[test]
    fn only_the_first_section_of_the_name_counts() {
        let text = "a: 1\nx:\n  b: 2\nuwsgi:\n  c: 3\nuwsgi:\n  d: 4\n---\nuwsgi:\n  e: 5\n";
        assert_eq!(listed(text), ["5:3 5:6 c=3"]);
        assert_eq!(lines(parse, text, "x"), ["3:3 3:6 b=2"]);
        assert!(!parse_plain("a: 1\n").section_found);
        assert!(!parse_plain("").section_found);
    }

    fn parse_plain(text: &str) -> Parsed {
        super::super::tests::parsed(parse, text.as_bytes(), "uwsgi")
    }

    #[test]
    fn what_uwsgi_drops_or_flattens_is_told() {
        assert_eq!(listed("uwsgi:\n  a:\n  b: {c: 1}\n  d: &x v\n  e: *x\n"), ["3:7 3:10 c=1", "4:3 4:6 d=v", "5:3 5:6 e=v"]);
        let found = problems(parse, "uwsgi:\n  a:\n  b: {c: 1}\n", "uwsgi");
        assert!(found[0].starts_with("2:3 warning: the option has no value"), "{found:?}");
        assert!(found[1].starts_with("3:3 warning: an option has no options"), "{found:?}");
    }

    #[test]
    fn errors_have_their_place() {
        for (text, place) in [("uwsgi:\n\ta: 1\n", "2:2"), ("uwsgi:\n  a: \"x\n", "2:6"), ("uwsgi: [\n", "2:1")] {
            let found = problems(parse, text, "uwsgi");
            assert!(found[0].starts_with(&format!("{place} error: no valid YAML: ")), "{found:?}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let _ = parse_plain(&format!("uwsgi: {}", "[".repeat(10_000)));
        let _ = parse_plain(&format!("uwsgi: {}", "{a: ".repeat(10_000)));
    }
}
