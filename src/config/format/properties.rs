//! What holds for every format, whatever the bytes.

use proptest::prelude::*;

use super::tests::{Parse, parsed};
use super::{ini, json, toml, xml, yaml};

/// Every format with a file that uses much of it.
const FORMATS: [(Parse, &str); 5] = [
    (ini::parse, "[a]\nx=1\n[uwsgi]\n ; c\nsocket = %d%n.sock\nkey\n%%x = %(y) é\r\n"),
    (
        json::parse,
        r#"{"uwsgi": {"socket": "%d%n.sock", "l": [1, true, null, "é\u00e9"], "o": {"a": 1.5e3}}, "b": [{}]}"#,
    ),
    (
        toml::parse,
        "t = 1\n[uwsgi]\nsocket = \"%d%n.sock\" # é\nl = [1, true, 'x', 1979-05-27]\no = { a = 0x1F, b.c = 1.5 }\nm = \"\"\"\n\\u00e9\"\"\"\n[uwsgi.sub]\n[[list]]\n",
    ),
    (
        xml::parse,
        "<?xml version=\"1.0\"?>\n<!DOCTYPE x [<!ENTITY v \"w\">]><x><uwsgi id=\"a\"><!-- c --><socket>%d%n&amp;&#65;</socket><e/>\
         <app mountpoint=\"/x\"> <s>é</s></app><![CDATA[z]]></uwsgi></x>\n",
    ),
    (
        yaml::parse,
        "%%YAML 1.2\n---\nb: &x [1]\nuwsgi:\n  socket: \"%d%n.sock\\n\"\n  l:\n    - é\n    - 'y'\n  o: {a: *x, ? b : c}\n  m: |+\n    t\n  f: >-\n    !!str u\n...\n---\n- !t z # c\n",
    ),
];

/// Reads `text` in every format. Places must lie in the file.
fn read(text: &[u8]) -> Result<(), TestCaseError> {
    let lines = text.split(|&byte| byte == b'\n').count();
    let longest = text.split(|&byte| byte == b'\n').map(<[u8]>::len).max().unwrap_or_default();
    for (parse, _) in FORMATS {
        let found = parsed(parse, text, "uwsgi");
        let of_lines = found.lines.iter().flat_map(|line| [line.key_at, line.value_at]);
        for at in of_lines.chain(found.problems.iter().map(|problem| problem.at)) {
            prop_assert!((1..=lines).contains(&(at.line as usize)), "{at:?}");
            prop_assert!((1..=longest + 1).contains(&(at.column as usize)), "{text:?} {found:?}");
        }
    }
    Ok(())
}

/// A change of a good file: at a place, so many bytes give way to others.
fn change() -> impl Strategy<Value = (prop::sample::Index, usize, Vec<u8>)> {
    let mark = prop::sample::select(&b"\"'{}[]<>&%!*?|:-#=,/\\ \n\r\t\0\xc3\xa9\xff"[..]);
    let bytes = prop::collection::vec(prop_oneof![mark, any::<u8>()], 0..4);
    (any::<prop::sample::Index>(), 0..4usize, bytes)
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&text)?;
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[\\[\\]{}<>&;!?*|:#=,'\"%/\\\\ \n\r\t\u{85}\u{2028}\u{feff}\u{0}a1é~.+-]{0,60}") {
        for start in ["", "uwsgi:\n  ", "[uwsgi]\n", "{\"uwsgi\": {", "<uwsgi>"] {
            read(format!("{start}{text}").as_bytes())?;
        }
    }

    #[test]
    fn no_change_of_a_good_file_makes_a_reader_panic(
        file in 0..FORMATS.len(),
        changes in prop::collection::vec(change(), 1..5),
    ) {
        let mut text = FORMATS[file].1.as_bytes().to_vec();
        for (at, length, bytes) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + length).min(text.len());
            text.splice(at..end, bytes);
        }
        read(&text)?;
    }
}

#[test]
fn the_good_files_are_good_enough() {
    for (parse, text) in FORMATS {
        let found = parsed(parse, text.as_bytes(), "uwsgi");
        assert!(found.section_found && found.lines.len() >= 3, "{text}\n{found:#?}");
    }
}
