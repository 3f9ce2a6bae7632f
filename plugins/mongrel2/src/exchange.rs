//! One request, from Mongrel2's message to the last byte for its client.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use uwsgi_protocol::fastcgi::client;

use crate::answer::Answer;
use crate::flow::Flow;
use crate::request::ID;
use crate::uploads::{Client, Upload};

/// Bytes of a file that are sent at once.
const FILE_BYTES: usize = 64 * 1024;
/// Pieces of a body that came as messages and wait for the worker; more end the request.
const PIECES_BYTES_MAX: usize = 4 << 20;
/// With more than that, Mongrel2 is asked for no more.
const PIECES_BYTES_AHEAD: usize = 256 * 1024;

/// The place in a file whose end was told.
const ENDED: u64 = u64::MAX;

/// See the module.
pub(crate) struct Exchange {
    pub(crate) client: Client,
    /// Told from others that have had its number.
    pub(crate) serial: u64,
    pub(crate) answer: Answer,
    pub(crate) flow: Flow,
    /// The connection to a worker, while it has one.
    pub(crate) upstream: Option<usize>,
    pub(crate) outgoing: Outgoing,
    /// How often it was sent to a worker.
    pub(crate) attempts: u32,
    /// Its next message waits for its time.
    pub(crate) paced: bool,
    /// Bytes of a streamed upload that came and for which no credits were given.
    pub(crate) owed: usize,
}

/// What a worker is sent.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    /// Records up to the body, or with all of it.
    head: Vec<u8>,
    sent: usize,
    /// Records of the body besides.
    pieces: Vec<u8>,
    pieces_sent: usize,
    pub(crate) body: Body,
}

/// The rest of a body.
#[derive(Debug, Default)]
pub(crate) enum Body {
    /// All of it is in the records.
    #[default]
    Whole,
    /// It is in a file, so far up to `at`. `complete`: the file does not grow any more.
    File { upload: Upload, at: u64, complete: bool },
    /// It comes in messages.
    Pieces,
}

impl Exchange {
    /// True where a worker has it and messages bring more of it.
    pub(crate) fn waits_for_pieces(&self) -> bool {
        self.upstream.is_some() && matches!(self.outgoing.body, Body::Pieces)
    }
}

impl Outgoing {
    /// Records that are a request up to its body, or all of it.
    pub(crate) fn new(head: Vec<u8>, body: Body) -> Self {
        Self { head, sent: 0, pieces: Vec::new(), pieces_sent: 0, body }
    }

    /// The memory of its records, for others.
    pub(crate) fn into_memory(self) -> Vec<u8> {
        self.head
    }

    /// Bytes to send now; none where there are none, or none yet.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn bytes(&mut self) -> io::Result<&[u8]> {
        if self.sent < self.head.len() {
            return Ok(&self.head[self.sent..]);
        }
        if self.pieces_sent == self.pieces.len() {
            self.pieces.clear();
            self.pieces_sent = 0;
            self.read_file()?;
        }
        Ok(&self.pieces[self.pieces_sent..])
    }

    fn read_file(&mut self) -> io::Result<()> {
        let Body::File { upload, at, complete } = &mut self.body else { return Ok(()) };
        if *at == ENDED {
            return Ok(());
        }
        let read = read_at(&upload.file, *at, &mut self.pieces)?;
        *at += read as u64;
        if read == 0 && *complete {
            client::end_body(ID, &mut self.pieces);
            *at = ENDED;
        }
        Ok(())
    }

    /// So many of [`Outgoing::bytes`] were sent.
    pub(crate) fn advance(&mut self, count: usize) {
        if self.sent < self.head.len() {
            self.sent += count;
        } else {
            self.pieces_sent += count;
        }
    }

    /// Adds a piece of the body; false where too many wait.
    pub(crate) fn push(&mut self, piece: &[u8]) -> bool {
        client::body(ID, piece, &mut self.pieces);
        self.pieces.len() - self.pieces_sent <= PIECES_BYTES_MAX
    }

    /// True where the worker has taken most of the pieces.
    pub(crate) fn takes_pieces(&self) -> bool {
        self.pieces.len() - self.pieces_sent <= PIECES_BYTES_AHEAD
    }

    /// Nothing follows the pieces.
    pub(crate) fn end(&mut self) {
        client::end_body(ID, &mut self.pieces);
        self.body = Body::Whole;
    }

    /// True where every byte of it can be sent once more.
    pub(crate) fn begin_again(&mut self) -> bool {
        match &mut self.body {
            Body::Pieces => return false,
            Body::Whole if !self.pieces.is_empty() => return false,
            Body::Whole => {}
            Body::File { at, .. } => *at = 0,
        }
        self.sent = 0;
        self.pieces.clear();
        self.pieces_sent = 0;
        true
    }

    /// True where the end of the request is known.
    pub(crate) fn has_end(&self) -> bool {
        matches!(self.body, Body::Whole | Body::File { complete: true, .. })
    }

    /// True where nothing of the request is left to send.
    pub(crate) fn is_sent(&self) -> bool {
        let sent = self.sent == self.head.len() && self.pieces_sent == self.pieces.len();
        sent && match self.body {
            Body::Whole => true,
            Body::File { at, .. } => at == ENDED,
            Body::Pieces => false,
        }
    }

    /// True where a file may have grown since it was read.
    pub(crate) fn waits_for_file(&self) -> bool {
        matches!(self.body, Body::File { complete: false, .. })
    }
}

/// Appends the records of what lies there in a file; returns how many bytes that were.
fn read_at(file: &File, at: u64, out: &mut Vec<u8>) -> io::Result<usize> {
    let mut bytes = [0; FILE_BYTES];
    let read = loop {
        match file.read_at(&mut bytes, at) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => break read?,
        }
    };
    client::body(ID, &bytes[..read], out);
    Ok(read)
}
