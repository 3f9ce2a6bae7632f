//! Files that the instance leaves: written at its start, removed at its end (`vacuum`).

use std::ffi::CString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf, absolute};

use crate::log;
use crate::sys::process::{self, Pid};
use crate::sys::will::{Heirloom, Mark};

/// Files to remove at the end, each only while it is still the one that was made.
#[derive(Clone, Debug)]
pub struct Vacuum {
    /// Only this process removes: children have copies of the list.
    owner: Pid,
    files: Vec<Leftover>,
}

#[derive(Clone, Debug)]
struct Leftover {
    path: PathBuf,
    /// Who put another file in its place keeps it.
    mark: Mark,
    /// What it is in the log.
    name: String,
}

impl Vacuum {
    /// Removes nothing yet. `owner` is the process that is or will be the master.
    pub fn new(owner: Pid) -> Self {
        Self { owner, files: Vec::new() }
    }

    /// Will remove the pidfile where it holds the owner's id, whoever writes it and when; `option` (`pidfile`, `safe
    /// pidfile`) names it in the log.
    ///
    /// # Errors
    /// The working directory is gone.
    pub fn watch_pidfile(&mut self, option: &str, path: &Path) -> io::Result<()> {
        // The working directory may be another one by then.
        let path = absolute(path)?;
        if self.files.iter().all(|file| file.path != path) {
            let mark = Mark::Text(pidfile_text(self.owner).into_bytes());
            self.files.push(Leftover { path, mark, name: option.to_owned() });
        }
        Ok(())
    }

    /// Will remove the socket's file.
    ///
    /// # Errors
    /// The file is not there.
    pub fn watch_socket(&mut self, path: &Path) -> io::Result<()> {
        self.watch(format!("unix socket {}", path.display()), path)
    }

    fn watch(&mut self, name: String, path: &Path) -> io::Result<()> {
        // The working directory may be another one by then.
        let path = absolute(path)?;
        let mark = place(&path)?;
        self.files.push(Leftover { path, mark, name });
        Ok(())
    }

    /// Will remove the file of a socket that the master answers; `option` (`stats`) names it in the log.
    ///
    /// # Errors
    /// The file is not there.
    pub fn watch_endpoint(&mut self, option: &str, path: &Path) -> io::Result<()> {
        self.watch(format!("unix socket {} ({option})", path.display()), path)
    }

    /// Removes the files, with uWSGI's lines. Does nothing in a forked process.
    pub fn remove(&self) {
        if process::current() == self.owner {
            self.files.iter().for_each(Leftover::remove);
        }
    }

    /// Removes the files in place of their owner, which was killed.
    pub fn remove_for_owner(&self) {
        self.files.iter().for_each(Leftover::remove);
    }

    /// The files, for a process that may be busy when their owner is killed.
    pub fn heirlooms(&self) -> Vec<Heirloom> {
        let heirloom = |file: &Leftover| {
            let path = CString::new(file.path.as_os_str().as_bytes()).ok()?;
            Some(Heirloom { path, mark: file.mark.clone() })
        };
        self.files.iter().filter_map(heirloom).collect()
    }
}

impl Leftover {
    fn remove(&self) {
        let (path, name) = (self.path.display(), &self.name);
        let same = match &self.mark {
            Mark::Place(..) => place(&self.path).map(|found| found == self.mark),
            Mark::Text(text) => fs::read(&self.path).map(|found| found == *text),
        };
        match same {
            Ok(true) => match fs::remove_file(&self.path) {
                Ok(()) => log::line(format_args!("VACUUM: {name} removed.")),
                // Another process of the instance was faster.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => log::line(format_args!("VACUUM: unable to remove {path}: {error}")),
            },
            Ok(false) => log::line(format_args!("VACUUM: {path} is another file now, left alone.")),
            // Gone already: nothing to say.
            Err(_) => {}
        }
    }
}

/// An inode is used again as soon as it is free, so its time counts too.
fn place(path: &Path) -> io::Result<Mark> {
    let file = fs::symlink_metadata(path)?;
    Ok(Mark::Place(file.dev(), file.ino(), file.mtime_nsec()))
}

fn pidfile_text(pid: Pid) -> String {
    format!("{pid}\n")
}

/// Writes the process id and a line break, so that nobody ever reads half a number: into a new file that
/// takes the old one's place. Where the directory does not allow that, or `path` is no regular file
/// (`/dev/stdout`), into the file itself.
///
/// # Errors
/// The file cannot be written.
pub fn write_pidfile(path: &Path, pid: Pid) -> io::Result<()> {
    let text = pidfile_text(pid);
    let special = fs::symlink_metadata(path).is_ok_and(|file| !file.is_file());
    if special || replace(path, &text).is_err() {
        fs::write(path, text)?;
    }
    Ok(())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", process::current()));
    let new = PathBuf::from(name);
    let written = fs::File::create_new(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // What is left of the attempt; it may not even exist.
        let _ = fs::remove_file(&new);
    }
    written
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Self {
            static COUNT: AtomicU32 = AtomicU32::new(0);
            let name = format!(
                "uwsgi-vacuum-{}-{}",
                process::current(),
                COUNT.fetch_add(1, Ordering::Relaxed)
            );
            let path = std::env::temp_dir().join(name);
            fs::create_dir(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_pidfile_is_a_number_and_a_line_break_and_nothing_else_is_left() {
        let folder = Folder::new();
        let path = folder.0.join("a.pid");
        for pid in [1234567, 89] {
            write_pidfile(&path, Pid::from_raw(pid)).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{pid}\n"));
        }
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1);
    }

    #[test]
    fn a_pidfile_follows_a_symlink_and_a_missing_folder_is_an_error() {
        let folder = Folder::new();
        let (target, link) = (folder.0.join("target"), folder.0.join("link"));
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_pidfile(&link, Pid::from_raw(7)).unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "7\n");
        let error = write_pidfile(&folder.0.join("no/a.pid"), Pid::from_raw(7)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn only_the_own_file_is_removed() {
        let folder = Folder::new();
        let (kept, gone) = (folder.0.join("kept"), folder.0.join("gone"));
        let mut vacuum = Vacuum::new(process::current());
        for path in [&kept, &gone] {
            write_pidfile(path, process::current()).unwrap();
            vacuum.watch_pidfile("pidfile", path).unwrap();
        }
        fs::write(&kept, "2\n").unwrap();
        vacuum.remove();
        assert!(kept.exists() && !gone.exists());
    }
}
