//! A request as bytes, for HTTP and for the uwsgi protocol.

/// A request to be sent over either protocol.
#[derive(Clone)]
pub struct Request {
    pub method: String,
    /// As in the request line: path and query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    /// Further variables of a uwsgi packet; HTTP has no place for them.
    pub vars: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub modifier1: u8,
}

impl Request {
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.into(),
            target: target.into(),
            headers: Vec::new(),
            vars: Vec::new(),
            body: Vec::new(),
            modifier1: 0,
        }
    }

    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    pub fn post(target: &str, body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        Self { body, ..Self::new("POST", target) }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub fn var(mut self, name: &str, value: &str) -> Self {
        self.vars.push((name.into(), value.into()));
        self
    }

    fn has_header(&self, name: &str) -> bool {
        self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// The HTTP/1.1 message. `Host` and `Content-Length` are added where the test gave none.
    pub fn to_http(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        if !self.has_header("host") {
            head.push_str("Host: localhost\r\n");
        }
        if !self.body.is_empty() && !self.has_header("content-length") {
            head.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut bytes = (head + "\r\n").into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    /// The variables nginx would send for this request, then the test's own.
    pub fn cgi(&self) -> Vec<(String, String)> {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        let length = match self.body.len() {
            0 => String::new(),
            count => count.to_string(),
        };
        let mut all: Vec<(String, String)> = [
            ("QUERY_STRING", query),
            ("REQUEST_METHOD", &self.method),
            ("CONTENT_TYPE", ""),
            ("CONTENT_LENGTH", &length),
            ("REQUEST_URI", &self.target),
            ("PATH_INFO", path),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REMOTE_ADDR", "192.0.2.9"),
            ("REMOTE_PORT", "4711"),
            ("SERVER_PORT", "80"),
            ("SERVER_NAME", "localhost"),
            ("HTTP_HOST", "localhost"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
        for (name, value) in &self.headers {
            let name = name.to_uppercase().replace('-', "_");
            let name = if name.starts_with("CONTENT_") { name } else { format!("HTTP_{name}") };
            set(&mut all, name, value.clone());
        }
        for (name, value) in &self.vars {
            set(&mut all, name.clone(), value.clone());
        }
        all
    }

    /// The uwsgi packet and the body after it.
    pub fn to_packet(&self) -> Vec<u8> {
        let mut bytes = packet(self.modifier1, 0, &block(&self.cgi()));
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

fn set(all: &mut Vec<(String, String)>, name: String, value: String) {
    match all.iter_mut().find(|(known, _)| *known == name) {
        Some(entry) => entry.1 = value,
        None => all.push((name, value)),
    }
}

/// Names and values as the uwsgi protocol's dictionary block.
pub fn block(pairs: &[(String, String)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for text in pairs.iter().flat_map(|(name, value)| [name, value]) {
        let length = u16::try_from(text.len()).expect("a test's variable fits 64 KiB");
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// A packet: modifier1, size, modifier2, block.
pub fn packet(modifier1: u8, modifier2: u8, block: &[u8]) -> Vec<u8> {
    let [low, high] = u16::try_from(block.len()).expect("a test's block fits 64 KiB").to_le_bytes();
    let mut bytes = vec![modifier1, low, high, modifier2];
    bytes.extend_from_slice(block);
    bytes
}
