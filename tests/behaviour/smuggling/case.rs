//! The table of cases: what is sent, and what the server says to it.

/// One line of `cases.txt`.
pub struct Case {
    /// Three digits, which all targets of the case contain.
    pub number: String,
    pub name: String,
    /// What a client gets that asks the server itself; nothing where the table leaves it open.
    pub answers: Option<Vec<Expected>>,
    /// Without the marked request behind them.
    pub bytes: Vec<u8>,
}

/// An answer.
#[derive(Debug, PartialEq)]
pub enum Expected {
    /// One of these statuses, and what the application is to have read as body.
    Status(Vec<u16>, Option<Vec<u8>>),
    Marked,
}

impl Case {
    pub fn all() -> Vec<Self> {
        let lines = include_str!("cases.txt").lines();
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.enumerate().map(|(at, line)| Self::parse(at, line)).collect()
    }

    fn parse(at: usize, line: &str) -> Self {
        let number = format!("{at:03}");
        let mut columns = line.splitn(3, " | ");
        let mut column = || columns.next().unwrap_or_else(|| panic!("three columns in {line:?}"));
        let (name, answers, bytes) = (column(), column(), column());
        let answers = (answers != "any")
            .then(|| answers.split(' ').map(|answer| Expected::parse(answer, &number)).collect());
        Self { name: name.into(), answers, bytes: expand(bytes, &number), number }
    }

    /// The body that the application reads of the first request, where the table says so.
    pub fn body(&self) -> Option<&[u8]> {
        match self.answers.as_deref()?.first()? {
            Expected::Status(_, body) => body.as_deref(),
            Expected::Marked => None,
        }
    }

    pub fn uri(&self, name: &str) -> String {
        format!("/{}/{name}", self.number)
    }
}

impl Expected {
    fn parse(text: &str, number: &str) -> Self {
        if text == "marked" {
            return Self::Marked;
        }
        let (statuses, body) = match text.split_once('=') {
            Some((statuses, body)) => (statuses, Some(expand(body, number))),
            None => (text, None),
        };
        let statuses = statuses.split('/').map(|status| status.parse().expect("a status"));
        Self::Status(statuses.collect(), body)
    }
}

/// Names, repetitions and escapes of the table, in this order.
fn expand(text: &str, number: &str) -> Vec<u8> {
    const NAMES: [(&str, &str); 6] = [
        ("{CHUNKED}", "{POST}Transfer-Encoding: chunked~~"),
        ("{POST}", "POST /NNN/case HTTP/1.1~Host: h~"),
        ("{GET}", "GET /NNN/case HTTP/1.1~Host: h~"),
        ("{TRAP}", "GET /NNN/smuggled HTTP/1.1~Host: h~~"),
        ("{BODY}", "5~hello~0~~"),
        ("NNN", ""),
    ];
    let mut text = text.to_owned();
    for (name, meaning) in NAMES {
        text = text.replace(name, if meaning.is_empty() { number } else { meaning });
    }
    while let Some((before, rest)) = text.split_once('{') {
        let (inside, after) = rest.split_once('}').expect("a brace ends");
        let (what, count) = inside.rsplit_once('*').expect("what * how often");
        text = format!("{before}{}{after}", what.repeat(count.parse().expect("a number")));
    }
    unescape(&text)
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'~' => bytes.extend_from_slice(b"\r\n"),
            b'\\' => bytes.push(match rest.next().expect("an escape") {
                b'r' => b'\r',
                b'n' => b'\n',
                b't' => b'\t',
                b'0' => 0,
                b'\\' => b'\\',
                b'x' => {
                    let mut digit = || {
                        let byte = rest.next().expect("two digits");
                        char::from(byte).to_digit(16).expect("a hexadecimal digit") as u8
                    };
                    digit() << 4 | digit()
                }
                other => panic!("escape {:?}", char::from(other)),
            }),
            _ => bytes.push(byte),
        }
    }
    bytes
}

#[test]
fn the_table_is_read_as_its_head_says() {
    let bytes = |text: &str| String::from_utf8(expand(text, "007")).unwrap();
    assert_eq!(bytes("{TRAP}").len(), 0x27);
    assert_eq!(bytes("/NNN/{ab*2}~\\x41\\\\"), "/007/abab\r\nA\\");
    let cases = Case::all();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    let mut names: Vec<_> = cases.iter().map(|case| &case.name).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), cases.len(), "names are unique");
}
