//! Static files.

use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

/// All options of static files.
#[derive(Clone, Debug, Default)]
pub struct StaticFiles {
    /// `check-static`, in order.
    pub checks: Vec<PathBuf>,
    /// `check-static-docroot`.
    pub docroot: bool,
    /// `static-map`, then `static-map2`, in order.
    pub maps: Vec<Map>,
    /// `static-index`.
    pub index: Vec<String>,
    /// `static-skip-ext`.
    pub skip: Vec<String>,
    /// `static-safe`.
    pub safe: Vec<PathBuf>,
    /// `static-expires` and its relatives.
    pub expires: Vec<Expires>,
    /// Which files have compressed ones beside them.
    pub gzip: Gzip,
    /// `static-precompressed`.
    pub codings: Vec<Coding>,
    /// `mime-file`; empty where there is none.
    pub mime_files: Vec<PathBuf>,
    /// `static-internal`, in order.
    pub internal: Vec<Map>,
    /// `file-serve-mode`.
    pub sender: Sender,
}

impl StaticFiles {
    /// True where no option asks for files.
    pub fn is_empty(&self) -> bool {
        let served = !self.checks.is_empty() || self.docroot || !self.maps.is_empty();
        !served && self.internal.is_empty()
    }
}

/// Who sends the bytes of a static file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sender {
    /// The worker.
    #[default]
    Own,
    /// The front end, told by this header.
    Front(&'static str),
}

/// `static-map`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Where it is mounted, without a slash at its end.
    pub mount: String,
    /// The directory, or the file.
    pub path: PathBuf,
    /// `static-map2`: the mount is a part of the path below the directory.
    pub whole: bool,
}

/// What a pattern of `static-expires` and its relatives is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The file's path.
    File,
    /// `REQUEST_URI`.
    Uri,
    /// `PATH_INFO`.
    PathInfo,
    /// The content type, as a whole.
    Type,
}

/// `static-expires` and its relatives.
#[derive(Clone, Debug)]
pub struct Expires {
    /// What is looked at.
    pub subject: Subject,
    /// What it has to be like.
    pub pattern: Regex,
    /// After that time.
    pub after: Duration,
    /// Counted from the file's last change, not from the request.
    pub since_change: bool,
}

/// `static-gzip` and its relatives.
#[derive(Clone, Debug, Default)]
pub struct Gzip {
    /// `static-gzip-all`.
    pub all: bool,
    /// `static-gzip`.
    pub patterns: Vec<Regex>,
    /// `static-gzip-dir`.
    pub directories: Vec<String>,
    /// `static-gzip-ext`.
    pub suffixes: Vec<String>,
}

/// A content coding, and the suffix of files that have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `br`.
    Brotli,
    /// `zst`.
    Zstandard,
    /// `gz`.
    Gzip,
}

impl Coding {
    /// All, the best one first.
    pub const ALL: [Self; 3] = [Self::Brotli, Self::Zstandard, Self::Gzip];

    /// What follows the file's name.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstandard => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// Its name in HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstandard => "zstd",
            Self::Gzip => "gzip",
        }
    }
}
