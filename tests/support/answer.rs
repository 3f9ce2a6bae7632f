//! A response as a client sees it.

/// A parsed response.
#[derive(Debug)]
pub struct Answer {
    pub version: String,
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    /// After chunked decoding.
    pub body: Vec<u8>,
    /// Whether the framing says that the body arrived whole; without any framing the end of file is the end.
    pub complete: bool,
    /// Bytes after the end of this response.
    pub surplus: Vec<u8>,
}

/// How the end of a body is known.
pub enum Framing {
    Length(usize),
    Chunked,
    ToEnd,
}

impl Answer {
    /// The head alone, and how many bytes it took; `None` while it is incomplete.
    pub fn head(bytes: &[u8]) -> Option<(Self, usize)> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = bytes[..end].iter().map(|&byte| char::from(byte)).collect::<String>();
        let mut lines = head.split("\r\n");
        let mut first = lines.next()?.splitn(3, ' ');
        let headers = lines.map(|line| {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            (name.to_owned(), value.trim().to_owned())
        });
        let answer = Self {
            version: first.next()?.to_owned(),
            status: first.next()?.parse().ok()?,
            reason: first.next().unwrap_or_default().to_owned(),
            headers: headers.collect(),
            body: Vec::new(),
            complete: false,
            surplus: Vec::new(),
        };
        Some((answer, end + 4))
    }

    pub fn framing(&self) -> Framing {
        if self
            .header("transfer-encoding")
            .is_some_and(|value| value.eq_ignore_ascii_case("chunked"))
        {
            return Framing::Chunked;
        }
        match self.header("content-length").and_then(|value| value.parse().ok()) {
            Some(length) => Framing::Length(length),
            None => Framing::ToEnd,
        }
    }

    /// Everything that was received until the peer closed; `bodiless` for the answer to HEAD, 204 and 304.
    pub fn whole(bytes: &[u8], bodiless: bool) -> Option<Self> {
        let (mut answer, head) = Self::head(bytes)?;
        let rest = &bytes[head..];
        match answer.framing() {
            _ if bodiless => (answer.body, answer.complete) = (rest.to_vec(), true),
            Framing::Length(length) => {
                answer.complete = rest.len() >= length;
                answer.body = rest[..length.min(rest.len())].to_vec();
                answer.surplus = rest[length.min(rest.len())..].to_vec();
            }
            Framing::Chunked => {
                let (body, end) = dechunk(rest);
                answer.complete = end.is_some();
                answer.surplus = end.map_or(Vec::new(), |end| rest[end..].to_vec());
                answer.body = body;
            }
            Framing::ToEnd => (answer.body, answer.complete) = (rest.to_vec(), true),
        }
        Some(answer)
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The value of line `NAME: VALUE` of the body; the test fails where there is none.
    #[track_caller]
    pub fn line(&self, name: &str) -> String {
        let text = self.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in:\n{text}")).to_owned()
    }

    /// Whether the body has a line `NAME: VALUE`.
    pub fn has_line(&self, name: &str) -> bool {
        self.text()
            .lines()
            .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(": ")))
    }
}

/// The data of chunks, and where the last one ended if it did.
pub fn dechunk(mut bytes: &[u8]) -> (Vec<u8>, Option<usize>) {
    let total = bytes.len();
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let line = String::from_utf8_lossy(&bytes[..end]);
        let Ok(size) = usize::from_str_radix(line.split(';').next().unwrap_or_default(), 16) else {
            break;
        };
        bytes = &bytes[end + 2..];
        if size == 0 {
            let ended = bytes.starts_with(b"\r\n");
            return (body, ended.then_some(total - bytes.len() + 2));
        }
        body.extend_from_slice(&bytes[..size.min(bytes.len())]);
        if bytes.len() < size + 2 {
            break;
        }
        bytes = &bytes[size + 2..];
    }
    (body, None)
}
