//! Output that the socket did not take: kept here and sent by the reactor, so that a slow reader holds no thread.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use uwsgi_protocol::fastcgi::{CONTENT_BYTES_MAX, Stream, stream_header};

use crate::sys::socket;

/// What one flush sends at most, in bytes: a reader that is as fast as we are would keep the thread from everybody else
/// until its file is at its end. So much takes less than a millisecond. Smaller turns cost more: of a file of 10 MB over
/// the loopback, the least time of the processor was 523 us without a bound, 538 with this one, 553 with 4 MiB, and 628
/// with 1 MiB. In tests, less than a socket holds.
pub const FLUSH_BYTES_MAX: u64 = if cfg!(test) { 64 << 10 } else { 8 << 20 };

enum Piece {
    Bytes { bytes: Vec<u8>, sent: usize },
    File { file: Arc<OwnedFd>, offset: u64, left: u64, records: Option<Records> },
}

/// Records around a file, made as it is sent.
struct Records {
    id: u16,
    header: [u8; 8],
    /// Bytes of the header that are sent.
    header_sent: usize,
    /// Bytes of the file that belong to this record and are not sent.
    left: u64,
}

impl Records {
    /// Sends the next bytes; `.1` of them are the file's.
    fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        (file, offset, left): (BorrowedFd<'_>, u64, u64),
        room: u64,
    ) -> io::Result<(usize, usize)> {
        if self.left == 0 {
            self.left = left.min(CONTENT_BYTES_MAX.into());
            self.header = stream_header(Stream::Stdout, self.id, self.left as u16);
            self.header_sent = 0;
        }
        if self.header_sent < self.header.len() {
            let count = socket::send(fd, &[IoSlice::new(&self.header[self.header_sent..])])?;
            self.header_sent += count;
            return Ok((count, 0));
        }
        let count = socket::send_file(fd, file, offset, self.left.min(room))?;
        self.left = self.left.saturating_sub(count as u64);
        Ok((count, count))
    }
}

/// What is still to be sent, in order.
#[derive(Default)]
pub struct Spill {
    pieces: VecDeque<Piece>,
    /// Bytes in memory (files do not count).
    held: usize,
    paused: bool,
}

/// How a flush ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flushed {
    /// All is sent.
    Done,
    /// The socket is full.
    Blocked,
    /// Others are to have their turn; the socket may take more, so that the poller will not tell of it by itself.
    Paused,
}

impl Spill {
    /// True when nothing is to be sent.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// True where the last flush ended before the socket was full.
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// Bytes held in memory.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Appends a copy of `bytes`.
    pub fn push(&mut self, bytes: &[u8]) {
        const JOIN_MAX: usize = 64 * 1024;
        if bytes.is_empty() {
            return;
        }
        self.held += bytes.len();
        match self.pieces.back_mut() {
            Some(Piece::Bytes { bytes: last, .. }) if last.len() + bytes.len() <= JOIN_MAX => {
                last.extend_from_slice(bytes);
            }
            _ => self.pieces.push_back(Piece::Bytes { bytes: bytes.to_vec(), sent: 0 }),
        }
    }

    /// Appends a stretch of a file.
    pub fn push_file(&mut self, file: Arc<OwnedFd>, offset: u64, left: u64) {
        if left > 0 {
            self.pieces.push_back(Piece::File { file, offset, left, records: None });
        }
    }

    /// Appends a stretch of a file in FastCGI's records.
    pub fn push_file_in_records(&mut self, file: Arc<OwnedFd>, offset: u64, left: u64, id: u16) {
        if left > 0 {
            let records = Some(Records { id, header: [0; 8], header_sent: 0, left: 0 });
            self.pieces.push_back(Piece::File { file, offset, left, records });
        }
    }

    /// Sends as much as the socket takes, at most about [`FLUSH_BYTES_MAX`]; `sent` is told of progress in bytes.
    ///
    /// # Errors
    /// Where the socket fails, or a file is shorter than it was said to be.
    pub fn flush(&mut self, fd: BorrowedFd<'_>, sent: &mut u64) -> io::Result<Flushed> {
        self.paused = false;
        let mut room = FLUSH_BYTES_MAX;
        while let Some(piece) = self.pieces.front_mut() {
            if room == 0 {
                self.paused = true;
                return Ok(Flushed::Paused);
            }
            let result = match piece {
                Piece::Bytes { bytes, sent } => {
                    socket::send(fd, &[IoSlice::new(&bytes[*sent..])]).map(|count| (count, 0))
                }
                Piece::File { file, offset, left, records: None } => {
                    let wanted = room.min(*left);
                    socket::send_file(fd, file.as_fd(), *offset, wanted).map(|count| (count, count))
                }
                Piece::File { file, offset, left, records: Some(records) } => {
                    records.send(fd, (file.as_fd(), *offset, *left), room)
                }
            };
            let (count, of_file) = match result {
                Ok((0, _)) => {
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "file ended early"));
                }
                Ok(counts) => counts,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok(Flushed::Blocked);
                }
                Err(error) => return Err(error),
            };
            *sent += count as u64;
            room = room.saturating_sub(count as u64);
            let done = match piece {
                Piece::Bytes { bytes, sent } => {
                    *sent += count;
                    self.held -= count;
                    *sent == bytes.len()
                }
                Piece::File { offset, left, .. } => {
                    *offset += of_file as u64;
                    *left = left.saturating_sub(of_file as u64);
                    *left == 0
                }
            };
            if done {
                self.pieces.pop_front();
            }
        }
        Ok(Flushed::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    #[test]
    fn everything_arrives_in_order_whatever_the_reader_takes() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let mut file = tempfile();
        file.write_all(b"0123456789").unwrap();
        let mut spill = Spill::default();
        let large = vec![b'x'; 1 << 20];
        spill.push(&large);
        spill.push_file(shared(file), 2, 5);
        spill.push(b"end");
        let mut zeros = tempfile();
        zeros.write_all(&[b'0'; CONTENT_BYTES_MAX as usize + 3]).unwrap();
        spill.push_file_in_records(shared(zeros), 1, u64::from(CONTENT_BYTES_MAX) + 2, 9);
        let mut sent = 0;
        assert_ne!(spill.flush(ours.as_fd(), &mut sent).unwrap(), Flushed::Done);
        let mut got = Vec::new();
        let mut chunk = vec![0; 70_000];
        while !spill.is_empty() {
            let count = theirs.read(&mut chunk).unwrap();
            got.extend_from_slice(&chunk[..count]);
            let _ = spill.flush(ours.as_fd(), &mut sent).unwrap();
        }
        drop(ours);
        theirs.read_to_end(&mut got).unwrap();
        assert_eq!(sent as usize, got.len());
        assert_eq!(spill.held(), 0);
        let (plain, records) = got[1 << 20..].split_at(8);
        assert_eq!(plain, b"23456end");
        let (first, second) = records.split_at(8 + CONTENT_BYTES_MAX as usize);
        assert_eq!(first[..8], stream_header(Stream::Stdout, 9, CONTENT_BYTES_MAX));
        assert_eq!(second, [&stream_header(Stream::Stdout, 9, 2)[..], b"00"].concat());
    }

    #[test]
    fn a_fast_reader_does_not_keep_the_thread() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        const SIZE: u64 = 5 * FLUSH_BYTES_MAX + 1;
        let reader = std::thread::spawn(move || {
            let mut got = Vec::new();
            theirs.read_to_end(&mut got).unwrap();
            got.len() as u64
        });
        for records in [false, true] {
            let file = tempfile();
            file.set_len(SIZE).unwrap();
            let (mut spill, mut file_bytes) = (Spill::default(), 0);
            match records {
                false => spill.push_file(shared(file), 0, SIZE),
                true => spill.push_file_in_records(shared(file), 0, SIZE, 1),
            }
            while !spill.is_empty() {
                let mut sent = 0;
                let flushed = spill.flush(ours.as_fd(), &mut sent).unwrap();
                assert!(sent <= FLUSH_BYTES_MAX + 8, "{sent}");
                assert_eq!(spill.is_paused(), flushed == Flushed::Paused);
                file_bytes += sent;
            }
            assert!(file_bytes >= SIZE);
        }
        drop(ours);
        assert!(reader.join().unwrap() > 2 * SIZE);
    }

    fn shared(file: std::fs::File) -> Arc<OwnedFd> {
        Arc::new(file.into())
    }

    fn tempfile() -> std::fs::File {
        let name = format!("spill-{}-{}", std::process::id(), crate::sys::random::number());
        let path = std::env::temp_dir().join(name);
        let file = std::fs::File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        std::fs::remove_file(&path).unwrap();
        file
    }
}
