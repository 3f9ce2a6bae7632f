//! A server of one thread for the plugin: requests from tables, answers into memory.
#![allow(dead_code, unreachable_pub)] // each user needs a part of it
#![allow(clippy::unwrap_used)] // test code

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use uwsgi_plugin_api::cluster::Outgoing;
use uwsgi_plugin_api::{
    Body, BodyError, ClusterView, CoreId, Fill, Flow, Handler, HeadError, Host, Known, Listener,
    Name, Outcome, Request, Response, Vars, WireProtocol, WorkerId, WorkerStatus, WriteError,
};
use uwsgi_protocol::Span;

/// Services that remember what they were asked for.
#[derive(Default)]
pub struct MockHost {
    pub lines: Mutex<Vec<String>>,
    pub calls: Mutex<Vec<String>>,
    pub worker: AtomicU16,
    pub threads: AtomicU16,
    pub requests: AtomicU32,
    /// What the host knows of its cluster, where it is in one.
    pub cluster: OnceLock<Arc<ClusterView>>,
    pub turn: AtomicUsize,
}

impl MockHost {
    pub fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap())
    }

    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn called(&self, call: String) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Host for MockHost {
    fn log(&self, line: &str) {
        eprintln!("{line}");
        self.lines.lock().unwrap().push(line.to_owned());
    }
    fn worker_id(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Relaxed))
    }
    fn master_pid(&self) -> i32 {
        4321
    }
    fn worker_count(&self) -> u16 {
        2
    }
    fn threads(&self) -> u16 {
        self.threads.load(Ordering::Relaxed).max(1)
    }
    fn buffer_size(&self) -> usize {
        4096
    }
    fn started_on(&self) -> u64 {
        1_700_000_000
    }
    fn total_requests(&self) -> u64 {
        77
    }
    fn core_requests(&self, core: CoreId) -> u64 {
        u64::from(core.0) + 5
    }
    fn workers(&self) -> Vec<WorkerStatus> {
        vec![WorkerStatus {
            id: 1,
            pid: 99,
            status: "idle",
            requests: 3,
            ..WorkerStatus::default()
        }]
    }
    fn sockets(&self) -> Vec<i32> {
        vec![3, 4]
    }
    fn set_user_harakiri(&self, core: CoreId, seconds: u32) {
        self.called(format!("harakiri {core} {seconds}"));
    }
    fn reload(&self) -> bool {
        self.called(String::from("reload"));
        true
    }
    fn stop(&self) -> bool {
        self.called(String::from("stop"));
        false
    }
    fn disconnect(&self, core: CoreId) -> bool {
        self.called(format!("disconnect {core}"));
        true
    }
    fn option_is_flag(&self, name: &str) -> bool {
        name == "master"
    }
    fn cluster_group(&self) -> Option<&str> {
        self.cluster.get().map(|view| view.group.as_str())
    }
    fn cluster_view(&self) -> Option<Arc<ClusterView>> {
        self.cluster.get().cloned()
    }
    fn cluster_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }
    fn leads_cluster(&self) -> bool {
        self.cluster.get().is_some()
    }
    fn tell_cluster(&self, message: &Outgoing) -> bool {
        self.called(format!("{message:?}"));
        true
    }
    fn accepting(&self) -> bool {
        true
    }
}

/// Pieces of a body; between two of them the application waits.
#[derive(Default)]
pub struct MockBody {
    pub pieces: Vec<Vec<u8>>,
    pub at: usize,
    pub offset: usize,
    pub length: Option<u64>,
    pub chunked: bool,
    /// It is complete and can be read again.
    pub spooled: bool,
    /// What comes after the last piece instead of the end.
    pub error: Option<fn() -> BodyError>,
    pub fills: u32,
    /// Runs in each wait, as other threads would.
    pub on_fill: Option<Box<dyn FnMut() + Send>>,
}

impl MockBody {
    pub fn new(pieces: &[&[u8]]) -> Self {
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        let pieces = pieces.iter().map(|piece| piece.to_vec()).collect();
        Self { pieces, length: Some(length), ..Self::default() }
    }
}

impl Body for MockBody {
    fn remaining(&self) -> Option<u64> {
        let left = self.pieces[self.at.min(self.pieces.len())..]
            .iter()
            .map(|p| p.len() as u64)
            .sum::<u64>();
        if self.error.is_some() {
            return self.length;
        }
        self.length.map(|_| left - self.offset as u64)
    }

    fn unannounced(&self) -> bool {
        self.chunked
    }

    fn available(&self) -> &[u8] {
        self.pieces.get(self.at).map_or(&[], |piece| &piece[self.offset..])
    }

    fn consume(&mut self, count: usize) {
        let Some(piece) = self.pieces.get(self.at) else { return };
        self.offset = (self.offset + count).min(piece.len());
    }

    fn seek(&mut self, position: u64) -> bool {
        if self.spooled && self.pieces.len() == 1 && position <= self.pieces[0].len() as u64 {
            (self.at, self.offset) = (0, position as usize);
            return true;
        }
        false
    }

    fn fill(&mut self) -> Result<Fill, BodyError> {
        assert!(self.available().is_empty(), "fill() while there are bytes");
        self.fills += 1;
        if let Some(hook) = &mut self.on_fill {
            hook();
        }
        if self.at < self.pieces.len() {
            self.at += 1;
            self.offset = 0;
        }
        if self.at < self.pieces.len() {
            return Ok(Fill::More);
        }
        match self.error {
            Some(error) => Err(error()),
            None => Ok(Fill::End),
        }
    }
}

/// An answer in memory, with the rules of the contract.
#[derive(Default)]
pub struct MockResponse {
    pub status: Option<String>,
    pub headers: Vec<(String, String)>,
    pub head_sent: bool,
    pub whole: Option<u64>,
    pub body: Vec<u8>,
    pub writes: u32,
    pub files: Vec<(u64, u64)>,
    pub aborted: bool,
    pub waits: u32,
    /// Every write says that the spill is full.
    pub slow: bool,
    /// Writes fail once this many went out.
    pub gone_after: Option<u32>,
    pub on_wait: Option<Box<dyn FnMut() + Send>>,
}

impl MockResponse {
    fn count_write(&mut self) -> Result<Flow, WriteError> {
        if self.status.is_none() {
            return Err(WriteError::NoHead);
        }
        if self.gone_after.is_some_and(|after| self.writes >= after) {
            return Err(WriteError::Disconnected(std::io::ErrorKind::BrokenPipe.into()));
        }
        self.head_sent = true;
        self.writes += 1;
        Ok(if self.slow { Flow::Full } else { Flow::Ready })
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

impl Response for MockResponse {
    fn start(&mut self, status: &[u8]) -> Result<(), HeadError> {
        if self.head_sent {
            return Err(HeadError::AlreadySent);
        }
        self.status = None;
        self.headers.clear();
        if status.len() < 4 || !status[..3].iter().all(u8::is_ascii_digit) || status[3] != b' ' {
            return Err(HeadError::BadStatus(text(status)));
        }
        self.status = Some(text(status));
        Ok(())
    }

    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if value.iter().any(|byte| *byte < b' ') {
            return Err(HeadError::BadValue(text(name)));
        }
        if name.is_empty() || name.contains(&b' ') {
            return Err(HeadError::BadName(text(name)));
        }
        self.headers.push((text(name), text(value)));
        Ok(())
    }

    fn started(&self) -> bool {
        self.status.is_some()
    }

    fn head_sent(&self) -> bool {
        self.head_sent
    }

    fn whole_body(&mut self, length: u64) {
        self.whole = Some(length);
    }

    fn write(&mut self, data: &[u8]) -> Result<Flow, WriteError> {
        assert!(!data.is_empty() || self.status.is_some());
        let flow = self.count_write()?;
        self.body.extend_from_slice(data);
        Ok(flow)
    }

    fn write_file(&mut self, file: OwnedFd, offset: u64, length: u64) -> Result<Flow, WriteError> {
        assert!(file.as_raw_fd() > 2);
        let flow = self.count_write()?;
        let mut data = vec![0; length as usize];
        std::fs::File::from(file).read_exact_at(&mut data, offset).unwrap();
        self.body.extend_from_slice(&data);
        self.files.push((offset, length));
        Ok(flow)
    }

    fn wait(&mut self) -> Result<(), WriteError> {
        self.waits += 1;
        if let Some(hook) = &mut self.on_wait {
            hook();
        }
        Ok(())
    }

    fn flush_head(&mut self) -> Result<(), WriteError> {
        if self.status.is_none() {
            return Err(WriteError::NoHead);
        }
        self.head_sent = true;
        Ok(())
    }

    fn abort(&mut self) {
        self.aborted = true;
    }
}

/// A socket that speaks HTTP, number 0.
pub fn http_listener() -> Listener {
    Listener {
        id: 0,
        protocol: WireProtocol::Http,
        name: String::from("127.0.0.1:8080"),
        modifiers: (0, 0),
        static_vars: vec![
            (Known::ServerName, b"box".to_vec()),
            (Known::ServerPort, b"8080".to_vec()),
            (Known::ScriptName, Vec::new()),
        ],
    }
}

/// A socket that speaks the uwsgi protocol, number 1.
pub fn uwsgi_listener() -> Listener {
    Listener {
        id: 1,
        protocol: WireProtocol::Uwsgi,
        name: String::from("/run/app.sock"),
        modifiers: (0, 0),
        static_vars: Vec::new(),
    }
}

/// A request head as a codec would leave it.
pub struct MockHead {
    pub vars: Vars,
    pub head: Vec<u8>,
}

impl MockHead {
    pub fn new(pairs: &[(&str, &[u8])]) -> Self {
        let (mut vars, mut head) = (Vars::default(), Vec::new());
        for (name, value) in pairs {
            let known = Known::ALL.iter().find(|known| known.as_str() == *name);
            let name = known.map_or_else(
                || {
                    let start = head.len();
                    head.extend_from_slice(name.as_bytes());
                    Name::Other(Span::head(start, name.len()))
                },
                |known| Name::Known(*known),
            );
            let start = head.len();
            head.extend_from_slice(value);
            vars.push(name, Span::head(start, value.len()));
        }
        Self { vars, head }
    }
}

/// Variables of a short request.
pub fn plain<'a>(path: &'a str, query: &'a str) -> Vec<(&'static str, &'a [u8])> {
    vec![
        ("REQUEST_METHOD", b"GET"),
        ("REQUEST_URI", path.as_bytes()),
        ("PATH_INFO", path.as_bytes()),
        ("QUERY_STRING", query.as_bytes()),
        ("SERVER_PROTOCOL", b"HTTP/1.1"),
        ("REMOTE_ADDR", b"127.0.0.1"),
        ("REMOTE_PORT", b"40000"),
        ("HTTP_HOST", b"localhost:8080"),
    ]
}

/// Variables of a browser's request.
pub fn browser() -> Vec<(&'static str, &'static [u8])> {
    let mut vars = plain("/hello/world", "a=1&b=2");
    vars.extend([
        ("HTTP_USER_AGENT", b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0".as_slice()),
        ("HTTP_ACCEPT", b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
        ("HTTP_ACCEPT_LANGUAGE", b"en-US,en;q=0.5"),
        ("HTTP_ACCEPT_ENCODING", b"gzip, deflate, br, zstd"),
        ("HTTP_CONNECTION", b"keep-alive"),
        ("HTTP_COOKIE", b"session=0123456789abcdef0123456789abcdef; theme=dark"),
        ("HTTP_UPGRADE_INSECURE_REQUESTS", b"1"),
        ("HTTP_SEC_FETCH_DEST", b"document"),
        ("HTTP_SEC_FETCH_MODE", b"navigate"),
        ("HTTP_SEC_FETCH_SITE", b"none"),
        ("HTTP_SEC_FETCH_USER", b"?1"),
        ("HTTP_PRIORITY", b"u=0, i"),
        ("HTTP_CACHE_CONTROL", b"max-age=0"),
    ]);
    vars
}

/// Sends one request through a handler.
pub fn serve(
    handler: &mut dyn Handler,
    listener: &Listener,
    head: &MockHead,
    body: &mut MockBody,
    response: &mut dyn Response,
) -> Outcome {
    let vars = head.vars.view(&head.head);
    let mut request = Request {
        vars,
        listener,
        url_scheme: vars.get(Known::UwsgiScheme).unwrap_or(b"http"),
        modifier1: 0,
        modifier2: 0,
        core: CoreId(0),
        wish: uwsgi_plugin_api::Wish::Nothing,
        connection_fd: 11,
        body,
    };
    handler.handle(&mut request, response)
}
