//! Request variables: flat CGI names and values as spans over the connection's buffer.
//!
//! This is the natural form of uwsgi, SCGI and FastCGI; HTTP/1 is translated to it. What is not in the
//! buffer as such (joined repeated headers, decoded paths, `HTTP_` names) lies in a scratch area that is
//! reused from request to request, so the steady state allocates nothing.

use crate::names;

/// A stretch of the head buffer or of the scratch area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Offset; the top bit selects the scratch area.
    start: u32,
    len: u32,
}

const SCRATCH: u32 = 1 << 31;
/// Largest scratch area that is kept for the next request, in bytes.
const SCRATCH_BYTES_KEPT: usize = 64 * 1024;
/// Variables whose position fits into the index.
const INDEXED_MAX: usize = u8::MAX as usize;

impl Span {
    /// A span of the head buffer. `start + len` must lie within it (head buffers are below 2 GiB).
    pub fn head(start: usize, len: usize) -> Self {
        debug_assert!(start + len < SCRATCH as usize);
        Self { start: start as u32, len: len as u32 }
    }

    /// A stretch of this one, which has at least `start + len` bytes.
    pub(crate) fn part(self, start: usize, len: usize) -> Self {
        debug_assert!(start + len <= self.len());
        Self { start: self.start + start as u32, len: len as u32 }
    }

    /// Number of bytes.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// True for a span of no bytes.
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

/// Name of a variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// One of the names that nearly every request has.
    Known(Known),
    /// Any other name.
    Other(Span),
}

macro_rules! known {
    ($($variant:ident = $text:literal),* $(,)?) => {
        /// Variables whose names need no bytes: plugins keep a ready-made key for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        #[allow(missing_docs)] // each variant is its CGI name
        pub enum Known { $($variant),* }

        impl Known {
            /// All of them; `ALL[k as usize] == k`.
            pub const ALL: &'static [Known] = &[$(Known::$variant),*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The CGI name.
            pub const fn as_str(self) -> &'static str {
                const NAMES: &[&str] = &[$($text),*];
                NAMES[self as usize]
            }
        }
    };
}

known! {
    RequestMethod = "REQUEST_METHOD", RequestUri = "REQUEST_URI", PathInfo = "PATH_INFO",
    QueryString = "QUERY_STRING", ServerProtocol = "SERVER_PROTOCOL", ScriptName = "SCRIPT_NAME",
    ServerName = "SERVER_NAME", ServerPort = "SERVER_PORT", RemoteAddr = "REMOTE_ADDR",
    RemotePort = "REMOTE_PORT", RemoteUser = "REMOTE_USER", ContentType = "CONTENT_TYPE",
    ContentLength = "CONTENT_LENGTH", DocumentRoot = "DOCUMENT_ROOT", Https = "HTTPS",
    RequestScheme = "REQUEST_SCHEME", GatewayInterface = "GATEWAY_INTERFACE", ServerSoftware = "SERVER_SOFTWARE",
    PathTranslated = "PATH_TRANSLATED", ScriptFilename = "SCRIPT_FILENAME",
    UwsgiScheme = "UWSGI_SCHEME", UwsgiAppid = "UWSGI_APPID", UwsgiScript = "UWSGI_SCRIPT",
    UwsgiModule = "UWSGI_MODULE", UwsgiCallable = "UWSGI_CALLABLE", UwsgiFile = "UWSGI_FILE",
    UwsgiPyhome = "UWSGI_PYHOME", UwsgiHome = "UWSGI_HOME", UwsgiChdir = "UWSGI_CHDIR", UwsgiRouter = "UWSGI_ROUTER",
    Host = "HTTP_HOST", UserAgent = "HTTP_USER_AGENT", Accept = "HTTP_ACCEPT",
    AcceptEncoding = "HTTP_ACCEPT_ENCODING", AcceptLanguage = "HTTP_ACCEPT_LANGUAGE",
    AcceptCharset = "HTTP_ACCEPT_CHARSET", CacheControl = "HTTP_CACHE_CONTROL", Connection = "HTTP_CONNECTION",
    Cookie = "HTTP_COOKIE", Referer = "HTTP_REFERER", Origin = "HTTP_ORIGIN", Pragma = "HTTP_PRAGMA",
    Dnt = "HTTP_DNT", Authorization = "HTTP_AUTHORIZATION", IfModifiedSince = "HTTP_IF_MODIFIED_SINCE",
    IfNoneMatch = "HTTP_IF_NONE_MATCH", Range = "HTTP_RANGE", Te = "HTTP_TE",
    TransferEncoding = "HTTP_TRANSFER_ENCODING", Upgrade = "HTTP_UPGRADE",
    UpgradeInsecureRequests = "HTTP_UPGRADE_INSECURE_REQUESTS", Expect = "HTTP_EXPECT",
    KeepAlive = "HTTP_KEEP_ALIVE", Via = "HTTP_VIA", XForwardedFor = "HTTP_X_FORWARDED_FOR",
    XForwardedProto = "HTTP_X_FORWARDED_PROTO", XForwardedHost = "HTTP_X_FORWARDED_HOST",
    XForwardedSsl = "HTTP_X_FORWARDED_SSL", XRealIp = "HTTP_X_REAL_IP", XRequestId = "HTTP_X_REQUEST_ID",
    XRequestedWith = "HTTP_X_REQUESTED_WITH", SecFetchSite = "HTTP_SEC_FETCH_SITE",
    SecFetchMode = "HTTP_SEC_FETCH_MODE", SecFetchUser = "HTTP_SEC_FETCH_USER",
    SecFetchDest = "HTTP_SEC_FETCH_DEST", SecChUa = "HTTP_SEC_CH_UA",
    SecChUaMobile = "HTTP_SEC_CH_UA_MOBILE", SecChUaPlatform = "HTTP_SEC_CH_UA_PLATFORM",
    Priority = "HTTP_PRIORITY",
}

/// One variable.
#[derive(Clone, Copy, Debug)]
pub struct Var {
    /// Its CGI name.
    pub name: Name,
    /// Its value; may be empty.
    pub value: Span,
}

/// The variables of one request, in the order of the wire; reused from request to request.
#[derive(Debug)]
pub struct Vars {
    entries: Vec<Var>,
    scratch: Vec<u8>,
    /// Position in `entries` plus one of each known name, 0 where it is absent.
    /// Positions above 254 are not indexed; they are searched for.
    index: [u8; Known::COUNT],
}

impl Default for Vars {
    fn default() -> Self {
        Self { entries: Vec::new(), scratch: Vec::new(), index: [0; Known::COUNT] }
    }
}

impl Vars {
    /// Forgets all variables and keeps the memory (but not that of an extraordinary request).
    pub fn clear(&mut self) {
        self.entries.clear();
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_BYTES_KEPT);
        self.index = [0; Known::COUNT];
    }

    /// Number of variables.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True without any variable.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The variables in order.
    pub fn entries(&self) -> &[Var] {
        &self.entries
    }

    /// Appends a variable.
    pub fn push(&mut self, name: Name, value: Span) {
        self.entries.push(Var { name, value });
        if let Name::Known(known) = name {
            self.index[known as usize] = u8::try_from(self.entries.len()).unwrap_or(0);
        }
    }

    /// Appends a known variable whose value is not in the head buffer.
    pub fn push_bytes(&mut self, known: Known, value: &[u8]) {
        let value = self.stash(value);
        self.push(Name::Known(known), value);
    }

    /// Gives a variable, by its CGI name, this value, whether it was there or not. Not for the hot path.
    pub fn set(&mut self, head: &[u8], name: &[u8], value: &[u8]) {
        let value = self.stash(value);
        let known = names::variable(name);
        let position = match known {
            Some(known) => self.position(known),
            None => {
                let view = self.view(head);
                self.entries.iter().position(|var| view.name(var.name) == name)
            }
        };
        match (position, known) {
            (Some(position), _) => self.replace(position, value),
            (None, Some(known)) => self.push(Name::Known(known), value),
            (None, None) => {
                let name = self.stash(name);
                self.push(Name::Other(name), value);
            }
        }
    }

    /// Copies bytes to the scratch area.
    pub fn stash(&mut self, bytes: &[u8]) -> Span {
        let start = self.scratch.len() as u32 | SCRATCH;
        self.scratch.extend_from_slice(bytes);
        Span { start, len: bytes.len() as u32 }
    }

    /// Lets `write` append to the scratch area and returns what it appended.
    pub fn stash_with(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Span {
        let start = self.scratch.len();
        write(&mut self.scratch);
        Span { start: start as u32 | SCRATCH, len: (self.scratch.len() - start) as u32 }
    }

    /// Position of a known variable in [`Vars::entries`].
    pub fn position(&self, known: Known) -> Option<usize> {
        match self.index[known as usize] {
            0 if self.entries.len() > INDEXED_MAX => self.search(known),
            place => usize::from(place).checked_sub(1),
        }
    }

    #[cold]
    fn search(&self, known: Known) -> Option<usize> {
        let unindexed = &self.entries[INDEXED_MAX..];
        let at = unindexed.iter().position(|var| var.name == Name::Known(known))?;
        Some(INDEXED_MAX + at)
    }

    /// Replaces the value of the variable at `position`.
    pub fn replace(&mut self, position: usize, value: Span) {
        self.entries[position].value = value;
    }

    /// Appends `glue` and the bytes of `more` to the value of the variable at `position`.
    pub fn join(&mut self, position: usize, head: &[u8], glue: &[u8], more: Span) {
        let first = self.entries[position].value;
        let start = (first.start & !SCRATCH) as usize;
        let end = start + first.len();
        let is_last = first.start & SCRATCH != 0 && end == self.scratch.len();
        // A value that is the last of the scratch area grows in place: joining many costs no more than their bytes.
        let begin = if is_last { start } else { self.scratch.len() };
        if !is_last {
            self.append(head, first);
        }
        self.scratch.extend_from_slice(glue);
        self.append(head, more);
        let len = (self.scratch.len() - begin) as u32;
        self.replace(position, Span { start: begin as u32 | SCRATCH, len });
    }

    fn append(&mut self, head: &[u8], span: Span) {
        let start = (span.start & !SCRATCH) as usize;
        let range = start..start + span.len();
        if span.start & SCRATCH != 0 {
            self.scratch.extend_from_within(range);
        } else {
            self.scratch.extend_from_slice(&head[range]);
        }
    }

    /// The bytes of a span.
    pub fn bytes<'a>(&'a self, head: &'a [u8], span: Span) -> &'a [u8] {
        if span.start & SCRATCH != 0 {
            let start = (span.start & !SCRATCH) as usize;
            &self.scratch[start..start + span.len as usize]
        } else {
            &head[span.start as usize..span.start as usize + span.len as usize]
        }
    }

    /// The variables together with the buffer that they point into.
    pub fn view<'a>(&'a self, head: &'a [u8]) -> VarsView<'a> {
        VarsView { vars: self, head }
    }
}

/// Variables that can be read: a [`Vars`] and the head buffer it was decoded from.
#[derive(Clone, Copy, Debug)]
pub struct VarsView<'a> {
    vars: &'a Vars,
    head: &'a [u8],
}

impl<'a> VarsView<'a> {
    /// Number of variables.
    pub fn len(self) -> usize {
        self.vars.len()
    }

    /// True without any variable.
    pub fn is_empty(self) -> bool {
        self.vars.is_empty()
    }

    /// Names and values in the order of the wire.
    pub fn iter(self) -> impl Iterator<Item = (Name, &'a [u8])> {
        self.vars.entries.iter().map(move |var| (var.name, self.bytes(var.value)))
    }

    /// The bytes of a span.
    pub fn bytes(self, span: Span) -> &'a [u8] {
        self.vars.bytes(self.head, span)
    }

    /// The bytes of a name.
    pub fn name(self, name: Name) -> &'a [u8] {
        match name {
            Name::Known(known) => known.as_str().as_bytes(),
            Name::Other(span) => self.bytes(span),
        }
    }

    /// Value of a known variable.
    pub fn get(self, known: Known) -> Option<&'a [u8]> {
        self.vars.position(known).map(|at| self.bytes(self.vars.entries[at].value))
    }

    /// Value of a variable by its CGI name (linear; not for the hot path).
    pub fn find(self, name: &[u8]) -> Option<&'a [u8]> {
        self.iter().find(|(candidate, _)| self.name(*candidate) == name).map(|(_, value)| value)
    }

    /// Size in bytes that these variables have as a uwsgi block: `2 + name + 2 + value` each.
    pub fn block_len(self) -> usize {
        self.vars.entries.iter().map(|var| 4 + self.name(var.name).len() + var.value.len()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const X: Name = Name::Known(Known::Accept);

    #[test]
    fn values_are_joined_wherever_they_lie() {
        let head = b"abc";
        let mut vars = Vars::default();
        vars.push(X, Span::head(0, 2));
        // Ends at the same offset as the scratch area does, but is not in it.
        vars.push_bytes(Known::Cookie, b"12");
        vars.join(0, head, b", ", Span::head(2, 1));
        assert_eq!(vars.view(head).get(Known::Accept), Some(&b"ab, c"[..]));
        let more = vars.stash(b"3");
        vars.join(1, head, b"; ", more);
        vars.join(1, head, b"; ", Span::head(0, 0));
        assert_eq!(vars.view(head).get(Known::Cookie), Some(&b"12; 3; "[..]));
        assert_eq!(vars.view(head).get(Known::Accept), Some(&b"ab, c"[..]), "left as it was");
    }

    #[test]
    fn a_variable_is_set_whether_it_was_there_or_not() {
        let head = b"abc";
        let mut vars = Vars::default();
        vars.push(X, Span::head(0, 2));
        vars.push(Name::Other(Span::head(2, 1)), Span::head(0, 1));
        for (name, value) in [("HTTP_ACCEPT", "1"), ("c", "2"), ("HTTP_HOST", "3"), ("NEW", "4")] {
            vars.set(head, name.as_bytes(), value.as_bytes());
        }
        vars.set(head, b"NEW", b"5");
        let view = vars.view(head);
        let found: Vec<_> = view.iter().map(|(name, value)| (view.name(name), value)).collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"HTTP_ACCEPT", b"1"), (b"c", b"2"), (b"HTTP_HOST", b"3"), (b"NEW", b"5")];
        assert_eq!(found, expected);
        assert_eq!(view.get(Known::Host), Some(&b"3"[..]));
    }

    #[test]
    fn joining_in_a_row_grows_the_scratch_area_by_what_is_added() {
        let mut vars = Vars::default();
        vars.push(X, Span::head(0, 1));
        for _ in 0..1000 {
            vars.join(0, b"a", b",", Span::head(0, 1));
        }
        assert_eq!(vars.scratch.len(), 1 + 2 * 1000);
    }

    #[test]
    fn the_memory_of_an_extraordinary_request_is_given_back() {
        let mut vars = Vars::default();
        vars.stash(&[0; 4 * SCRATCH_BYTES_KEPT]);
        vars.clear();
        assert!(vars.scratch.capacity() <= SCRATCH_BYTES_KEPT);
    }
}
