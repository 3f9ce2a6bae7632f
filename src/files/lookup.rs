//! Where files are looked for, in uWSGI's order (behaviour note 7.4).

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::mime::{MimeError, Types};
use super::open::{self, Opened, Root};
use super::{Found, Outcome, encoding};
use crate::config::model::files::{Coding, Map, Sender, StaticFiles, Subject};
use crate::log;
use crate::sys::beneath::Resolver;

/// What of a request matters here.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// `PATH_INFO`, decoded.
    pub path: &'a [u8],
    /// `REQUEST_URI`.
    pub uri: &'a [u8],
    /// `DOCUMENT_ROOT`.
    pub document_root: &'a [u8],
    /// `Accept-Encoding`.
    pub accept_encoding: &'a [u8],
    /// Of the request.
    pub now: SystemTime,
}

/// See the module. Made once a generation; workers share it.
#[derive(Debug)]
pub struct Files {
    pub(super) options: StaticFiles,
    types: Types,
    resolver: Resolver,
}

impl Files {
    /// `None` where no option asks for files.
    ///
    /// # Errors
    /// A `mime-file` cannot be read.
    pub fn new(options: &StaticFiles) -> Result<Option<Self>, MimeError> {
        // A mistake is one, even where no file is asked for.
        if options.is_empty() && options.mime_files.is_empty() {
            return Ok(None);
        }
        let types = Types::read(&options.mime_files)?;
        if options.is_empty() {
            return Ok(None);
        }
        let resolver = Resolver::probe();
        if resolver == Resolver::Steps {
            log::line(format_args!(
                "[uwsgi-fileserve] openat2() is not to be had here: files are looked up step by step"
            ));
        }
        Ok(Some(Self { options: options.clone(), types, resolver }))
    }

    /// Who sends files.
    pub fn sender(&self) -> Sender {
        self.options.sender
    }

    /// The file that answers a GET or HEAD.
    pub fn look_up(&self, asked: &Asked<'_>) -> Outcome<'_> {
        if asked.path.contains(&0) || self.skips(asked.path) {
            return Outcome::Missing;
        }
        let document_root = Path::new(OsStr::from_bytes(asked.document_root));
        let document_root =
            (self.options.docroot && document_root.is_absolute()).then_some(document_root);
        let checks = self.options.checks.iter().map(PathBuf::as_path).chain(document_root);
        for directory in checks {
            match self.in_directory(directory, asked.path, asked) {
                Outcome::Missing => {}
                other => return other,
            }
        }
        for map in &self.options.maps {
            let Some(rest) = below(&map.mount, asked.path) else { continue };
            match self.mapped(map, rest, asked) {
                Outcome::Missing => {}
                other => return other,
            }
        }
        Outcome::Missing
    }

    /// `static-skip-ext`.
    fn skips(&self, name: &[u8]) -> bool {
        self.options.skip.iter().any(|suffix| name.ends_with(suffix.as_bytes()))
    }

    fn mapped(&self, map: &Map, rest: &[u8], asked: &Asked<'_>) -> Outcome<'_> {
        if map.whole {
            return self.in_directory(&map.path, asked.path, asked);
        }
        if rest.is_empty() && !map.path.is_dir() {
            return match open::mapped(&map.path) {
                Opened::File(file, metadata) => {
                    let found = self.describe(file, &metadata, (&map.path, None), asked);
                    Outcome::Found(found)
                }
                other => without_file(&map.path, &other),
            };
        }
        self.in_directory(&map.path, rest, asked)
    }

    pub(super) fn in_directory(
        &self,
        directory: &Path,
        path: &[u8],
        asked: &Asked<'_>,
    ) -> Outcome<'_> {
        let start = path.iter().take_while(|byte| **byte == b'/').count();
        let relative = Path::new(OsStr::from_bytes(&path[start..]));
        let root = match Root::open(directory, self.resolver) {
            Ok(root) => root,
            Err(errno) => return without_file(directory, &Opened::without_root(errno)),
        };
        let open = |relative: &Path| self.open(&root, directory, relative);
        let itself = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        match open(itself) {
            Opened::File(file, metadata) => {
                self.coded(&open, (file, metadata), (directory, itself), asked)
            }
            Opened::Directory => {
                for name in &self.options.index {
                    let index = itself.join(name);
                    let Opened::File(file, metadata) = open(&index) else { continue };
                    // One that is the application's must not be sent as text, such as `index.php`.
                    if self.skips(name.as_bytes()) {
                        break;
                    }
                    return self.coded(&open, (file, metadata), (directory, &index), asked);
                }
                Outcome::Missing
            }
            other => without_file(&directory.join(itself), &other),
        }
    }

    fn open(&self, root: &Root<'_>, directory: &Path, relative: &Path) -> Opened {
        match root.below(relative) {
            Opened::Outside => {}
            other => return other,
        }
        let opened = root.where_it_ends(relative, &self.options.safe);
        if matches!(opened, Opened::Outside) {
            log::line(format_args!(
                "[uwsgi-fileserve] security error: {:?} is not under {} or a safe path",
                directory.join(relative).display(),
                directory.display()
            ));
        }
        opened
    }

    /// The file, or a compressed one beside it that the client takes.
    fn coded(
        &self,
        open: &dyn Fn(&Path) -> Opened,
        (file, metadata): (File, Metadata),
        (directory, path): (&Path, &Path),
        asked: &Asked<'_>,
    ) -> Outcome<'_> {
        let full = directory.join(path);
        let offered = self.codings(&full);
        for coding in encoding::accepted(asked.accept_encoding, &offered) {
            let mut name = path.as_os_str().to_owned();
            name.push(coding.suffix());
            if let Opened::File(file, metadata) = open(Path::new(&name)) {
                let found = self.describe(file, &metadata, (&full, Some(coding)), asked);
                return Outcome::Found(Found { varies: true, ..found });
            }
        }
        let found = self.describe(file, &metadata, (&full, None), asked);
        Outcome::Found(Found { varies: !offered.is_empty(), ..found })
    }

    fn codings(&self, path: &Path) -> Vec<Coding> {
        let StaticFiles { gzip, codings, sender, .. } = &self.options;
        if *sender != Sender::Own {
            // nginx and Apache drop the word that says how a file is coded.
            return Vec::new();
        }
        let mut offered = codings.clone();
        let name = path.to_string_lossy();
        let gzips = gzip.all
            || gzip.patterns.iter().any(|pattern| pattern.is_match(&name))
            || gzip.directories.iter().any(|directory| name.starts_with(directory.as_str()))
            || gzip.suffixes.iter().any(|suffix| name.ends_with(suffix.as_str()));
        // uWSGI takes `.br` before `.gz`.
        for coding in [Coding::Brotli, Coding::Gzip] {
            if gzips && !offered.contains(&coding) {
                offered.push(coding);
            }
        }
        offered
    }

    fn describe(
        &self,
        file: File,
        metadata: &Metadata,
        (path, coding): (&Path, Option<Coding>),
        asked: &Asked<'_>,
    ) -> Found<'_> {
        let content_type = self.types.of(path);
        let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
        let modified = UNIX_EPOCH + Duration::from_secs(seconds);
        // No inode: copies on several machines behind one balancer have the same tag.
        let nanos = metadata.mtime_nsec();
        let suffix = coding.map_or("", Coding::suffix);
        let etag = format!("\"{seconds:x}.{nanos:x}-{:x}{suffix}\"", metadata.len());
        let expires = self.expires(path, content_type, modified, asked);
        Found {
            file,
            size: metadata.len(),
            modified,
            etag,
            content_type,
            coding,
            varies: false,
            expires,
        }
    }

    fn expires(
        &self,
        path: &Path,
        content_type: Option<&str>,
        modified: SystemTime,
        asked: &Asked<'_>,
    ) -> Option<SystemTime> {
        let matching = self.options.expires.iter().find(|rule| {
            let subject = match rule.subject {
                Subject::File => path.to_string_lossy(),
                Subject::Uri => String::from_utf8_lossy(asked.uri),
                Subject::PathInfo => String::from_utf8_lossy(asked.path),
                Subject::Type => content_type.unwrap_or_default().into(),
            };
            rule.pattern.is_match(&subject)
        })?;
        Some(if matching.since_change { modified } else { asked.now } + matching.after)
    }
}

/// What becomes of a request whose path names no file that could be sent.
fn without_file(path: &Path, opened: &Opened) -> Outcome<'static> {
    match opened {
        Opened::Forbidden => Outcome::Forbidden,
        Opened::Failed(errno) => {
            log::line(format_args!("[uwsgi-fileserve] cannot open {:?}: {errno}", path.display()));
            Outcome::Failed
        }
        _ => Outcome::Missing,
    }
}

/// What follows a mount point in a path: nothing, or a slash and more.
pub(super) fn below<'a>(mount: &str, path: &'a [u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(mount.as_bytes())?;
    (rest.is_empty() || rest[0] == b'/').then_some(rest)
}
