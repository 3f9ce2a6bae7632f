//! The command line, and the request it describes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

pub const USAGE: &str =
    "load ask http|uwsgi ADDRESS [--connections N] [--seconds S] [--close] [--path P] [--browser]
load hold http ADDRESS [--idle N] [--half N]
load rate http|uwsgi ADDRESS --rate N --out FILE [--close] [--path P]";

#[derive(Clone, Copy, PartialEq)]
pub enum Mode {
    Ask,
    Hold,
    Rate,
}

#[derive(Clone, Copy, PartialEq)]
pub enum Wire {
    Http,
    Uwsgi,
}

pub struct Options {
    pub mode: Mode,
    pub wire: Wire,
    pub address: SocketAddr,
    pub connections: usize,
    pub seconds: f64,
    /// A connection per request, read to its end.
    pub close: bool,
    pub path: String,
    /// The headers of a browser instead of `Host` alone.
    pub browser: bool,
    pub idle: usize,
    pub half: usize,
    /// Requests per second.
    pub rate: f64,
    /// Where `rate` writes a line for each request.
    pub out: PathBuf,
}

/// What a desktop browser sends.
const BROWSER: [(&str, &str); 9] = [
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    (
        "Accept",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    ),
    ("Accept-Language", "en-US,en;q=0.5"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Cookie", "session=0123456789abcdef0123456789abcdef; theme=dark"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "none"),
];

impl Options {
    /// `None` for anything that is not a complete command.
    pub fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let mode = match args.next()?.as_str() {
            "ask" => Mode::Ask,
            "hold" => Mode::Hold,
            "rate" => Mode::Rate,
            _ => return None,
        };
        let wire = match args.next()?.as_str() {
            "http" => Wire::Http,
            "uwsgi" => Wire::Uwsgi,
            _ => return None,
        };
        let address = args.next()?.parse().ok()?;
        let mut options = Self {
            mode,
            wire,
            address,
            connections: 1,
            seconds: 3.0,
            close: wire == Wire::Uwsgi,
            path: "/".into(),
            browser: false,
            idle: 0,
            half: 0,
            rate: 0.0,
            out: PathBuf::new(),
        };
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--close" => options.close = true,
                "--browser" => options.browser = true,
                "--connections" => options.connections = args.next()?.parse().ok()?,
                "--seconds" => options.seconds = args.next()?.parse().ok()?,
                "--path" => options.path = args.next()?,
                "--idle" => options.idle = args.next()?.parse().ok()?,
                "--rate" => options.rate = args.next()?.parse().ok()?,
                "--out" => options.out = args.next()?.into(),
                "--half" => options.half = args.next()?.parse().ok()?,
                _ => return None,
            }
        }
        let complete = mode != Mode::Rate || (options.rate > 0.0 && options.out != Path::new(""));
        complete.then_some(options)
    }

    pub fn request(&self) -> Vec<u8> {
        match self.wire {
            Wire::Http => self.http(),
            Wire::Uwsgi => self.packet(),
        }
    }

    fn headers(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        BROWSER.into_iter().take(if self.browser { BROWSER.len() } else { 0 })
    }

    fn http(&self) -> Vec<u8> {
        let mut text = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", self.path, self.address);
        for (name, value) in self.headers() {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.close {
            text.push_str("Connection: close\r\n");
        }
        (text + "\r\n").into_bytes()
    }

    /// As nginx sends it with its stock `uwsgi_params`.
    fn packet(&self) -> Vec<u8> {
        let mut block = Vec::new();
        let mut put = |name: &str, value: &str| {
            for text in [name, value] {
                let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
                block.extend_from_slice(&length.to_le_bytes());
                block.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
            }
        };
        let (host, port) = (self.address.to_string(), self.address.port().to_string());
        for (name, value) in [
            ("QUERY_STRING", ""),
            ("REQUEST_METHOD", "GET"),
            ("CONTENT_TYPE", ""),
            ("CONTENT_LENGTH", ""),
            ("REQUEST_URI", &self.path),
            ("PATH_INFO", &self.path),
            ("DOCUMENT_ROOT", "/usr/share/nginx/html"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("REQUEST_SCHEME", "http"),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("REMOTE_PORT", "54321"),
            ("SERVER_PORT", &port),
            ("SERVER_NAME", "localhost"),
            ("HTTP_HOST", &host),
        ] {
            put(name, value);
        }
        for (name, value) in self.headers() {
            put(&format!("HTTP_{}", name.to_uppercase().replace('-', "_")), value);
        }
        let [low, high] = u16::try_from(block.len()).unwrap_or(u16::MAX).to_le_bytes();
        let mut packet = vec![0, low, high, 0];
        packet.extend_from_slice(&block);
        packet
    }
}
