//! From what an application returned to bytes on the wire (PEP 3333).

use std::os::fd::OwnedFd;

use crate::embed::call;
use crate::ffi::{Absent, Exchange, Object, Py, Raised, Ref};
use crate::start_response::{Unsent, no_head, send, with_response};

/// Lists of several small pieces are sent as one, up to this many bytes.
const JOINED_BYTES_MAX: usize = 64 * 1024;

/// Why a response ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The application, or the use it made of us, raised.
    Raised(Raised),
    /// The client is gone: nobody is told but the log line.
    Disconnected,
}

impl From<Raised> for Stop {
    fn from(raised: Raised) -> Self {
        Self::Raised(raised)
    }
}

/// What the delivery of a body needs.
pub(crate) struct Delivery<'a> {
    pub(crate) exchange: &'a Exchange,
    pub(crate) boot: &'a Object,
    pub(crate) file_wrapper: Ref<'a>,
    pub(crate) accept_buffer: bool,
    /// Where small pieces are joined; its memory is kept.
    pub(crate) scratch: &'a mut Vec<u8>,
    /// Items of the body so far.
    pub(crate) items: u32,
}

impl Delivery<'_> {
    /// Sends all of what the application returned. The head goes out in any case.
    #[inline]
    pub(crate) fn deliver(&mut self, py: Py<'_>, result: Ref<'_>) -> Result<(), Stop> {
        if result.is_plain_list() {
            self.list(py, result, result.list_len(py), |index| result.list_item(py, index))?;
        } else if result.is_plain_tuple() {
            let item = |index| result.tuple_item(py, index).map(|item| item.own(py));
            self.list(py, result, result.tuple_len(py), item)?;
        } else if result.is_bytes() {
            self.whole(py, result.bytes(py)?)?;
        } else if result.is_str() {
            self.items = 1;
            self.item(py, result)?; // one line in the log, not one for each character
        } else if !(result.is_exactly(self.file_wrapper) && self.file(py, result)?) {
            self.iterate(py, result)?;
        }
        self.finish(py)
    }

    /// A list or tuple; its items are there already.
    #[inline]
    fn list(
        &mut self,
        py: Py<'_>,
        result: Ref<'_>,
        length: usize,
        item: impl Fn(usize) -> Option<Object>,
    ) -> Result<(), Stop> {
        if length == 1
            && let Some(only) = item(0)
            && only.borrowed().is_plain_bytes()
        {
            return self.whole(py, only.borrowed().bytes(py)?);
        }
        if length == 0 {
            return self.whole(py, b"");
        }
        self.scratch.clear();
        for piece in (0..length).map_while(&item) {
            let bytes = match piece.borrowed() {
                piece if piece.is_plain_bytes() => piece.bytes(py)?,
                _ => return self.iterate(py, result),
            };
            if self.scratch.len() + bytes.len() > JOINED_BYTES_MAX {
                return self.iterate(py, result);
            }
            self.scratch.extend_from_slice(bytes);
        }
        self.items = u32::try_from(length).unwrap_or(u32::MAX) - 1;
        let joined = std::mem::take(self.scratch);
        let sent = self.whole(py, &joined);
        *self.scratch = joined;
        sent
    }

    /// The whole body in one piece.
    #[inline]
    fn whole(&mut self, py: Py<'_>, data: &[u8]) -> Result<(), Stop> {
        self.items += 1;
        if self.exchange.written() == 0 {
            // what went out by write() is part of the body too, so its length is not known then
            let announced =
                self.exchange.response(py, |response| response.whole_body(data.len() as u64));
            if announced.is_err() {
                return Ok(()); // the request is over: only for code that keeps iterators beyond it
            }
        }
        self.sent(py, send(py, self.exchange, data))
    }

    fn iterate(&mut self, py: Py<'_>, result: Ref<'_>) -> Result<(), Stop> {
        let iterator = result.iterator(py)?;
        while let Some(item) = iterator.borrowed().next(py)? {
            self.items = self.items.saturating_add(1);
            self.item(py, item.borrowed())?;
        }
        Ok(())
    }

    fn item(&mut self, py: Py<'_>, item: Ref<'_>) -> Result<(), Stop> {
        if item.is_bytes() {
            let sent = send(py, self.exchange, item.bytes(py)?);
            return self.sent(py, sent);
        }
        if item.is_none() {
            return Ok(());
        }
        if self.accept_buffer && !item.is_str() && !item.is_int() {
            let bytes = item.bytes_object(py)?;
            let sent = send(py, self.exchange, bytes.borrowed().bytes(py)?);
            return self.sent(py, sent);
        }
        crate::module::log_line(&format!(
            "[ERROR] Unhandled object from iterator: {} (0x{:x})",
            item.representation(py),
            item.address()
        ));
        Ok(())
    }

    /// A file by its descriptor; false where it has to be read.
    fn file(&mut self, py: Py<'_>, wrapper: Ref<'_>) -> Result<bool, Stop> {
        let span = call(py, self.boot, "file_span", &[wrapper])?;
        let (Some(fd), Some(position)) =
            (span.borrowed().tuple_item(py, 0), span.borrowed().tuple_item(py, 1))
        else {
            return Ok(false);
        };
        let (fd, position) = (fd.integer(py)?, position.integer(py)?);
        let Some((file, size)) = i32::try_from(fd).ok().and_then(regular_file) else {
            return Ok(false);
        };
        let position = u64::try_from(position).unwrap_or(0);
        let length = size.saturating_sub(position);
        self.items = 1;
        let sent = with_response(py, self.exchange, |response| {
            response.whole_body(length);
            response.write_file(file, position, length)
        });
        self.sent(py, sent)?;
        Ok(true)
    }

    /// The head of a response without a body.
    fn finish(&mut self, py: Py<'_>) -> Result<(), Stop> {
        let sent = with_response(py, self.exchange, |response| {
            response.flush_head().map(|()| uwsgi_plugin_api::Flow::Ready)
        });
        self.sent(py, sent)
    }

    fn sent(&self, py: Py<'_>, result: Result<(), Unsent>) -> Result<(), Stop> {
        match result {
            Ok(()) => Ok(()),
            Err(Unsent::NoHead) => Err(Stop::Raised(no_head(py))),
            Err(Unsent::Disconnected | Unsent::Absent(Absent::Over)) => Err(Stop::Disconnected),
            Err(Unsent::Absent(absent @ Absent::Busy)) => {
                Err(Stop::Raised(crate::start_response::unavailable(py, absent)))
            }
        }
    }
}

/// A descriptor of our own for an open regular file, and its size in bytes.
fn regular_file(fd: i32) -> Option<(OwnedFd, u64)> {
    let file = crate::ffi::duplicate(fd)?;
    let file = std::fs::File::from(file);
    let data = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some((file.into(), data.len()))
}
