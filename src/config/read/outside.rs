//! What a reading may see of the world outside, and the one window through which it looks.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::open::{self, PathKind};
use super::variables::Variable;
use crate::config::magic::Place;
use crate::config::snapshot::{Codec, Record, Seen, Snapshot};
use crate::sys::machine::Machine;

/// What a reading may see.
#[derive(Clone, Debug, Default)]
pub enum Outside {
    /// Everything.
    #[default]
    Open,
    /// No file is opened and no command is run: whatever names one is an error. For text from strangers.
    Sealed,
    /// Everything, and what was seen is noted: [`Reading::snapshot`](super::Reading::snapshot).
    Noted,
    /// Nothing but what was noted.
    Replayed(Arc<Snapshot>),
}

/// How a reading looks outside. Whatever it sees it sees through here.
pub(in crate::config) enum Window {
    Open,
    Sealed,
    /// The snapshot that is being made.
    Noted(Box<RefCell<Snapshot>>),
    /// Answers that have not been given yet.
    Replayed(RefCell<Seen>),
}

impl Window {
    /// A window with the time at which the reading began, since 1970.
    pub(super) fn new(outside: &Outside, machine: &Machine) -> (Self, Duration) {
        let now = open::now();
        match outside {
            Outside::Open => (Self::Open, now),
            Outside::Sealed => (Self::Sealed, now),
            Outside::Noted => {
                let snapshot = Snapshot::new(machine, now);
                (Self::Noted(Box::new(snapshot.into())), now)
            }
            Outside::Replayed(snapshot) => {
                (Self::Replayed(snapshot.seen.clone().into()), snapshot.began)
            }
        }
    }

    /// What was noted, where it was.
    pub(super) fn snapshot(self) -> Option<Arc<Snapshot>> {
        match self {
            Self::Noted(snapshot) => Some(Arc::new(snapshot.into_inner())),
            _ => None,
        }
    }

    /// The content of a file, or of whatever a scheme names.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(in crate::config) fn content(&self, target: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Open => open::read(target),
            Self::Sealed => Err("nothing is opened here".to_owned()),
            Self::Noted(_) | Self::Replayed(_) => {
                let read = || open::read(target).map(Arc::from);
                self.see(|seen| &mut seen.contents, target, read)?.map(|bytes| bytes.to_vec())
            }
        }
    }

    /// The variables of a folder.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn folder(&self, path: &str) -> Result<Vec<Variable>, String> {
        match self {
            Self::Sealed => Err("nothing is opened here".to_owned()),
            _ => self.see(|seen| &mut seen.folders, path, || open::folder(path))?,
        }
    }

    /// What a path is.
    ///
    /// # Errors
    /// As [`Self::see`].
    pub(super) fn kind(&self, path: &str) -> Result<PathKind, String> {
        self.see(|seen| &mut seen.kinds, path, || open::kind(path))
    }

    /// Paths that match a pattern, at most `most`, in alphabetical order.
    ///
    /// # Errors
    /// Why it is no pattern.
    pub(super) fn paths(&self, pattern: &str, most: usize) -> Result<Vec<String>, String> {
        self.see(|seen| &mut seen.paths, pattern, || open::paths(pattern, most))?
    }

    /// Where the file `given` is.
    ///
    /// # Errors
    /// As [`Self::see`].
    pub(super) fn place(&self, given: &str, cwd: &Path) -> Result<Place, String> {
        self.see(|seen| &mut seen.places, given, || open::place(given, cwd))
    }

    /// The answer to a question: looked for, and noted, or what was noted.
    ///
    /// # Errors
    /// It was not asked when the answers were noted: another program reads otherwise.
    fn see<A: Codec + Clone>(
        &self,
        record: fn(&mut Seen) -> &mut Record<A>,
        question: &str,
        look: impl FnOnce() -> A,
    ) -> Result<A, String> {
        match self {
            Self::Open | Self::Sealed => Ok(look()),
            Self::Noted(snapshot) => {
                let answer = look();
                snapshot.borrow_mut().note(record, question, answer.clone());
                Ok(answer)
            }
            Self::Replayed(left) => {
                let mut left = left.borrow_mut();
                let next = record(&mut left).get_mut(question).and_then(|all| all.pop_front());
                next.ok_or_else(|| {
                    "it was not looked at when the configuration was read first".to_owned()
                })
            }
        }
    }
}
