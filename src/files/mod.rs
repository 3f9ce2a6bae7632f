//! Static files: from a request's path to an open file, and what HTTP says of it.
//!
//! Nothing is sent here. A path is looked up below a directory by the kernel (`openat2`), never by comparing texts: `..`,
//! symbolic links and whatever comes next cannot lead out of it.

mod encoding;
pub mod internal;
mod lookup;
mod mime;
mod open;
pub mod precondition;
pub mod range;

use std::fs::File;
use std::time::SystemTime;

pub use lookup::{Asked, Files};
pub use mime::MimeError;

use crate::config::model::files::Coding;

/// A file that answers a request.
#[derive(Debug)]
pub struct Found<'a> {
    /// Open for reading.
    pub file: File,
    /// Bytes.
    pub size: u64,
    /// Its last change.
    pub modified: SystemTime,
    /// Strong validator (RFC 9110, 8.8.3), with its quotes.
    pub etag: String,
    /// By its name; `None` for one that nobody knows.
    pub content_type: Option<&'a str>,
    /// Its bytes are coded so.
    pub coding: Option<Coding>,
    /// There may be another answer for other codings.
    pub varies: bool,
    /// When it expires.
    pub expires: Option<SystemTime>,
}

/// What became of a path.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// There is a file.
    Found(Found<'a>),
    /// There is none: the application answers.
    Missing,
    /// There is one, and the server may not read it.
    Forbidden,
    /// Nobody can say whether there is one; the log says why.
    Failed,
}
