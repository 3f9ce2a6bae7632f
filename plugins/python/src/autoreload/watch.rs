//! Files that are watched for changes, by inotify on their folders, so that files that an editor replaces are seen too.
//!
//! A change is a file that looks otherwise than at the last look; events only say where to look. Where the system has
//! no inotify watch left, the files of such a folder are looked at in each turn instead.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

/// How a file looks: modification time in seconds and nanoseconds, size, inode; `None` where there is none.
type Look = Option<(i64, i64, u64, u64)>;

/// See the module.
pub(super) struct Watch {
    inotify: Inotify,
    folders: HashMap<WatchDescriptor, PathBuf>,
    watched: HashSet<PathBuf>,
    /// Folders without a watch.
    unwatched: HashSet<PathBuf>,
    files: HashMap<PathBuf, Look>,
}

/// What a turn brought.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Known files that changed.
    pub(super) changed: BTreeSet<PathBuf>,
    /// Files that are not known.
    pub(super) strangers: BTreeSet<PathBuf>,
}

impl Watch {
    /// Without files.
    ///
    /// # Errors
    /// Where the system gives no inotify descriptor.
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self {
            inotify: Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?,
            folders: HashMap::new(),
            watched: HashSet::new(),
            unwatched: HashSet::new(),
            files: HashMap::new(),
        })
    }

    /// Readable when something happened.
    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }

    /// Watches a file from now on, and what it is a link to. Returns why its folder has no watch, once a folder.
    pub(super) fn add(&mut self, path: &Path) -> Option<Errno> {
        if self.files.contains_key(path) {
            return None;
        }
        self.files.insert(path.to_owned(), look(path));
        let target = fs::canonicalize(path).ok().filter(|target| target != path);
        if let Some(target) = &target {
            self.files.insert(target.clone(), look(target));
        }
        let folders = [path.parent(), target.as_deref().and_then(Path::parent)];
        folders.into_iter().flatten().filter_map(|folder| self.add_folder(folder)).last()
    }

    fn add_folder(&mut self, folder: &Path) -> Option<Errno> {
        if self.watched.contains(folder) || self.unwatched.contains(folder) {
            return None;
        }
        let events = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVED_TO
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_ATTRIB;
        match self.inotify.add_watch(folder, events) {
            Ok(descriptor) => {
                self.folders.insert(descriptor, folder.to_owned());
                self.watched.insert(folder.to_owned());
                None
            }
            Err(error) => {
                self.unwatched.insert(folder.to_owned());
                Some(error)
            }
        }
    }

    /// Takes in all events, and looks at what has no watch.
    pub(super) fn turn(&mut self) -> Seen {
        let mut seen = Seen::default();
        let mut places = BTreeSet::new();
        let mut all = false;
        while let Ok(events) = self.inotify.read_events() {
            for event in events {
                all |= event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
                let folder = self.folders.get(&event.wd);
                if let (Some(folder), Some(name)) = (folder, event.name) {
                    places.insert(folder.join(name));
                }
            }
        }
        let unwatched = |path: &Path| path.parent().is_some_and(|at| self.unwatched.contains(at));
        places.extend(self.files.keys().filter(|path| all || unwatched(path)).cloned());
        for path in places {
            match self.files.get_mut(&path) {
                None => drop(seen.strangers.insert(path)),
                Some(known) => {
                    let now = look(&path);
                    // A file that is gone is about to come again: an editor replaces it.
                    if now.is_some() && *known != now {
                        *known = now;
                        seen.changed.insert(path);
                    }
                }
            }
        }
        seen
    }

    /// Whether a file is watched.
    pub(super) fn knows(&self, path: &Path) -> bool {
        self.files.contains_key(path)
    }
}

fn look(path: &Path) -> Look {
    let data = fs::metadata(path).ok()?;
    Some((data.mtime(), data.mtime_nsec(), data.size(), data.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path =
                std::env::temp_dir().join(format!("uwsgi-watch-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(fs::canonicalize(path).unwrap())
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.join(name);
            fs::write(&path, text).unwrap();
            path
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn changed(watch: &mut Watch) -> Vec<PathBuf> {
        watch.turn().changed.into_iter().collect()
    }

    #[test]
    fn written_replaced_and_linked_files_change_once() {
        let folder = Folder::new("changes");
        let (one, two) = (folder.write("one.py", "1"), folder.write("two.py", "2"));
        let link = folder.0.join("link.py");
        std::os::unix::fs::symlink(&two, &link).unwrap();
        let mut watch = Watch::new().unwrap();
        assert_eq!((watch.add(&one), watch.add(&link)), (None, None));
        assert!(changed(&mut watch).is_empty());
        folder.write("one.py", "longer");
        assert_eq!(changed(&mut watch), std::slice::from_ref(&one));
        assert!(changed(&mut watch).is_empty(), "once");
        fs::rename(folder.write("one.py~", "new"), &one).unwrap();
        assert_eq!(changed(&mut watch), std::slice::from_ref(&one));
        fs::remove_file(&one).unwrap();
        assert!(changed(&mut watch).is_empty(), "gone");
        folder.write("one.py", "back");
        assert_eq!(changed(&mut watch), [one]);
        folder.write("two.py", "what the link shows");
        assert_eq!(changed(&mut watch), [two], "the target of a link");
    }

    #[test]
    fn other_files_of_the_folder_are_strangers() {
        let folder = Folder::new("strangers");
        let known = folder.write("known.py", "");
        let mut watch = Watch::new().unwrap();
        watch.add(&known);
        let other = folder.write("other.py", "");
        let seen = watch.turn();
        assert!(seen.changed.is_empty() && seen.strangers.contains(&other), "{seen:?}");
        assert!(watch.knows(&known) && !watch.knows(&other));
    }

    #[test]
    fn files_without_a_watch_are_looked_at() {
        let folder = Folder::new("unwatched");
        let file = folder.write("file.py", "");
        let mut watch = Watch::new().unwrap();
        watch.unwatched.insert(folder.0.clone());
        assert_eq!(watch.add(&file), None);
        folder.write("file.py", "changed");
        assert_eq!(changed(&mut watch), [file]);
    }
}
