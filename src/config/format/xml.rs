//! XML files: an element `uwsgi` with an element for each option (behaviour note 2.2).
//!
//! As in uWSGI the first text in an element is its value, an empty element has the value `1`, attributes and
//! deeper elements do not count. Where the outermost element is another one, the first `uwsgi` in it is read,
//! or the one whose `id` is asked for.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::{Line, Parsed, Places, Position, Problem};
use crate::config::magic::Magic;

/// The name of the element that holds the options.
const ELEMENT: &str = "uwsgi";

/// An option whose end was not read yet.
struct Open {
    key: String,
    key_at: Position,
    /// The first text, and where it stands.
    value: Option<(String, Position)>,
    /// Its text goes on: nothing came between.
    growing: bool,
}

struct Walk<'t, 'p> {
    reader: Reader<&'t [u8]>,
    places: &'p Places<'t>,
    /// The `id` that is asked for; `None` for the first section.
    wanted: Option<&'p str>,
    parsed: &'p mut Parsed,
    /// Where the event that is looked at begins.
    begin: usize,
    /// Depth of the element that is being read, 0 outside of all.
    depth: usize,
    /// Depth of the section, while it is read.
    section: Option<usize>,
    open: Option<Open>,
}

/// Reads the section `section` of `text`.
pub(super) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let mut parsed = Parsed::default();
    let Some(text) = super::decoded(text, &mut parsed) else { return parsed };
    let text = magic.substitute(text);
    let places = Places::new(&text);
    let mut walk = Walk {
        reader: Reader::from_str(&text),
        places: &places,
        wanted: Some(section).filter(|section| *section != ELEMENT),
        parsed: &mut parsed,
        begin: 0,
        depth: 0,
        section: None,
        open: None,
    };
    if let Err(message) = walk.all() {
        let at = places.at(walk.begin);
        parsed.problems.push(Problem::error(at, format!("no valid XML: {message}")));
        // Half a file must not be served.
        parsed.lines.clear();
    }
    parsed
}

impl Walk<'_, '_> {
    fn all(&mut self) -> Result<(), String> {
        loop {
            let begin = usize::try_from(self.reader.buffer_position()).unwrap_or(usize::MAX);
            self.begin = begin;
            match self.reader.read_event().map_err(|error| error.to_string())? {
                Event::Start(element) => {
                    self.start(&element, begin)?;
                }
                Event::Empty(element) => {
                    self.start(&element, begin)?;
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(text) => self.text(&text, begin),
                Event::CData(text) => self.text(&text, begin + "<![CDATA[".len()),
                Event::GeneralRef(reference) => {
                    let text = resolve(&reference)?;
                    self.text(&text, begin);
                }
                Event::Eof if self.depth > 0 => return Err("an element is not closed".to_owned()),
                Event::Eof => return Ok(()),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {
                    self.open.iter_mut().for_each(|open| open.growing &= open.value.is_none());
                }
            }
        }
    }

    fn start(&mut self, element: &BytesStart<'_>, begin: usize) -> Result<(), String> {
        self.depth += 1;
        let name = element.name().as_ref().to_owned();
        match self.section {
            None if self.begins_section(&name, element)? => {
                self.parsed.section_found = true;
                self.section = Some(self.depth);
            }
            Some(section) if self.depth == section + 1 => {
                let key_at = self.places.at(begin + 1);
                self.open = Some(Open { key: name, key_at, value: None, growing: true });
            }
            Some(_) => {
                if let Some(open) = &mut self.open {
                    open.growing = false;
                    let message = format!("{}: elements in an option do not count; {name} is left out", open.key);
                    self.parsed.problems.push(Problem::warning(self.places.at(begin), message));
                }
            }
            None => {}
        }
        Ok(())
    }

    /// Whether this element is the asked section: the outermost one, or one directly in it.
    fn begins_section(&self, name: &str, element: &BytesStart<'_>) -> Result<bool, String> {
        if self.parsed.section_found || name != ELEMENT || self.depth > 2 {
            return Ok(false);
        }
        let Some(wanted) = self.wanted.filter(|_| self.depth == 2) else { return Ok(true) };
        for attribute in element.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            if attribute.key.as_ref() == "id" {
                return Ok(attribute.value.as_ref() == wanted);
            }
        }
        Ok(false)
    }

    fn text(&mut self, text: &str, begin: usize) {
        let Some(open) = self.open.as_mut().filter(|open| open.growing) else { return };
        match &mut open.value {
            Some((value, _)) => value.push_str(text),
            None => open.value = Some((text.to_owned(), self.places.at(begin))),
        }
    }

    fn end(&mut self) {
        if self.section == Some(self.depth) {
            self.section = None;
        } else if self.section.is_some_and(|section| self.depth == section + 1)
            && let Some(Open { key, key_at, value, .. }) = self.open.take()
        {
            let (value, value_at) = value.unwrap_or(("1".to_owned(), key_at));
            self.parsed.lines.push(Line { key, value, key_at, value_at });
        }
        self.depth = self.depth.saturating_sub(1);
    }
}

/// The text of `&lt;`, `&#10;` and their like.
fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    if let Some(character) = reference.resolve_char_ref().map_err(|error| error.to_string())? {
        return Ok(character.to_string());
    }
    let name: &str = reference;
    let known = quick_xml::escape::resolve_xml_entity(name);
    known.map(str::to_owned).ok_or_else(|| format!("the entity {name} is not defined"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{lines, parsed, problems};
    use super::*;

    fn listed(text: &str) -> Vec<String> {
        lines(parse, text, "uwsgi")
    }

    #[test]
    fn elements_are_options_and_keep_their_places() {
        let text = "<?xml version=\"1.0\"?>\n<uwsgi>\n  <a>1</a>\n  <b/><c></c>\n  <d> x &lt;&#65; y </d>\n  <e><![CDATA[<z>]]></e>\n</uwsgi>\n";
        assert_eq!(
            listed(text),
            ["3:4 3:6 a=1", "4:4 4:4 b=1", "4:8 4:8 c=1", "5:4 5:6 d= x <A y ", "6:4 6:15 e=<z>"]
        );
    }

    #[test]
    fn the_first_text_is_the_value() {
        assert_eq!(listed("<uwsgi>t<a>x<!--c-->y</a><b z=\"1\">1</b></uwsgi>"), ["1:10 1:12 a=x", "1:27 1:35 b=1"]);
        let found = problems(parse, "<uwsgi><a>x<f>y</f>z</a></uwsgi>", "uwsgi");
        assert!(found[0].starts_with("1:12 warning: a: elements in an option"), "{found:?}");
        assert_eq!(listed("<uwsgi><a>x<f>y</f>z</a></uwsgi>"), ["1:9 1:11 a=x"]);
    }

    #[test]
    fn a_section_is_the_root_or_a_child_by_its_id() {
        let text = "<all><uwsgi id=\"x\"><a>1</a></uwsgi><uwsgi id=\"y\"><b>2</b></uwsgi></all>";
        assert_eq!(listed(text), ["1:21 1:23 a=1"]);
        assert_eq!(lines(parse, text, "y"), ["1:51 1:53 b=2"]);
        assert!(!parsed(parse, text.as_bytes(), "z").section_found);
        assert_eq!(lines(parse, "<uwsgi id=\"x\"><a>1</a></uwsgi>", "y"), ["1:16 1:18 a=1"]);
        assert!(!parsed(parse, b"<other><a>1</a></other>", "uwsgi").section_found);
    }

    #[test]
    fn errors_have_their_place() {
        for text in ["<uwsgi>\n<a>1</b></uwsgi>", "<uwsgi>\n<a>&nope;</a></uwsgi>", "<uwsgi>\n<a", "<uwsgi>\n<a>"] {
            let found = problems(parse, text, "uwsgi");
            assert!(found[0].starts_with("2:"), "{text}: {found:?}");
            assert_eq!(listed(text), Vec::<String>::new());
        }
    }

    #[test]
    fn depth_is_no_trouble() {
        let text = format!("<uwsgi>{}", "<a>".repeat(100_000));
        assert!(problems(parse, &text, "uwsgi").iter().any(|problem| problem.contains("not closed")));
    }
}
