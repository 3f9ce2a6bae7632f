//! Watching files that may come, go and be replaced, by inotify.
//!
//! Of each path two things are watched: the directory it is in, for its name, and what it leads to, for its contents; a
//! path that leads to a directory is watched for what happens in it. When another file is in its place, that is watched
//! from then on. A path whose directory does not exist, and changes that no kernel tells of (network file systems, bind
//! mounts of some containers), are not seen: whoever must not miss any looks at the files from time to time too, and calls
//! [`Watch::renew`] when it has found a change by itself.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};

/// Reads of events in one go; what is left keeps the descriptor readable.
const READS_MAX: usize = 16;

/// For the name of a path in its directory.
const NAMES: AddWatchFlags = AddWatchFlags::IN_CREATE
    .union(AddWatchFlags::IN_DELETE)
    .union(AddWatchFlags::IN_MOVED_FROM)
    .union(AddWatchFlags::IN_MOVED_TO);
/// For what a path leads to.
const CONTENTS: AddWatchFlags = NAMES
    .union(AddWatchFlags::IN_MODIFY)
    .union(AddWatchFlags::IN_ATTRIB)
    .union(AddWatchFlags::IN_DELETE_SELF)
    .union(AddWatchFlags::IN_MOVE_SELF);

/// See the module.
#[derive(Debug)]
pub struct Watch {
    inotify: Inotify,
    targets: Vec<Target>,
    /// What could not be watched although it is there.
    problem: Option<io::Error>,
}

#[derive(Debug)]
struct Target {
    path: PathBuf,
    directory: Option<WatchDescriptor>,
    itself: Option<WatchDescriptor>,
}

impl Watch {
    /// Watches these paths; relative ones from the working directory.
    ///
    /// # Errors
    /// The user has too many inotify instances, or none can be had.
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        let target = |path| Target { path, directory: None, itself: None };
        let targets = paths.into_iter().map(target).collect();
        let mut watch = Self { inotify, targets, problem: None };
        watch.renew();
        Ok(watch)
    }

    /// Why something that is there is not watched, once (`fs.inotify.max_user_watches`).
    pub fn take_problem(&mut self) -> Option<io::Error> {
        self.problem.take()
    }

    /// Watches what is there now.
    pub fn renew(&mut self) {
        for index in 0..self.targets.len() {
            self.arm(index);
        }
    }

    /// The paths of which something is known to have happened. Never waits.
    ///
    /// # Errors
    /// None on an open descriptor.
    pub fn changed(&mut self) -> io::Result<Vec<PathBuf>> {
        let mut hit = vec![false; self.targets.len()];
        for _ in 0..READS_MAX {
            match self.inotify.read_events() {
                Ok(events) => events.iter().for_each(|event| self.take(event, &mut hit)),
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let hit: Vec<usize> = (0..hit.len()).filter(|index| hit[*index]).collect();
        for index in &hit {
            self.arm(*index);
        }
        Ok(hit.into_iter().map(|index| self.targets[index].path.clone()).collect())
    }

    fn take(&self, event: &InotifyEvent, hit: &mut [bool]) {
        let lost = event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
        for (target, hit) in self.targets.iter().zip(hit) {
            let named = target.directory == Some(event.wd)
                && event.name.as_deref() == Some(name(&target.path));
            // The end of a watch follows the event that ended it.
            let inside =
                target.itself == Some(event.wd) && !event.mask.contains(AddWatchFlags::IN_IGNORED);
            *hit |= lost || named || inside;
        }
    }

    fn arm(&mut self, index: usize) {
        let path = self.targets[index].path.clone();
        let directory = self.add(directory(&path), NAMES);
        let itself = self.add(&path, CONTENTS);
        let target = &mut self.targets[index];
        let old = [
            std::mem::replace(&mut target.directory, directory),
            std::mem::replace(&mut target.itself, itself),
        ];
        for gone in old.into_iter().flatten() {
            if !self.targets.iter().any(|one| one.watches(gone)) {
                // The kernel has done it already where the file is gone.
                let _ = self.inotify.rm_watch(gone);
            }
        }
    }

    /// `None` where it is not there or cannot be watched.
    fn add(&mut self, path: &Path, flags: AddWatchFlags) -> Option<WatchDescriptor> {
        // Several paths may lead to the same file: each adds what it wants to know.
        let add = AddWatchFlags::from_bits_retain(libc::IN_MASK_ADD);
        match self.inotify.add_watch(path, flags | add) {
            Ok(watch) => Some(watch),
            Err(Errno::ENOENT | Errno::ENOTDIR) => None,
            Err(error) => {
                self.problem = Some(error.into());
                None
            }
        }
    }
}

impl Target {
    fn watches(&self, watch: WatchDescriptor) -> bool {
        self.directory == Some(watch) || self.itself == Some(watch)
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inotify.as_fd()
    }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// `/` and `..` have none; they do not come or go either.
fn name(path: &Path) -> &OsStr {
    path.file_name().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder with a watch of the path `file` in it.
    struct World {
        folder: tempfile::TempDir,
        watch: Watch,
    }

    impl World {
        fn new(prepare: impl FnOnce(&Path)) -> Self {
            let folder = tempfile::tempdir().unwrap();
            prepare(folder.path());
            let watch = Watch::new([folder.path().join("file")]).unwrap();
            Self { folder, watch }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        /// Whether something was seen: the kernel queues events before the call that made them returns.
        fn sees(&mut self) -> bool {
            let changed = self.watch.changed().unwrap();
            assert!(changed.iter().all(|path| *path == self.path("file")));
            !changed.is_empty()
        }
    }

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
    }

    fn touch(path: &Path) {
        let file = fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now()).unwrap();
    }

    #[test]
    fn a_file_is_seen_to_come_change_and_go() {
        let mut world = World::new(|_| ());
        let file = world.path("file");
        assert!(!world.sees());
        for _ in 0..2 {
            write(&file, "a");
            assert!(world.sees(), "it came");
            assert!(!world.sees(), "each event once");
            write(&file, "b");
            assert!(world.sees(), "it was written");
            touch(&file);
            assert!(world.sees(), "it was touched");
            fs::remove_file(&file).unwrap();
            assert!(world.sees(), "it went");
        }
    }

    #[test]
    fn others_in_the_directory_are_of_no_interest() {
        let mut world = World::new(|folder| write(&folder.join("file"), "a"));
        write(&world.path("other"), "a");
        write(&world.path("file2"), "a");
        assert!(!world.sees());
    }

    #[test]
    fn a_file_that_took_its_place_is_watched() {
        let mut world = World::new(|folder| write(&folder.join("file"), "a"));
        for _ in 0..3 {
            write(&world.path("new"), "b");
            fs::rename(world.path("new"), world.path("file")).unwrap();
            assert!(world.sees());
            write(&world.path("file"), "c");
            assert!(world.sees());
        }
        fs::rename(world.path("file"), world.path("away")).unwrap();
        assert!(world.sees());
        write(&world.path("away"), "d");
        assert!(!world.sees(), "what was moved away is another file");
    }

    #[test]
    fn a_link_is_followed_and_another_target_is_seen() {
        let mut world = World::new(|folder| {
            write(&folder.join("one"), "a");
            write(&folder.join("two"), "a");
            symlink("one", folder.join("file")).unwrap();
        });
        write(&world.path("one"), "b");
        assert!(world.sees());
        symlink("two", world.path("link")).unwrap();
        fs::rename(world.path("link"), world.path("file")).unwrap();
        assert!(world.sees());
        write(&world.path("two"), "b");
        assert!(world.sees());
        write(&world.path("one"), "c");
        assert!(!world.sees());
    }

    #[test]
    fn a_directory_is_watched_for_what_is_in_it() {
        let mut world = World::new(|folder| fs::create_dir(folder.join("file")).unwrap());
        let inner = world.path("file").join("x");
        write(&inner, "a");
        assert!(world.sees());
        write(&inner, "b");
        assert!(world.sees());
        fs::remove_file(&inner).unwrap();
        assert!(world.sees());
    }

    #[test]
    fn the_same_directory_may_be_watched_and_contain_what_is_watched() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let mut watch = Watch::new([folder.path().to_owned(), file.clone()]).unwrap();
        write(&file, "a");
        assert_eq!(watch.changed().unwrap(), [folder.path().to_owned(), file.clone()]);
        fs::remove_file(&file).unwrap();
        assert_eq!(watch.changed().unwrap(), [folder.path().to_owned(), file.clone()]);
        write(&folder.path().join("other"), "a");
        assert_eq!(watch.changed().unwrap(), [folder.path().to_owned()]);
    }

    #[test]
    fn a_directory_that_comes_later_is_watched_when_it_is_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sub/file");
        let mut watch = Watch::new([file.clone()]).unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        watch.renew();
        write(&file, "a");
        assert_eq!(watch.changed().unwrap(), [file]);
        assert!(watch.take_problem().is_none());
    }
}
