//! The options of an xml file: children of `<uwsgi>`, an element's name the key, its text the value.
//!
//! As by uWSGI, `<uwsgi>` is the root whatever its id, or the first child of another root that has the asked
//! id or none; an empty element is `1`; other attributes say nothing; a value ends at the first comment or
//! CDATA section in it; CDATA between options is an `eval`; `<app mountpoint="/x">` is a `mount`. Elements
//! inside an option, which uWSGI crashes on, are errors; entities are the predefined and numeric ones.

use std::borrow::Cow;

use quick_xml::Reader as Events;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::written::Written;
use super::{Key, Parsed, Position, decode};
use crate::config::magic::Magic;

/// The element that holds options; where it is asked for by this name, any id will do.
const SECTION: &str = "uwsgi";

/// Reads the options for the id `section` of `text`.
pub(in crate::config) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let text = match decode(text) {
        Ok(text) => text,
        Err(problem) => return Parsed::failed(problem),
    };
    let written = Written::new(text, magic);
    let mut events = Events::from_str(&written.text);
    events.config_mut().expand_empty_elements = true;
    let mut reader = Reader {
        id: (section != SECTION).then_some(section),
        open: Vec::new(),
        root_seen: false,
        parsed: Parsed::default(),
    };
    loop {
        let offset = usize::try_from(events.buffer_position()).unwrap_or(usize::MAX);
        match events.read_event() {
            Ok(Event::Eof) => break,
            Ok(event) => {
                let content = match event {
                    Event::Start(_) => "<".len(),
                    Event::CData(_) => "<![CDATA[".len(),
                    _ => 0,
                };
                reader.event(event, written.at(offset + content));
            }
            Err(error) => {
                let at = usize::try_from(events.error_position()).unwrap_or(usize::MAX);
                reader.parsed.error(written.at(at), format!("{error}; accepted: xml"));
                return reader.parsed;
            }
        }
    }
    reader.ended(written.at(written.text.len()));
    reader.parsed
}

/// What an open element is to the section.
enum Role {
    /// A root that is not the section.
    Root,
    Section,
    Option(Value),
    /// The first element in an `<app>`: its text is the app's.
    App,
    /// Nothing.
    Other,
}

/// An option while its text is read.
struct Value {
    key: Key,
    /// Stands before the text of an app (`/x=`, or nothing).
    prefix: Option<String>,
    text: Option<String>,
    at: Position,
    /// The text has ended.
    closed: bool,
    warned: bool,
}

struct Element {
    role: Role,
    at: Position,
}

struct Reader<'a> {
    /// The asked id.
    id: Option<&'a str>,
    /// Elements around the next event, the innermost last.
    open: Vec<Element>,
    root_seen: bool,
    parsed: Parsed,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, at: Position) {
        match event {
            Event::Start(element) => {
                let role = self.role(&element, at);
                self.open.push(Element { role, at });
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text.xml10_content(), at),
            Event::CData(text) => self.cdata(&text.xml10_content(), at),
            Event::GeneralRef(reference) => match resolved(&reference) {
                Some(text) => self.text(&text, at),
                None => self.parsed.error(
                    at,
                    "the entity is not known; accepted: &lt; &gt; &amp; &quot; &apos; &#10; &#xA;",
                ),
            },
            Event::Comment(_) | Event::PI(_) => self.close_text(),
            Event::Empty(_) | Event::Decl(_) | Event::DocType(_) | Event::Eof => {}
        }
    }

    fn role(&mut self, element: &BytesStart<'_>, at: Position) -> Role {
        if let Some(error) = element.attributes().find_map(Result::err) {
            self.parsed.error(at, format!("{error}; accepted: NAME=\"VALUE\""));
        }
        let name = element.local_name();
        let name = name.as_ref();
        let asked = !self.parsed.section_found && name == SECTION && self.asked(element);
        match self.open.last_mut().map(|parent| &mut parent.role) {
            None => self.root(name, at),
            Some(Role::Root) if asked => {
                self.parsed.section_found = true;
                Role::Section
            }
            Some(Role::Section) => self.option(name, element, at),
            Some(Role::Option(Value { prefix: Some(_), text, closed, .. }))
                if !*closed && text.as_deref().is_none_or(is_blank) =>
            {
                *text = None;
                Role::App
            }
            Some(Role::Option(Value { key, prefix, .. })) => {
                match prefix {
                    None => {
                        let text = format!("{} contains an element; accepted: text", key.0);
                        self.parsed.error(at, text);
                    }
                    Some(_) => self
                        .parsed
                        .warning(at, "as by uWSGI only the first element of an app is read"),
                }
                Role::Other
            }
            Some(Role::App) => {
                self.parsed.error(at, "an app's element contains an element; accepted: text");
                Role::Other
            }
            Some(Role::Root | Role::Other) => Role::Other,
        }
    }

    fn root(&mut self, name: &str, at: Position) -> Role {
        if std::mem::replace(&mut self.root_seen, true) {
            self.parsed.error(at, "there is a second root element; accepted: one");
            return Role::Other;
        }
        self.parsed.section_found = name == SECTION;
        if self.parsed.section_found { Role::Section } else { Role::Root }
    }

    /// Whether an element `<uwsgi>` below the root is for the asked id.
    fn asked(&self, element: &BytesStart<'_>) -> bool {
        let id = attribute(element, "id");
        self.id.is_none() || id.is_none() || self.id == id.as_deref()
    }

    fn option(&mut self, name: &str, element: &BytesStart<'_>, at: Position) -> Role {
        let (name, prefix) = match name {
            "app" => {
                let mountpoint = attribute(element, "mountpoint").map(|path| path + "=");
                let domain = || attribute(element, "domain").map(|domain| domain + "|=");
                ("mount", Some(mountpoint.or_else(domain).unwrap_or_default()))
            }
            name => (name, None),
        };
        let key = (name.to_owned(), at);
        Role::Option(Value { key, prefix, text: None, at, closed: false, warned: false })
    }

    fn end(&mut self) {
        match self.open.pop().map(|element| element.role) {
            Some(Role::Option(value)) => self.option_ended(value),
            Some(Role::App) => self.close_text(),
            _ => {}
        }
    }

    fn option_ended(&mut self, Value { key, prefix, text, at, .. }: Value) {
        let value = match (prefix, text) {
            (None, None) => "1".to_owned(),
            (None, Some(text)) => text,
            (Some(prefix), Some(text)) if !is_blank(&text) => prefix + &text,
            (Some(_), _) => {
                let text = "an app without text is ignored, as by uWSGI; \
                            accepted: <app mountpoint=\"/x\">myapp.py</app>";
                return self.parsed.warning(key.1, text);
            }
        };
        self.parsed.push(key, value, at);
    }

    /// The option whose text is being read.
    fn value(&mut self) -> Option<&mut Value> {
        let innermost = self.open.len().checked_sub(1)?;
        let at = match self.open[innermost].role {
            Role::App => innermost.checked_sub(1)?,
            _ => innermost,
        };
        match &mut self.open[at].role {
            Role::Option(value) => Some(value),
            _ => None,
        }
    }

    fn text(&mut self, text: &str, at: Position) {
        if self.value().is_some() {
            return self.value_text(text, at);
        }
        if is_blank(text) {
            return;
        }
        match self.open.last().map(|element| &element.role) {
            None => self
                .parsed
                .error(at, "there is text outside the root element; accepted: one element"),
            Some(Role::Section) => {
                self.parsed.warning(
                    at,
                    "text between options is ignored, as by uWSGI; accepted: <NAME>VALUE</NAME>",
                );
            }
            Some(_) => {}
        }
    }

    fn value_text(&mut self, text: &str, at: Position) {
        let Some(value) = self.value() else { return };
        if !value.closed {
            if value.text.is_none() {
                value.at = at;
            }
            value.text.get_or_insert_default().push_str(text);
        } else if !is_blank(text) && !value.warned {
            value.warned = true;
            let text =
                format!("as by uWSGI, only the first piece of text in {} is read", value.key.0);
            self.parsed.warning(at, text);
        }
    }

    fn cdata(&mut self, text: &str, at: Position) {
        if self.value().is_some() {
            self.close_text();
            self.value_text(text, at);
            self.close_text();
            return;
        }
        match self.open.last().map(|element| &element.role) {
            None => self
                .parsed
                .error(at, "there is text outside the root element; accepted: one element"),
            Some(Role::Section) => self.parsed.push(("eval".to_owned(), at), text.to_owned(), at),
            Some(_) => {}
        }
    }

    /// The first piece of text is all there is to a value.
    fn close_text(&mut self) {
        if let Some(value) = self.value() {
            value.closed |= value.text.is_some();
        }
    }

    fn ended(&mut self, at: Position) {
        match self.open.last() {
            Some(element) => self.parsed.error(element.at, "the element is not closed"),
            None if !self.root_seen => {
                self.parsed.error(
                    at,
                    "there is no element; accepted: <uwsgi> with an element for each option",
                );
            }
            None => {}
        }
    }
}

fn is_blank(text: &str) -> bool {
    text.trim_matches([' ', '\t', '\r', '\n']).is_empty()
}

/// An attribute by its name without a prefix; what is wrong with attributes was said before.
fn attribute(element: &BytesStart<'_>, name: &str) -> Option<String> {
    let mut attributes = element.attributes().flatten();
    let found = attributes.find(|attribute| attribute.key.local_name().as_ref() == name)?;
    found.normalized_value(quick_xml::XmlVersion::Implicit1_0).ok().map(Cow::into_owned)
}

fn resolved(reference: &BytesRef<'_>) -> Option<String> {
    if reference.is_char_ref() {
        return reference.resolve_char_ref().ok().flatten().map(String::from);
    }
    quick_xml::escape::resolve_xml_entity(&reference.xml10_content()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, options, parsed, places, problems};
    use super::*;

    #[test]
    fn the_text_of_an_element_is_its_value() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "<?xml version=\"1.0\"?>\n<!DOCTYPE uwsgi>\n<uwsgi>\n <a>1</a><b/><c></c>\n<d> two words </d></uwsgi>\n",
                    &["a=1", "b=1", "c=1", "d= two words "],
                    &[],
                ),
                (
                    "<uwsgi><a>  </a><b>\r\n x\r\n</b><n:c xmlns:n=\"u\" mode=\"m\">1</n:c></uwsgi>",
                    &["a=  ", "b=\n x\n", "c=1"],
                    &[],
                ),
                (
                    "<uwsgi><a>&lt;&amp;&#65;&#x42;&quot;</a><b>1&lt;2&#10;3</b></uwsgi>",
                    &["a=<&AB\"", "b=1<2\n3"],
                    &[],
                ),
                (
                    "<uwsgi><a><![CDATA[x < y]]></a> <![CDATA[print(1)]]><b><![CDATA[]]></b></uwsgi>",
                    &["a=x < y", "eval=print(1)", "b="],
                    &[],
                ),
                ("<uwsgi><!-- c --><?pi x?><a><!-- c -->1</a></uwsgi>", &["a=1"], &[]),
                (
                    "<uwsgi><a>%n%(x)%%d %d</a><x%n>1</x%n><p>100%\n</p></uwsgi>",
                    &["a=app%(x)%d /srv/", "xapp=1", "p=100%\n"],
                    &[],
                ),
            ],
        );
    }

    #[test]
    fn an_app_is_a_mount() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "<uwsgi>\n<app mountpoint=\"/x\">\n  <script>m</script>\n</app></uwsgi>",
                    &["mount=/x=m"],
                    &[],
                ),
                (
                    "<uwsgi><app mountpoint=\"/x\" domain=\"d\"><any> m </any></app></uwsgi>",
                    &["mount=/x= m "],
                    &[],
                ),
                (
                    "<uwsgi><app domain=\"d\">t</app><app mountpoint='/y'><![CDATA[q]]></app></uwsgi>",
                    &["mount=d|=t", "mount=/y=q"],
                    &[],
                ),
                (
                    "<uwsgi><app mountpoint=\"/x\">\n<script>m</script><callable>q</callable></app></uwsgi>",
                    &["mount=/x=m"],
                    &["warning 2:20: as by uWSGI only the first element"],
                ),
                (
                    "<uwsgi><app>t</app><app mountpoint=\"/y\"/><a/></uwsgi>",
                    &["mount=t", "a=1"],
                    &["warning 1:21: an app without text"],
                ),
                (
                    "<uwsgi><app mountpoint=\"/x\"><a><b>1</b></a></app></uwsgi>",
                    &[],
                    &["error 1:33: an app's element", "warning 1:9: an app without text"],
                ),
            ],
        );
    }

    #[test]
    fn what_uwsgi_loses_is_named() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "<uwsgi><a>x<!-- c -->y</a><b>x<!-- c --> </b></uwsgi>",
                    &["a=x", "b=x"],
                    &["warning 1:22: as by uWSGI, only the first piece of text in a"],
                ),
                (
                    "<uwsgi><a>x<![CDATA[ y ]]>z</a></uwsgi>",
                    &["a=x"],
                    &["warning 1:21: as by uWSGI"],
                ),
                ("<uwsgi>text<a>1</a></uwsgi>", &["a=1"], &["warning 1:8: text between options"]),
                (
                    "<uwsgi><sub><b>2</b></sub><c>x<d/></c></uwsgi>",
                    &["sub=1", "c=x"],
                    &["error 1:14: sub contains an element", "error 1:32: c contains"],
                ),
            ],
        );
    }

    #[test]
    fn the_first_section_with_the_asked_id_or_none_is_read() {
        let text = "<uwsgis><uwsgi id=\"x\"><a>1</a></uwsgi><uwsgi id='y'><c>3</c></uwsgi><uwsgi><b>2</b></uwsgi></uwsgis>";
        for (id, expected) in [("uwsgi", "a=1"), ("x", "a=1"), ("y", "c=3"), ("z", "b=2")] {
            assert_eq!(options(&parsed(parse, text.as_bytes(), id)), [expected], "{id}");
        }
        let root = "<uwsgi id=\"x\"><a>1</a></uwsgi>";
        assert_eq!(options(&parsed(parse, root.as_bytes(), "y")), ["a=1"]);
        for text in [
            "<x><uwsgi id=\"x\"/></x>",
            "<sec><a>1</a></sec>",
            "<x><y><uwsgi/></y></x>",
            "<UWSGI/>",
        ] {
            assert_eq!(parsed(parse, text.as_bytes(), "sec"), Parsed::default(), "{text}");
        }
    }

    #[test]
    fn syntax_errors_are_placed() {
        check(
            parse,
            "uwsgi",
            &[
                ("", &[], &["error 1:1: there is no element"]),
                (
                    "<uwsgi><a>1</a>\n<é>2</uwsgi>",
                    &["a=1"],
                    &["error 2:5: ill-formed document: expected `</é>`"],
                ),
                ("<uwsgi>\n<a>1</a>", &["a=1"], &["error 1:2: the element is not closed"]),
                ("<uwsgi/>\n<x/>", &[], &["error 2:2: there is a second root element"]),
                ("<uwsgi/>junk", &[], &["error 1:9: there is text outside the root"]),
                (
                    "<uwsgi><a>&nope;</a></uwsgi>",
                    &["a=1"],
                    &["error 1:11: the entity is not known"],
                ),
                ("<uwsgi><a x>1</a></uwsgi>", &["a=1"], &["error 1:9: "]),
                ("<uwsgi><!-- ", &[], &["error 1:8: "]),
            ],
        );
        let found = parsed(parse, b"<uwsgi>\n<a>caf\xe9</a></uwsgi>", "uwsgi");
        assert_eq!(problems(&found), ["error 2:7: the file is not valid UTF-8"]);
    }

    #[test]
    fn places_are_those_of_the_file() {
        let text = "\u{feff}<uwsgi>\r\n  <é>%d</é><x%n> x</x%n>\n<b/>\n<c>\n<![CDATA[y]]></c><![CDATA[z]]>\n</uwsgi>";
        assert_eq!(
            places(&parsed(parse, text.as_bytes(), "uwsgi")),
            ["é@2:4 /srv/@2:6", "xapp@2:13 x@2:17", "b@3:2 1@3:2"]
                .map(|place| place.replace(" x@", "  x@"))
                .into_iter()
                .chain(["c@4:2 \n@4:4".to_owned(), "eval@5:27 z@5:27".to_owned()])
                .collect::<Vec<_>>()
        );
    }
}
