//! JSON with uWSGI's line breaks and tabs, or with none.
//!
//! Who reads line by line finds each line as uWSGI writes it, its oddities included: an empty list holds an empty line,
//! members of a list of texts are not indented, and tabs stand before the brace of an object that has a name. Otherwise
//! it is strict JSON, whatever clients sent: uWSGI passes control characters and broken UTF-8 on.

use std::fmt::{self, Write};

/// A document as it is written, front to back.
pub(super) struct Json {
    text: String,
    /// Tabs and line breaks.
    pretty: bool,
    /// How many objects and lists are open.
    depth: usize,
    /// The one that is open has no member yet.
    empty: bool,
}

impl Json {
    pub(super) fn new(pretty: bool) -> Self {
        Self { text: String::new(), pretty, depth: 0, empty: true }
    }

    /// The document is this object.
    pub(super) fn document(mut self, fill: impl FnOnce(&mut Self)) -> String {
        self.enclose('{', '}', fill);
        self.text
    }

    /// The next member of the open list.
    pub(super) fn item(&mut self, fill: impl FnOnce(&mut Self)) {
        self.separate();
        self.indent();
        self.enclose('{', '}', fill);
    }

    /// The next member of the open list, a text.
    pub(super) fn text_item(&mut self, bytes: &[u8]) {
        self.separate();
        self.quote(bytes);
    }

    pub(super) fn object(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.indent();
        self.enclose('{', '}', fill);
    }

    pub(super) fn list(&mut self, key: &str, fill: impl FnOnce(&mut Self)) {
        self.key(key);
        self.enclose('[', ']', fill);
    }

    pub(super) fn number(&mut self, key: &str, number: impl fmt::Display) {
        self.key(key);
        // Writing to a String does not fail.
        let _ = write!(self.text, "{number}");
    }

    pub(super) fn text(&mut self, key: &str, text: impl AsRef<[u8]>) {
        self.key(key);
        self.quote(text.as_ref());
    }

    fn key(&mut self, key: &str) {
        self.separate();
        self.indent();
        self.quote(key.as_bytes());
        self.text.push(':');
    }

    fn enclose(&mut self, open: char, close: char, fill: impl FnOnce(&mut Self)) {
        self.text.push(open);
        self.break_line();
        self.depth += 1;
        self.empty = true;
        fill(self);
        self.depth -= 1;
        self.empty = false;
        self.break_line();
        self.indent();
        self.text.push(close);
    }

    fn separate(&mut self) {
        if !std::mem::take(&mut self.empty) {
            self.text.push(',');
            self.break_line();
        }
    }

    fn break_line(&mut self) {
        if self.pretty {
            self.text.push('\n');
        }
    }

    fn indent(&mut self) {
        if self.pretty {
            self.text.extend(std::iter::repeat_n('\t', self.depth));
        }
    }

    fn quote(&mut self, bytes: &[u8]) {
        self.text.push('"');
        for character in String::from_utf8_lossy(bytes).chars() {
            match character {
                '"' | '\\' => self.text.extend(['\\', character]),
                '\0'..='\x1f' => {
                    // As above.
                    let _ = write!(self.text, "\\u{:04x}", u32::from(character));
                }
                _ => self.text.push(character),
            }
        }
        self.text.push('"');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pretty: bool) -> String {
        Json::new(pretty).document(|json| {
            json.number("a", -1);
            json.list("l", |json| {
                json.item(|json| json.text("t", "x"));
                json.item(|json| json.object("o", |_| {}));
            });
            json.list("v", |json| [&b"A=1"[..], b""].iter().for_each(|text| json.text_item(text)));
        })
    }

    #[test]
    fn lines_and_tabs_are_uwsgis() {
        let expected = "{\n\t\"a\":-1,\n\t\"l\":[\n\t\t{\n\t\t\t\"t\":\"x\"\n\t\t},\n\t\t{\n\t\t\t\"o\":\t\t\t{\n\n\t\t\t}\n\t\t}\n\t],\n\
                        \t\"v\":[\n\"A=1\",\n\"\"\n\t]\n}";
        assert_eq!(sample(true), expected);
        assert_eq!(sample(false), r#"{"a":-1,"l":[{"t":"x"},{"o":{}}],"v":["A=1",""]}"#);
    }

    #[test]
    fn what_a_client_sends_stays_json() {
        let hostile = b"Q=\"\\\n\t\x00\x7f\xff\xc3\xa9 </script>";
        let text = Json::new(false).document(|json| json.text("v", hostile));
        let read: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(read["v"], "Q=\"\\\n\t\0\x7f\u{fffd}\u{e9} </script>");
    }
}
