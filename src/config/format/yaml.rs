//! The options of a yaml file: entries of the mapping named like the section, at the top of the first document
//! that has it.
//!
//! Every scalar is the text it is written as (`yes`, `null` and `0x10` too), a list is one option for each
//! element. As by uWSGI, keys of a mapping inside an option are options themselves, and a key without a value
//! is none; both get a warning. Unlike uWSGI, the section may be written in braces, anchors and tags are
//! skipped rather than ending the section, and the rest of the file must be yaml too.

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::written::{BLANKS, Written};
use super::{Key, Parsed, Position, decode};
use crate::config::magic::Magic;

/// Mappings and lists inside each other.
const DEPTH_MAX: usize = 64;

/// Places at which a file is read more strictly by the parser than by libyaml.
const REPAIRS_MAX: usize = 256;
/// What the parser says there. All it misses are blanks that mean nothing: the place is inside brackets, or
/// after a colon and a tab. (The first two: pull request 108 of saphyr.)
const REPAIRABLE: [&str; 3] = [
    "invalid indentation",
    "invalid indentation in flow construct",
    "':' must be followed by a valid YAML whitespace",
];
/// The same for a later line of the quoted text that begins at the place.
const REPAIRABLE_QUOTED: &str = "invalid indentation in quoted scalar";

/// Reads the section `section` of `text`.
pub(in crate::config) fn parse(text: &[u8], section: &str, magic: &Magic<'_>) -> Parsed {
    let text = match decode(text) {
        Ok(text) => text,
        Err(problem) => return Parsed::failed(problem),
    };
    let mut written = Written::new(text, magic);
    for _ in 0..REPAIRS_MAX {
        let Err(offset) = read(&written, section, true) else { break };
        written.insert_blanks(offset);
    }
    read(&written, section, false).unwrap_or_default()
}

/// Reads the text as it is; where `repairing`, up to a place that blanks would mend.
fn read(written: &Written, section: &str, repairing: bool) -> Result<Parsed, usize> {
    let mut offsets = Offsets { text: &written.text, characters: 0, bytes: 0 };
    let mut reader = Reader { section, open: Vec::new(), parsed: Parsed::default() };
    for event in Parser::new_from_str(&written.text) {
        match event {
            Ok((event, span)) => {
                let at = written.at(offsets.of(span.start.index()));
                reader.event(event, at);
            }
            Err(error) => {
                let offset = offsets.of(error.marker().index());
                if repairing && let Some(offset) = repair(&written.text, offset, error.info()) {
                    return Err(offset);
                }
                let accepted = match error.info().starts_with("unexpected character") {
                    true => "it inside of quotes",
                    false => "yaml",
                };
                let text = format!("{}; accepted: {accepted}", error.info());
                reader.parsed.error(written.at(offset), text);
                break;
            }
        }
        if reader.open.len() > DEPTH_MAX {
            break;
        }
    }
    Ok(reader.parsed)
}

/// Where blanks mend what the parser says of the text at `offset`.
fn repair(text: &str, offset: usize, problem: &str) -> Option<usize> {
    if problem != REPAIRABLE_QUOTED {
        return REPAIRABLE.contains(&problem).then_some(offset);
    }
    let breaks = memchr::memchr_iter(b'\n', text.as_bytes().get(offset..)?);
    let mut lines = breaks.map(|at| offset + at + 1);
    lines.find(|&line| !text[line..].starts_with(BLANKS)) // the lines before it were mended or good
}

/// Turns the parser's count of characters into bytes; it goes forward but for short steps back.
struct Offsets<'t> {
    text: &'t str,
    characters: usize,
    bytes: usize,
}

impl Offsets<'_> {
    fn of(&mut self, characters: usize) -> usize {
        let mut before = self.text[..self.bytes].chars();
        while self.characters > characters {
            let Some(character) = before.next_back() else { break };
            self.bytes -= character.len_utf8();
            self.characters -= 1;
        }
        let mut rest = self.text[self.bytes..].chars();
        while self.characters < characters {
            let Some(character) = rest.next() else { break };
            self.bytes += character.len_utf8();
            self.characters += 1;
        }
        self.bytes
    }
}

/// What an open mapping or list is to the section.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The mapping of a whole document.
    Top,
    /// The section, or a mapping inside an option.
    Section,
    /// The list of an option.
    List,
    /// Nothing.
    Other,
}

/// The key whose value comes next.
enum Pending {
    /// What comes next is a key.
    None,
    Key(Key),
    /// One that is no scalar.
    Unusable,
}

struct Container {
    role: Role,
    pending: Pending,
}

struct Reader<'a> {
    section: &'a str,
    /// Containers around the next event, the innermost last.
    open: Vec<Container>,
    parsed: Parsed,
}

impl Reader<'_> {
    fn event(&mut self, event: Event<'_>, at: Position) {
        match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style == ScalarStyle::Plain, at),
            Event::Alias(_) => self.alias(at),
            Event::MappingStart(..) => self.open(true, at),
            Event::SequenceStart(..) => self.open(false, at),
            Event::MappingEnd | Event::SequenceEnd => {
                self.open.pop();
                self.node_ended();
            }
            Event::DocumentStart(_) | Event::DocumentEnd => self.open.clear(),
            Event::Nothing | Event::StreamStart | Event::StreamEnd => {}
        }
    }

    fn open(&mut self, mapping: bool, at: Position) {
        let (role, pending) = self.role_of_container(mapping, at);
        self.open.push(Container { role, pending });
        if self.open.len() > DEPTH_MAX {
            let text = format!("mappings and lists are more than {DEPTH_MAX} deep");
            self.parsed.error(at, text);
        }
    }

    fn role_of_container(&mut self, mapping: bool, at: Position) -> (Role, Pending) {
        let Some(parent) = self.open.last() else {
            return (if mapping { Role::Top } else { Role::Other }, Pending::None);
        };
        match (parent.role, &parent.pending) {
            (Role::Top, Pending::Key((key, _))) if key == self.section => {
                (self.section_begins(mapping, at), Pending::None)
            }
            (Role::Section, Pending::Key((key, _))) if mapping => {
                let text = format!(
                    "{key} is a mapping: as by uWSGI its keys are read as options and {key} is not; \
                     accepted: a value or a list of values"
                );
                self.parsed.warning(at, text);
                (Role::Section, Pending::None)
            }
            (Role::Section, Pending::Key(key)) => (Role::List, Pending::Key(key.clone())),
            (Role::Section, Pending::None) => {
                self.parsed.error(at, "an option's name cannot be a mapping or a list");
                (Role::Other, Pending::None)
            }
            (Role::List, _) => {
                let text = "an option's list cannot contain a mapping or a list; accepted: values";
                self.parsed.error(at, text);
                (Role::Other, Pending::None)
            }
            _ => (Role::Other, Pending::None),
        }
    }

    fn section_begins(&mut self, mapping: bool, at: Position) -> Role {
        let again = std::mem::replace(&mut self.parsed.section_found, true);
        let section = self.section;
        if again {
            let text = format!("{section} was there before; as by uWSGI only the first is read");
            self.parsed.warning(at, text);
        } else if mapping {
            return Role::Section;
        } else {
            let text = format!("{section} must be a mapping of options, not a list");
            self.parsed.error(at, text);
        }
        Role::Other
    }

    fn scalar(&mut self, text: &str, plain: bool, at: Position) {
        let absent = plain && text.is_empty();
        match self.open.last() {
            Some(Container { role: Role::Top, pending: Pending::Key((key, _)) })
                if key == self.section =>
            {
                self.section_begins(true, at);
                let empty = absent || plain && matches!(text, "~" | "null");
                if !empty {
                    let text = format!("{} must be a mapping of options", self.section);
                    self.parsed.error(at, text);
                }
            }
            Some(Container { role: Role::Section | Role::List, pending: Pending::Key(key) }) => {
                let key = key.clone();
                match absent {
                    true => self.parsed.warning(
                        key.1,
                        format!(
                            "{} without a value is ignored, as by uWSGI; accepted: {0}: true",
                            key.0
                        ),
                    ),
                    false => self.parsed.push(key, text.to_owned(), at),
                }
            }
            Some(Container { role: Role::Top | Role::Section, pending: Pending::None }) => {
                let key = Pending::Key((text.to_owned(), at));
                if let Some(container) = self.open.last_mut() {
                    container.pending = key;
                }
                return;
            }
            _ => {}
        }
        self.node_ended();
    }

    fn alias(&mut self, at: Position) {
        if let Some(Container { role: Role::Section | Role::List, .. }) = self.open.last() {
            self.parsed.error(
                at,
                "aliases are not supported, by uWSGI neither; accepted: the value itself",
            );
        }
        self.node_ended();
    }

    /// After a key that is no scalar comes its value, after a value the next key.
    fn node_ended(&mut self) {
        if let Some(container) = self.open.last_mut()
            && container.role != Role::List
        {
            container.pending = match container.pending {
                Pending::None => Pending::Unusable,
                Pending::Key(_) | Pending::Unusable => Pending::None,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{check, options, parsed, places, problems};
    use super::*;

    #[test]
    fn scalars_are_the_text_they_are_written_as() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "uwsgi:\n  a: 1\n  b: two words  # c\n  c: \"q # x\"\n  d: 'it''s'\n  e: a#b\n",
                    &["a=1", "b=two words", "c=q # x", "d=it's", "e=a#b"],
                    &[],
                ),
                (
                    "uwsgi:\n  a: null\n  b: ~\n  d: true\n  e: False\n  f: yes\n  g: 0x10\n  h: 1.50\n  i: 1_000\n  j: \"\"\n",
                    &[
                        "a=null", "b=~", "d=true", "e=False", "f=yes", "g=0x10", "h=1.50",
                        "i=1_000", "j=",
                    ],
                    &[],
                ),
                (
                    "uwsgi:\n  a: |\n    one\n    two\n  b: >\n    folded\n    text\n  c: plain\n    continued\n  d: |-\n    strip\n",
                    &["a=one\ntwo\n", "b=folded text\n", "c=plain continued", "d=strip"],
                    &[],
                ),
                (
                    "uwsgi:\n  a: \"multi\n    line\n\n    q\"\n  b: |+\n    x\n\n  c: \"\\u00e9 \\x41\\n\"\n",
                    &["a=multi line\nq", "b=x\n\n", "c=é A\n"],
                    &[],
                ),
                (
                    "uwsgi:\n  socket: 127.0.0.1:3031\n  t: 12:30:00\n  u: http://x/#y\n",
                    &["socket=127.0.0.1:3031", "t=12:30:00", "u=http://x/#y"],
                    &[],
                ),
                ("uwsgi :\r\n  a : 1\r\n  \"b\": 2\r\n", &["a=1", "b=2"], &[]),
                ("uwsgi:\n  ? a\n  : 1\n  a: 2\n  : x\n", &["a=1", "a=2", "=x"], &[]),
                ("uwsgi:\n  a: !!str 1\n  b: &x 2\n", &["a=1", "b=2"], &[]),
                (
                    "uwsgi:\n  a: %n%%d\n  b: \"%(x)\"\n  %n: z\n  c: 100%\n",
                    &["a=app%d", "b=%(x)", "app=z", "c=100%"],
                    &[],
                ),
            ],
        );
    }

    #[test]
    fn lists_are_one_option_for_each_element() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "uwsgi:\n  l:\n    - x\n    - y\n  m: [p, q]\n  n: []\n  o:\n  - z\n  after: 1\n",
                    &["l=x", "l=y", "m=p", "m=q", "o=z", "after=1"],
                    &[],
                ),
                ("{\"uwsgi\": {\"a\": 1, \"b\": [1, 2]}}", &["a=1", "b=1", "b=2"], &[]),
                (
                    "uwsgi:\n  l:\n    - 1\n    -\n    - \"\"\n  a: 1\n",
                    &["l=1", "l=", "a=1"],
                    &["warning 2:3: l without a value"],
                ),
                (
                    "uwsgi:\n  l:\n    - [a, b]\n    - c\n    - {x: y}\n  a: 1\n",
                    &["l=c", "a=1"],
                    &["error 3:7: an option's list", "error 5:7: an option's list"],
                ),
            ],
        );
    }

    #[test]
    fn what_is_no_option_is_named() {
        check(
            parse,
            "uwsgi",
            &[
                ("uwsgi:\n  c:\n  a: 1\n", &["a=1"], &["warning 2:3: c without a value"]),
                (
                    "uwsgi:\n  m:\n    n:\n      z: 1\n    o: 2\n  a: {k: v}\n  b: 1\n",
                    &["z=1", "o=2", "k=v", "b=1"],
                    &["warning 3:5: m is a mapping", "warning 4:7: n is", "warning 6:6: a is"],
                ),
                ("uwsgi:\n  ? [x, y]\n  : 2\n  c: 3\n", &["c=3"], &["error 2:5: an option's name"]),
                (
                    "x: &x 1\nuwsgi:\n  b: *x\n  <<: *x\n  c: 1\n  l: [*x, 2]\n",
                    &["c=1", "l=2"],
                    &["error 3:6: aliases", "error 4:7: aliases", "error 6:7: aliases"],
                ),
                ("uwsgi: hello\n", &[], &["error 1:8: uwsgi must be a mapping of options"]),
                (
                    "uwsgi:\n  - a: 1\n",
                    &[],
                    &["error 2:3: uwsgi must be a mapping of options, not a list"],
                ),
                (
                    "uwsgi:\n  a: 1\nuwsgi:\n  b: 2\n",
                    &["a=1"],
                    &["warning 4:3: uwsgi was there before"],
                ),
            ],
        );
    }

    #[test]
    fn the_section_is_at_the_top_of_a_document() {
        let text = b"a: 1\nsec:\n  x: 9\nother: uwsgi\nmore:\n  uwsgi:\n    q: 1\nempty:\nnull: ~\n---\nuwsgi:\n  b: 2\n...\n";
        assert_eq!(options(&parsed(parse, text, "uwsgi")), ["b=2"]);
        assert_eq!(options(&parsed(parse, text, "sec")), ["x=9"]);
        for (section, found) in [("nope", false), ("q", false), ("empty", true), ("null", true)] {
            let parsed = parsed(parse, text, section);
            assert_eq!((parsed.section_found, parsed.lines.len()), (found, 0), "{section}");
            assert_eq!(parsed.problems, []);
        }
        for text in ["", "# c\n", "- uwsgi:\n    a: 1\n", "---\n...\n"] {
            assert_eq!(parsed(parse, text.as_bytes(), "uwsgi"), Parsed::default(), "{text}");
        }
    }

    #[test]
    fn syntax_errors_are_placed() {
        check(
            parse,
            "uwsgi",
            &[
                (
                    "uwsgi:\n  a: 1\n\tb: 2\n",
                    &[],
                    &["error 2:6: while scanning a plain scalar, found a tab"],
                ),
                (
                    "uwsgi:\n  a: 1\n  é%n: x: y\n  c: 1\n",
                    &["a=1", "éapp=x"],
                    &["error 3:9: mapping values are not allowed in this context; accepted: yaml"],
                ),
                ("uwsgi:\n  a: 1\n  b: [1\n", &["a=1", "b=1"], &["error "]),
                ("uwsgi:\n  a: 1\n b: 2\n", &["a=1"], &["error 3:"]),
                ("uwsgi:\n  a: `x`\n", &[], &["error 2:6"]),
                ("uwsgi:\n  a: \"x\n", &[], &["error "]),
            ],
        );
        let found = parsed(parse, b"uwsgi:\n  a: caf\xe9\n", "uwsgi");
        assert_eq!(problems(&found), ["error 2:9: the file is not valid UTF-8"]);
    }

    #[test]
    fn places_are_those_of_the_file() {
        let text =
            "\u{feff}uwsgi:\r\n  é: %d # c\r\n  \"%n\":\n    'x'\n  l: [x,\n y]\n  b: |\n    t\n";
        assert_eq!(
            places(&parsed(parse, text.as_bytes(), "uwsgi")),
            ["é@2:3 /srv/@2:6", "app@3:3 x@4:5", "l@5:3 x@5:7", "l@5:3 y@6:2", "b@7:3 t\n@8:5"]
        );
    }

    #[test]
    fn what_libyaml_reads_is_read() {
        check(
            parse,
            "uwsgi",
            &[
                ("uwsgi:\n  l: [\n    x,\n  y\n  ]\n  a: 1\n", &["l=x", "l=y", "a=1"], &[]),
                (
                    "uwsgi:\n  l: [\nx, y,\nz\n]\n  a: {\nb: c\n}\n",
                    &["l=x", "l=y", "l=z", "b=c"],
                    &["warning 6:6: a is a mapping"],
                ),
                (
                    "uwsgi:\n  a: \"x\n  y\n\n z\"\n  b: 'p\nq'\n  c: 1\n",
                    &["a=x y\nz", "b=p q", "c=1"],
                    &[],
                ),
                ("uwsgi:\n  a:\tx\n  b: y\t\n  c:\t1\n", &["a=x", "b=y", "c=1"], &[]),
            ],
        );
        let found = parsed(parse, "uwsgi:\n  l: [%n,\n %n, é]\n  a: \"\n".as_bytes(), "uwsgi");
        assert_eq!(places(&found), ["l@2:3 app@2:7", "l@2:3 app@3:2", "l@2:3 é@3:6"]);
        assert!(problems(&found)[0].starts_with("error 4:6: "));
    }

    #[test]
    fn depth_has_a_limit() {
        for text in ["[", "{a: ", "- "] {
            let problems = problems(&parsed(parse, text.repeat(20_000).as_bytes(), "uwsgi"));
            assert_eq!(problems.len(), 1, "{problems:?}");
        }
    }
}
