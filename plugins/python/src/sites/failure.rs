//! A load that failed, and what could mend it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::room::Room;

/// A load is tried again after this time in any case.
const RETRY: Duration = Duration::from_secs(10);
/// Files that are looked at.
const FILES_MAX: usize = 64;

/// How a file looks: modification time in seconds and nanoseconds, size, inode; `None` where there is none.
pub(super) type Look = Option<(i64, i64, u64, u64)>;

/// How it looks now.
pub(super) fn look(path: &Path) -> Look {
    let data = fs::metadata(path).ok()?;
    Some((data.mtime(), data.mtime_nsec(), data.size(), data.ino()))
}

/// See the module.
#[derive(Debug)]
pub(super) struct Failure {
    at: Instant,
    files: Vec<(PathBuf, Look)>,
    /// The interpreter of the try, with nothing in it: the next try has it.
    pub(super) room: Option<Arc<Room>>,
}

impl Failure {
    /// A failure that one of these files may be the reason of.
    pub(super) fn new(files: Vec<PathBuf>, room: Option<Arc<Room>>) -> Self {
        let look = |file: PathBuf| {
            let now = look(&file);
            (file, now)
        };
        let files = files.into_iter().take(FILES_MAX).map(look).collect();
        Self { at: Instant::now(), files, room }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    /// Whether another try would be in vain.
    pub(super) fn lasts(&self) -> bool {
        self.at.elapsed() < RETRY && !self.changed()
    }

    /// Whether a file has changed since.
    pub(super) fn changed(&self) -> bool {
        self.files.iter().any(|(file, then)| look(file) != *then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_lasts_until_a_file_changes_comes_or_goes() {
        let folder = std::env::temp_dir().join(format!("uwsgi-failure-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (there, missing) = (folder.join("there"), folder.join("missing"));
        fs::write(&there, "1").unwrap();
        let failure = || Failure::new(vec![there.clone(), missing.clone()], None);
        let first = failure();
        assert!(first.lasts());
        fs::write(&there, "longer").unwrap();
        assert!(!first.lasts(), "changed");
        let second = failure();
        fs::write(&missing, "").unwrap();
        assert!(!second.lasts(), "came");
        let third = failure();
        fs::remove_file(&missing).unwrap();
        assert!(!third.lasts(), "went");
        assert!(failure().lasts());
        let old = Instant::now().checked_sub(RETRY).unwrap();
        assert!(!Failure { at: old, ..failure() }.lasts(), "time passed");
        fs::remove_dir_all(&folder).unwrap();
    }
}
