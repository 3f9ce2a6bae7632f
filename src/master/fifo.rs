//! The master fifo: named pipes from which commands are read, one byte each (`master-fifo`; behaviour note 3.7).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::ears::Source;
use super::handover::Passed;
use super::run::Master;
use crate::control::commands::{self, Fifo as Meaning};
use crate::log;
use crate::supervisor::Event;

/// Commands taken in one go.
const BYTES: usize = 256;

/// The pipes; one of them is read at a time.
#[derive(Default)]
pub(super) struct Fifos {
    paths: Vec<PathBuf>,
    open: Option<Open>,
}

struct Open {
    number: u8,
    pipe: File,
    /// Device and inode: who put another pipe in its place wants it to be read.
    identity: (u64, u64),
}

impl Fifos {
    /// For the next image: commands that wait in the pipe are not lost.
    pub(super) fn save(&self, text: &mut String, passed: &mut Vec<(String, RawFd)>) {
        if let Some(open) = &self.open {
            text.push_str(&format!("fifo {}\n", open.number));
            passed.push(("fifo".to_owned(), open.pipe.as_raw_fd()));
        }
    }

    pub(super) fn restore(&mut self, line: &str, passed: &mut Passed) {
        let number = line.split_whitespace().nth(1).and_then(|number| number.parse().ok());
        if let (Some(number), Some(fd)) = (number, passed.remove("fifo")) {
            let pipe = File::from(fd);
            let identity = pipe.metadata().map_or((0, 0), |file| (file.dev(), file.ino()));
            self.open = Some(Open { number, pipe, identity });
        }
    }

    fn fd(&self) -> Option<(BorrowedFd<'_>, Source)> {
        self.open.as_ref().map(|open| (open.pipe.as_fd(), Source::Fifo(open.number)))
    }

    /// The pipe that is read has still its name.
    fn is_in_place(&self) -> bool {
        let Some(open) = &self.open else { return self.paths.is_empty() };
        let path = self.paths.get(usize::from(open.number));
        path.is_some_and(|path| {
            fs::metadata(path).is_ok_and(|file| (file.dev(), file.ino()) == open.identity)
        })
    }
}

/// Makes the pipe where it is not there, and opens it. For writing too: without a writer it would always be readable.
fn open(path: &Path) -> io::Result<(File, (u64, u64))> {
    match mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let pipe = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
        .open(path)?;
    let file = pipe.metadata()?;
    if !file.file_type().is_fifo() {
        return Err(io::Error::other("the file is there and is no fifo"));
    }
    Ok((pipe, (file.dev(), file.ino())))
}

impl Master {
    /// Opens the pipes of the configuration; one that an earlier image left open stays so.
    pub(super) fn open_fifos(&mut self) {
        let paths = self.context.config.life_cycle.fifos.clone();
        let hands = self.hands_mut();
        hands.fifos.paths = paths;
        if hands.fifos.is_in_place() {
            if let Some((fd, source)) = hands.fifos.fd()
                && let Err(error) = hands.ears.listen(fd, source)
            {
                log::line(format_args!("the master fifo cannot be heard: {error}"));
            }
            return;
        }
        hands.fifos.open = None;
        self.switch_fifo(0);
    }

    /// Makes a pipe anew that was removed.
    pub(super) fn look_after_fifos(&mut self) {
        let fifos = &self.hands_mut().fifos;
        if !fifos.is_in_place() {
            let number = fifos.open.as_ref().map_or(0, |open| open.number);
            self.switch_fifo(number);
        }
    }

    /// Reads this one from now on.
    fn switch_fifo(&mut self, number: u8) {
        let hands = self.hands_mut();
        let Some(path) = hands.fifos.paths.get(usize::from(number)).cloned() else { return };
        if let Some((fd, source)) = hands.fifos.fd() {
            hands.ears.forget(fd, source);
        }
        let name = path.display();
        match open(&path) {
            // The old one is closed after that: its inode must not come back as the new one's.
            Ok((pipe, identity)) => hands.fifos.open = Some(Open { number, pipe, identity }),
            Err(error) => {
                hands.fifos.open = None;
                return log::line(format_args!("cannot open the master fifo {name}: {error}"));
            }
        }
        if let Some((fd, source)) = hands.fifos.fd()
            && let Err(error) = hands.ears.listen(fd, source)
        {
            log::line(format_args!("the master fifo cannot be heard: {error}"));
        }
    }

    pub(super) fn hear_fifo(&mut self, number: u8) {
        let mut bytes = [0; BYTES];
        let read = {
            let fifos = &mut self.hands_mut().fifos;
            let Some(open) = fifos.open.as_mut().filter(|open| open.number == number) else {
                return;
            };
            open.pipe.read(&mut bytes)
        };
        for byte in &bytes[..read.unwrap_or(0)] {
            match commands::of_fifo(*byte) {
                Some(Meaning::Command(command)) => self.send(Event::Command(command)),
                Some(Meaning::Slot(slot)) => self.switch_fifo(slot),
                Some(Meaning::Absent(what)) => {
                    log::line(format_args!("master fifo: {what}"));
                }
                None => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifo_is_made_and_what_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fifo");
        let (pipe, identity) = open(&path).unwrap();
        assert_eq!(pipe.metadata().unwrap().mode() & 0o777, 0o600);
        let mut fifos = Fifos { paths: vec![path.clone()], ..Fifos::default() };
        assert!(!fifos.is_in_place());
        fifos.open = Some(Open { number: 0, pipe, identity });
        assert!(fifos.is_in_place());
        fs::remove_file(&path).unwrap();
        assert!(!fifos.is_in_place());
        fs::write(&path, "").unwrap();
        assert!(open(&path).is_err());
    }
}
