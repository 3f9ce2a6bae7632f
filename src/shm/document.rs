//! A text of any length up to a bound that processes share and that outlives each of them: one writes, others read.
//!
//! A file without a name (memfd) with a head and the bytes behind it. It is written and read by calls, not mapped: it may be
//! large, and is rarely looked at. A reader that comes in the middle of a writing sees by the numbers of the head, or by the
//! checksum, that the bytes are not one text, and reads again.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

/// Longest text.
pub const DOCUMENT_BYTES_MAX: usize = 4 << 20;
/// Changed with every change of the head.
const LAYOUT: u64 = 0x7577_7367_646f_0001;
/// Layout, number of the writing (odd while it lasts), length, checksum.
const HEAD_BYTES: usize = 4 * size_of::<u64>();
/// How often a reader tries before it says that there is nothing to read.
const READ_TRIES: usize = 16;

/// The text. One process at a time writes.
#[derive(Debug)]
pub struct Document {
    file: File,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    number: u64,
    length: u64,
    checksum: u64,
}

impl Document {
    /// An empty one. Only what is written takes memory.
    ///
    /// # Errors
    /// Out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        Self::named(c"uwsgi-document")
    }

    /// The same with a name of its own among the descriptors of a process.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn named(name: &CStr) -> io::Result<Self> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create(name, flags)?;
        let length = i64::try_from(HEAD_BYTES + DOCUMENT_BYTES_MAX).map_err(io::Error::other)?;
        ftruncate(&file, length)?;
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        let document = Self { file: file.into() };
        document.write_head(Head { number: 0, length: 0, checksum: checksum(b"") })?;
        Ok(document)
    }

    /// The one that another process has made.
    ///
    /// # Errors
    /// `InvalidData` where it is none, or of another layout.
    pub fn adopt(file: OwnedFd) -> io::Result<Self> {
        let document = Self { file: file.into() };
        let (mut layout, length) = ([0; 8], document.file.metadata()?.len());
        document.file.read_exact_at(&mut layout, 0)?;
        match u64::from_le_bytes(layout) == LAYOUT
            && length >= (HEAD_BYTES + DOCUMENT_BYTES_MAX) as u64
        {
            true => Ok(document),
            false => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// The memory, for another process.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Replaces the text. Only the one writer may call this.
    ///
    /// # Errors
    /// It is longer than [`DOCUMENT_BYTES_MAX`], or out of memory; then there is no text until the next writing.
    pub fn write(&self, text: &[u8]) -> io::Result<()> {
        if text.len() > DOCUMENT_BYTES_MAX {
            let why = format!("more than {DOCUMENT_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
        }
        // Odd also where a writer that was killed left it odd.
        let odd = self.read_head().map_or(0, |head| head.number).wrapping_add(1) | 1;
        let head = Head { number: odd, length: text.len() as u64, checksum: checksum(text) };
        self.write_head(head)?;
        self.file.write_all_at(text, HEAD_BYTES as u64)?;
        self.write_head(Head { number: odd.wrapping_add(1), ..head })
    }

    /// The text as one writing left it; empty before the first, `None` while it is replaced or was left half written.
    pub fn read(&self) -> Option<Vec<u8>> {
        (0..READ_TRIES).find_map(|_| self.try_read())
    }

    fn try_read(&self) -> Option<Vec<u8>> {
        let head = self.read_head().filter(|head| head.number & 1 == 0)?;
        let length = usize::try_from(head.length).ok().filter(|it| *it <= DOCUMENT_BYTES_MAX)?;
        let mut text = vec![0; length];
        self.file.read_exact_at(&mut text, HEAD_BYTES as u64).ok()?;
        let whole = checksum(&text) == head.checksum && self.read_head() == Some(head);
        whole.then_some(text)
    }

    fn read_head(&self) -> Option<Head> {
        let mut bytes = [0; HEAD_BYTES];
        self.file.read_exact_at(&mut bytes, 0).ok()?;
        let word = |at: usize| {
            let word = bytes.get(at * 8..(at + 1) * 8)?;
            word.try_into().ok().map(u64::from_le_bytes)
        };
        Some(Head { number: word(1)?, length: word(2)?, checksum: word(3)? })
    }

    fn write_head(&self, head: Head) -> io::Result<()> {
        let words = [LAYOUT, head.number, head.length, head.checksum];
        self.file.write_all_at(&words.map(u64::to_le_bytes).concat(), 0)
    }
}

/// FNV-1a: finds damage, not malice.
fn checksum(bytes: &[u8]) -> u64 {
    let add = |sum: u64, &byte: &u8| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, add)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(document: &Document) -> Document {
        Document::adopt(document.descriptor().try_clone_to_owned().unwrap()).unwrap()
    }

    #[test]
    fn what_one_writes_another_reads() {
        let document = Document::new().unwrap();
        let reader = other(&document);
        assert_eq!(reader.read().as_deref(), Some(&b""[..]));
        for text in [&b"one"[..], b"", &vec![7; DOCUMENT_BYTES_MAX], b"x"] {
            document.write(text).unwrap();
            assert!(reader.read().as_deref() == Some(text), "{} bytes", text.len());
        }
    }

    #[test]
    fn too_long_a_text_leaves_the_one_before() {
        let document = Document::new().unwrap();
        document.write(b"one").unwrap();
        assert!(document.write(&vec![0; DOCUMENT_BYTES_MAX + 1]).is_err());
        assert_eq!(document.read().as_deref(), Some(&b"one"[..]));
    }

    #[test]
    fn half_a_writing_is_no_text_until_the_next() {
        let document = Document::new().unwrap();
        document.write(b"one").unwrap();
        document.write_head(Head { number: 3, length: 3, checksum: checksum(b"two") }).unwrap();
        assert_eq!(document.read(), None, "its writer was killed");
        document.write(b"three").unwrap();
        assert_eq!(document.read().as_deref(), Some(&b"three"[..]));
        document.file.write_all_at(b"T", HEAD_BYTES as u64).unwrap();
        assert_eq!(document.read(), None, "torn");
    }

    #[test]
    fn readers_see_whole_texts_while_it_is_written() {
        let document = Document::new().unwrap();
        let texts = [vec![b'a'; 100_000], vec![b'b'; 60_000]];
        document.write(&texts[0]).unwrap();
        let seen = std::thread::scope(|scope| {
            let reader = other(&document);
            let reads = scope.spawn(move || (0..300).filter_map(|_| reader.read()).collect());
            (0..300).for_each(|turn| document.write(&texts[turn % 2]).unwrap());
            let seen: Vec<Vec<u8>> = reads.join().unwrap();
            seen
        });
        assert!(seen.iter().all(|text| texts.contains(text)));
        assert!(texts.contains(&document.read().unwrap()));
    }

    #[test]
    fn memory_of_others_is_no_document_and_nobody_takes_it_away() {
        let file = crate::sys::memory::file_of(c"x", &[1; 4096]).unwrap();
        assert!(Document::adopt(file.into()).is_err());
        let document = Document::new().unwrap();
        let file = File::from(document.descriptor().try_clone_to_owned().unwrap());
        assert!(file.set_len(0).is_err());
    }
}
