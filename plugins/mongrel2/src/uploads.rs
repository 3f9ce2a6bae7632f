//! Uploads that Mongrel2 has stored in files.
//!
//! ```text
//!   start   x-mongrel2-upload-start: PATH                              no body; the file begins to grow
//!   done    x-mongrel2-upload-start: PATH, x-mongrel2-upload-done: PATH    no body; the file is the body
//! ```
//! Any client can send these headers, so a path is believed only where both messages of one connection name it, the file
//! lies beneath the configured directory without a link on its way, is a plain file of the announced size, and is still the
//! one of the start. All else is a request like any other, without those headers.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::Mode;
use nix::unistd::{UnlinkatFlags, unlinkat};

use uwsgi_plugin_api::PluginError;

use crate::head::Head;
use crate::plan::UploadRules;

pub(crate) const START: &[u8] = b"x-mongrel2-upload-start";
pub(crate) const DONE: &[u8] = b"x-mongrel2-upload-done";
/// Uploads that may be on their way; of more the headers are not believed.
const UPLOADS_MAX: usize = 65_536;
/// Longest body that Mongrel2 can announce; it takes more for none at all.
const LENGTH_MAX: u64 = i32::MAX as u64;

/// One connection of one Mongrel2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Client {
    /// Number of the pair.
    pub(crate) pair: usize,
    /// Number of the sender's name there.
    pub(crate) sender: usize,
    pub(crate) id: u32,
}

/// A file that is opened and checked.
#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) file: File,
    /// Beneath the directory.
    path: PathBuf,
}

#[cfg(test)]
impl Upload {
    /// One that nobody has checked.
    pub(crate) fn of(file: File) -> Self {
        Self { file, path: PathBuf::new() }
    }
}

/// What a message is, as far as uploads are concerned.
#[derive(Debug)]
pub(crate) enum Kind {
    /// It has nothing to do with uploads, or only pretends to.
    Plain,
    /// It pretends, and this is how it is known.
    Forged(&'static str),
    /// An upload has begun.
    Start(Upload),
    /// The upload that has begun is complete; the file is that of the start.
    Done(Upload),
    /// An upload that cannot be taken, and why.
    Refused(&'static str),
}

/// Uploads that have begun.
pub(crate) struct Uploads {
    rules: Option<UploadRules>,
    root: Option<OwnedFd>,
    begun: HashMap<Client, (PathBuf, (u64, u64))>,
}

impl Uploads {
    /// # Errors
    /// The directory cannot be opened.
    pub(crate) fn new(rules: Option<UploadRules>) -> Result<Self, PluginError> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let opened = rules.as_ref().map(|rules| {
            open(&rules.root, flags, Mode::empty()).map_err(|error| {
                let (option, path) = (crate::options::UPLOAD_ROOT, rules.root.display());
                PluginError(format!("{option} = {path}: {}", error.desc()))
            })
        });
        let root = opened.transpose()?;
        Ok(Self { rules, root, begun: HashMap::new() })
    }

    /// The rules, where uploads are accepted.
    pub(crate) fn rules(&self) -> Option<&UploadRules> {
        self.rules.as_ref()
    }

    /// Looks at a message's headers. `body`: it has one.
    pub(crate) fn look(&mut self, client: Client, head: &Head, body: bool) -> Kind {
        let mut starts = head.all(START);
        let (start, again) = (starts.next(), starts.next().is_some());
        let mut dones = head.all(DONE);
        let (done, twice) = (dones.next(), dones.next().is_some());
        match (start, done) {
            (None, None) => Kind::Plain,
            _ if again || twice => Kind::Forged("several of a header of uploads"),
            (None, Some(_)) => Kind::Forged("the end of an upload that has not begun"),
            _ if body => Kind::Forged("an upload and a body"),
            (Some(start), None) => self.start(client, start, head),
            (Some(start), Some(done)) if start != done => Kind::Forged("two paths of one upload"),
            (Some(_), Some(done)) => self.done(client, done, head),
        }
    }

    fn start(&mut self, client: Client, named: &[u8], head: &Head) -> Kind {
        if !has_body(head) {
            return Kind::Forged("an upload without a body");
        }
        let Some(rules) = &self.rules else {
            return Kind::Refused("mongrel2-upload-root is not set");
        };
        let Some(path) = beneath(rules, named) else {
            return Kind::Forged("a path that is not beneath mongrel2-upload-root");
        };
        if self.begun.len() >= UPLOADS_MAX {
            return Kind::Refused("too many uploads are on their way");
        }
        match self.open(&path) {
            Ok((file, identity)) => {
                self.begun.insert(client, (path.clone(), identity));
                Kind::Start(Upload { file, path })
            }
            Err(why) => Kind::Forged(why),
        }
    }

    fn done(&mut self, client: Client, named: &[u8], head: &Head) -> Kind {
        let Some((begun, identity)) = self.begun.remove(&client) else {
            return Kind::Forged("the end of an upload that has not begun");
        };
        let path = self.rules.as_ref().and_then(|rules| beneath(rules, named));
        let Some(path) = path.filter(|path| *path == begun) else {
            return Kind::Forged("the end of another upload");
        };
        let (file, found) = match self.open(&path) {
            Ok(opened) => opened,
            Err(why) => return Kind::Refused(why),
        };
        let length = head.get(b"content-length").and_then(uwsgi_protocol::http1::decimal);
        let size = file.metadata().map_or(0, |file| file.len());
        if found != identity || length.is_some_and(|length| length != size) {
            return Kind::Refused("the file is not what the client has sent");
        }
        Kind::Done(Upload { file, path })
    }

    /// To open a fifo or a device does something, so it is looked at first.
    fn open(&self, path: &Path) -> Result<(File, (u64, u64)), &'static str> {
        let (_, plain, found) = self.open_as(path, OFlag::O_PATH)?;
        if !plain {
            return Err("no plain file");
        }
        let (file, _, identity) = self.open_as(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK)?;
        if identity == found { Ok((file, identity)) } else { Err("a file that changes") }
    }

    /// The file, whether it is a plain one, and which one it is.
    fn open_as(&self, path: &Path, flags: OFlag) -> Result<(File, bool, (u64, u64)), &'static str> {
        const GONE: &str = "a file that cannot be opened";
        let root = self.root.as_ref().ok_or(GONE)?;
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC | OFlag::O_NOFOLLOW)
            .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS);
        let file = File::from(openat2(root, path, how).map_err(|_| GONE)?);
        let about = file.metadata().map_err(|_| GONE)?;
        Ok((file, about.is_file(), (about.dev(), about.ino())))
    }

    /// The client is gone: its upload ends, and the file with it where that was asked for.
    pub(crate) fn forget(&mut self, client: Client) {
        if let Some((path, _)) = self.begun.remove(&client) {
            self.remove_path(&path);
        }
    }

    /// The same for all clients of a Mongrel2.
    pub(crate) fn forget_pair(&mut self, pair: usize) {
        let gone: Vec<_> =
            self.begun.keys().filter(|client| client.pair == pair).copied().collect();
        gone.into_iter().for_each(|client| self.forget(client));
    }

    /// Its request is over.
    pub(crate) fn remove(&self, upload: &Upload) {
        self.remove_path(&upload.path);
    }

    fn remove_path(&self, path: &Path) {
        let wanted = self.rules.as_ref().is_some_and(|rules| rules.remove);
        if let (true, Some(root)) = (wanted, &self.root) {
            // Mongrel2 or somebody else may have done it.
            let _ = unlinkat(root.as_fd(), path, UnlinkatFlags::NoRemoveDir);
        }
    }
}

/// Whether Mongrel2 has seen a body behind these headers: of one that it stores, nothing has come with them. Where it has seen
/// none, the client's own headers would pass for Mongrel2's.
fn has_body(head: &Head) -> bool {
    let length = head.get(b"content-length");
    let coding = head.get(b"transfer-encoding");
    match (length, coding) {
        (Some(length), None) => {
            let length = uwsgi_protocol::http1::decimal(length);
            length.is_some_and(|length| (1..=LENGTH_MAX).contains(&length))
        }
        // It knows no other spelling.
        (None, Some(coding)) => coding == b"chunked",
        _ => false,
    }
}

/// The path beneath the root that Mongrel2 means, by its text; what lies there is another question.
fn beneath(rules: &UploadRules, named: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let named = Path::new(std::ffi::OsStr::from_bytes(named));
    let seen = match &rules.chroot {
        Some(chroot) => chroot.join(named.strip_prefix("/").unwrap_or(named)),
        None => named.to_owned(),
    };
    let path = seen.strip_prefix(&rules.root).ok()?;
    let plain = path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
    (plain && !path.as_os_str().is_empty()).then(|| path.to_owned())
}
