//! `wsgi.input`.

use std::sync::Arc;

use uwsgi_plugin_api::{Body, BodyError, Fill};

use crate::ffi::{
    self, Class, Exception, Exchange, Method, Methods, Object, Payload, Py, Raised, Ref,
};

/// The request body as a file that is read once. After the request it is a closed one.
pub(crate) struct Input {
    exchange: Arc<Exchange>,
}

/// Its type.
pub(crate) type InputClass = Class<Input>;

impl Payload for Input {
    const NAME: &'static std::ffi::CStr = c"uwsgi.Input";
    const DOC: &'static std::ffi::CStr = c"The request body.";
    const ITERATES: bool = true;

    fn methods(table: &mut Methods<Self>) {
        table.add::<Read>();
        table.add::<ReadLine>();
        table.add::<ReadLines>();
        table.add::<Seek>();
        table.add::<Tell>();
        table.add::<FileNo>();
        table.add::<Close>();
    }

    fn next(&self, py: Py<'_>) -> Result<Option<Object>, Raised> {
        let line = self.line(py, usize::MAX)?;
        Ok(Some(line).filter(|line| line.borrowed().bytes(py).is_ok_and(|bytes| !bytes.is_empty())))
    }
}

impl Input {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }

    /// Up to `limit` bytes: fewer only at the end of the body.
    fn read(&self, py: Py<'_>, limit: usize) -> Result<Object, Raised> {
        self.take(py, limit, |available| (available.len(), false))
    }

    /// A line with its end, of up to `limit` bytes.
    fn line(&self, py: Py<'_>, limit: usize) -> Result<Object, Raised> {
        self.take(py, limit, |available| match available.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (available.len(), false),
        })
    }

    /// Takes bytes until `limit`, the end of the body, or until `choose` says that it is enough: it is shown
    /// what is there and answers how much of it to take and whether that is all.
    fn take(
        &self,
        py: Py<'_>,
        limit: usize,
        choose: impl Fn(&[u8]) -> (usize, bool),
    ) -> Result<Object, Raised> {
        let result =
            self.exchange.body(py, |body| take(py, body, limit, choose)).map_err(|absent| {
                match absent {
                    ffi::Absent::Over => {
                        py.raise(Exception::ValueError, "I/O operation on closed request body")
                    }
                    ffi::Absent::Busy => crate::start_response::unavailable(py, absent),
                }
            })?;
        let object = result.map_err(|failure| match failure {
            Failure::Python(raised) => raised,
            Failure::Body(error) => py.raise(Exception::OSError, &describe(&error, limit)),
        })?;
        let length = object.borrowed().bytes(py)?.len() as u64;
        self.exchange.note_read(length);
        Ok(object)
    }
}

/// uWSGI's texts: they name how much was asked for.
fn describe(error: &BodyError, limit: usize) -> String {
    let asked = if limit == usize::MAX { 0 } else { limit };
    error.to_string().replacen("during read on", &format!("during read({asked}) on"), 1)
}

/// uWSGI's text.
pub(crate) const NO_CHUNK: &str = "unable to receive chunked part";

/// `uwsgi.chunked_read`: what is there of a chunked body, or comes next. Chunks were decoded where they came, so pieces
/// are not always the client's chunks; none but the end is empty.
pub(crate) fn piece(py: Py<'_>, exchange: &Exchange) -> Result<Object, Raised> {
    let none = || py.raise(Exception::OSError, NO_CHUNK);
    let piece = exchange.body(py, |body| {
        if !body.unannounced() {
            return Err(none());
        }
        if body.available().is_empty() && !matches!(ffi::fill(py, body), Ok(Fill::More)) {
            let complete = body.remaining() == Some(0);
            return if complete { py.bytes(b"") } else { Err(none()) };
        }
        let count = body.available().len();
        let piece = py.bytes(body.available())?;
        body.consume(count);
        Ok(piece)
    });
    let piece = piece.map_err(|_| none())??;
    exchange.note_read(piece.borrowed().bytes(py)?.len() as u64);
    Ok(piece)
}

enum Failure {
    Python(Raised),
    Body(BodyError),
}

impl From<Raised> for Failure {
    fn from(raised: Raised) -> Self {
        Self::Python(raised)
    }
}

fn take(
    py: Py<'_>,
    body: &mut dyn Body,
    limit: usize,
    choose: impl Fn(&[u8]) -> (usize, bool),
) -> Result<Object, Failure> {
    let available = body.available();
    let available = &available[..available.len().min(limit)];
    let (count, enough) = choose(available);
    // The usual case: all of it is there, so it is copied once.
    if enough || count == limit || body.remaining() == Some(count as u64) {
        let object = py.bytes(&available[..count])?;
        body.consume(count);
        return Ok(object);
    }
    let mut collected = Vec::new();
    while collected.len() < limit {
        let available = body.available();
        if available.is_empty() {
            match ffi::fill(py, body).map_err(Failure::Body)? {
                Fill::More => continue,
                Fill::End => break,
            }
        }
        let (count, enough) = choose(&available[..available.len().min(limit - collected.len())]);
        collected.extend_from_slice(&available[..count]);
        body.consume(count);
        if enough {
            break;
        }
    }
    Ok(py.bytes(&collected)?)
}

/// The optional size of `read` and its like: absent, None and negative mean "all".
fn size(py: Py<'_>, arguments: &[Ref<'_>]) -> Result<usize, Raised> {
    match arguments {
        [] => Ok(usize::MAX),
        [size] if size.is_none() => Ok(usize::MAX),
        [size] => Ok(usize::try_from(size.size_argument(py)?).unwrap_or(usize::MAX)),
        _ => Err(py.raise(Exception::TypeError, "expected at most one argument: the size")),
    }
}

macro_rules! methods {
    ($($type:ident = $name:literal, $doc:literal, |$py:ident, $this:ident, $arguments:ident| $body:expr;)*) => {$(
        struct $type;

        impl Method<Input> for $type {
            const NAME: &'static std::ffi::CStr = $name;
            const DOC: &'static std::ffi::CStr = $doc;

            fn call($py: Py<'_>, $this: &Input, $arguments: &[Ref<'_>]) -> Result<Object, Raised> {
                $body
            }
        }
    )*};
}

methods! {
    Read = c"read", c"read([size]): bytes; b'' at the end.", |py, this, arguments|
        this.read(py, size(py, arguments)?);
    ReadLine = c"readline", c"readline([size]): a line with its end; b'' at the end.", |py, this, arguments|
        this.line(py, size(py, arguments)?);
    ReadLines = c"readlines", c"readlines([hint]): a list of lines, of about hint bytes.", |py, this, arguments|
        lines(py, this, size(py, arguments)?);
    Seek = c"seek", c"seek(offset, whence=0): only to where it is.", |py, this, arguments|
        seek(py, this, arguments);
    Tell = c"tell", c"Bytes that were read.", |py, this, _arguments|
        py.unsigned(this.exchange.position());
    FileNo = c"fileno", c"Descriptor of the connection.", |py, this, _arguments|
        py.integer(this.exchange.connection().into());
    Close = c"close", c"Does nothing: the server owns the body.", |py, _this, _arguments|
        Ok(py.none().own(py));
}

fn lines(py: Py<'_>, this: &Input, hint: usize) -> Result<Object, Raised> {
    let hint = if hint == 0 { usize::MAX } else { hint };
    let (mut lines, mut total) = (Vec::new(), 0);
    while total < hint {
        let line = this.line(py, usize::MAX)?;
        let length = line.borrowed().bytes(py)?.len();
        if length == 0 {
            break;
        }
        total += length;
        lines.push(line);
    }
    py.list(lines)
}

/// A body that is complete (`post-buffering`) can be read again; of a stream, only the place where it is can be gone to.
fn seek(py: Py<'_>, this: &Input, arguments: &[Ref<'_>]) -> Result<Object, Raised> {
    let position = this.exchange.position();
    let (offset, whence) = match arguments {
        [offset] => (offset.integer(py)?, 0),
        [offset, whence] => (offset.integer(py)?, whence.integer(py)?),
        _ => return Err(py.raise(Exception::TypeError, "seek() takes offset and optional whence")),
    };
    let stays = match whence {
        0 => u64::try_from(offset) == Ok(position),
        1 => offset == 0,
        _ => false,
    };
    let target = u64::try_from(offset).ok().filter(|_| whence == 0);
    let moved = target.filter(|_| !stays).filter(|target| {
        // A body that was answered and is gone cannot be moved either.
        this.exchange.body(py, |body| body.seek(*target)).unwrap_or(false)
    });
    if let Some(target) = moved {
        this.exchange.note_place(target);
        return py.unsigned(target);
    }
    if !stays {
        let text = "seeking wsgi.input without post_buffering is IMPOSSIBLE !!!";
        return Err(py.raise(Exception::OSError, text));
    }
    py.unsigned(position)
}
