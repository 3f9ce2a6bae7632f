//! `start_response` and the `write` that it returns.

use std::sync::Arc;

use uwsgi_plugin_api::{Flow, HeadError, Response, WriteError};

use crate::ffi::{
    self, Absent, Class, Exception, Exchange, Kept, Object, Payload, Py, Raised, Ref,
};

/// The callable that an application is given. Its texts are uWSGI's (behaviour note 5.3).
pub(crate) struct StartResponse {
    exchange: Arc<Exchange>,
    writer: Kept<Object>,
}

/// The callable that `start_response` returns.
pub(crate) struct Writer {
    exchange: Arc<Exchange>,
}

impl StartResponse {
    pub(crate) fn new(py: Py<'_>, exchange: Arc<Exchange>, writer: Object) -> Self {
        let kept = Kept::new();
        kept.set(py, writer);
        Self { exchange, writer: kept }
    }
}

impl Writer {
    pub(crate) fn new(exchange: Arc<Exchange>) -> Self {
        Self { exchange }
    }
}

/// The types of both.
pub(crate) type StartClass = Class<StartResponse>;
/// As [`StartClass`].
pub(crate) type WriterClass = Class<Writer>;

struct Arguments<'a> {
    status: Ref<'a>,
    headers: Ref<'a>,
    exc_info: Option<Ref<'a>>,
}

impl Payload for StartResponse {
    const NAME: &'static std::ffi::CStr = c"uwsgi.start_response";
    const DOC: &'static std::ffi::CStr =
        c"start_response(status, headers, exc_info=None) as of PEP 3333; returns write().";
    const CALLABLE: bool = true;

    #[inline]
    fn call(
        &self,
        py: Py<'_>,
        arguments: &[Ref<'_>],
        keywords: Option<Ref<'_>>,
    ) -> Result<Object, Raised> {
        let given = parse(py, arguments, keywords)?;
        if !given.status.is_str() {
            return Err(py.raise(Exception::TypeError, "http status must be a string"));
        }
        if !given.headers.is_list() {
            return Err(py.raise(Exception::TypeError, "http headers must be in a python list"));
        }
        if self.exchange.is_socket() {
            return Err(refused(py, &HeadError::AlreadySent));
        }
        if let Some(exc_info) = given.exc_info {
            self.check_replacement(py, exc_info)?;
        } else if self.exchange.started() {
            return Err(py.raise(
                Exception::AssertionError,
                "start_response() was already called; a second call must give exc_info",
            ));
        }
        match self.exchange.response(py, |response| begin(py, response, &given)) {
            Ok(done) => done?,
            Err(absent) => return Err(unavailable(py, absent)),
        }
        self.exchange.note_start();
        match self.writer.get(py) {
            Some(writer) => Ok(writer.share(py)),
            None => Ok(py.none().own(py)),
        }
    }
}

impl StartResponse {
    /// The rules for `exc_info`: once the head is out, the exception is raised again.
    fn check_replacement(&self, py: Py<'_>, exc_info: Ref<'_>) -> Result<(), Raised> {
        let (Some(value), Some(traceback)) =
            (exc_info.tuple_item(py, 1), exc_info.tuple_item(py, 2))
        else {
            return Err(py.raise(Exception::TypeError, "exc_info must be a tuple of 3 items"));
        };
        match self.exchange.response(py, |response| response.head_sent()) {
            Ok(false) => Ok(()),
            Ok(true) => Err(py.raise_value(value, Some(traceback).filter(|tb| !tb.is_none()))),
            Err(absent) => Err(unavailable(py, absent)),
        }
    }
}

fn parse<'a>(
    py: Py<'_>,
    arguments: &'a [Ref<'a>],
    keywords: Option<Ref<'a>>,
) -> Result<Arguments<'a>, Raised> {
    let usage = || {
        py.raise(
            Exception::TypeError,
            "start_response() takes status, headers and optional exc_info",
        )
    };
    let some = |value: Ref<'a>| Some(value).filter(|value| !value.is_none());
    if keywords.is_none() {
        return match arguments {
            [status, headers] => {
                Ok(Arguments { status: *status, headers: *headers, exc_info: None })
            }
            [status, headers, exc_info] => {
                Ok(Arguments { status: *status, headers: *headers, exc_info: some(*exc_info) })
            }
            _ => Err(usage()),
        };
    }
    let names = keywords.into_iter().flat_map(|names| {
        (0..names.tuple_len(py)).filter_map(move |index| names.tuple_item(py, index))
    });
    let named = names.clone().count();
    let (positional, values) = arguments.split_at(arguments.len().saturating_sub(named));
    let mut places = [None; 3];
    if positional.len() > places.len() {
        return Err(usage());
    }
    places.iter_mut().zip(positional).for_each(|(place, value)| *place = Some(*value));
    for (name, value) in names.zip(values) {
        let place = match name.utf8(py)? {
            "status" => 0,
            "headers" | "response_headers" => 1,
            "exc_info" => 2,
            _ => return Err(usage()),
        };
        if places[place].replace(*value).is_some() {
            return Err(usage());
        }
    }
    let [Some(status), Some(headers), exc_info] = places else { return Err(usage()) };
    Ok(Arguments { status, headers, exc_info: exc_info.and_then(some) })
}

/// Hands status and headers to the response. No Python code runs in here, so the list stays as it is.
#[inline]
fn begin(py: Py<'_>, response: &mut dyn Response, given: &Arguments<'_>) -> Result<(), Raised> {
    let status = latin1(py, given.status)?;
    response.start(status.bytes(py)?).map_err(|error| refused(py, &error))?;
    for index in 0..given.headers.list_len(py) {
        let Some(pair) = given.headers.list_item(py, index) else { break };
        let pair = pair.borrowed();
        let (Some(name), Some(value), 2) =
            (pair.tuple_item(py, 0), pair.tuple_item(py, 1), pair.tuple_len(py))
        else {
            let text = if pair.is_tuple() {
                "http header must be a 2-item tuple"
            } else {
                "http header must be defined in a tuple"
            };
            return Err(py.raise(Exception::TypeError, text));
        };
        if !name.is_str() {
            return Err(py.raise(Exception::TypeError, "http header key must be a string"));
        }
        if !value.is_str() {
            return Err(py.raise(Exception::TypeError, "http header value must be a string"));
        }
        let (name, value) = (latin1(py, name)?, latin1(py, value)?);
        response.header(name.bytes(py)?, value.bytes(py)?).map_err(|error| refused(py, &error))?;
    }
    Ok(())
}

/// A text in Latin-1: the `str`'s own bytes where it is ASCII.
enum Latin1<'a> {
    Ascii(&'a [u8]),
    Encoded(Object),
}

impl Latin1<'_> {
    #[inline]
    fn bytes(&self, py: Py<'_>) -> Result<&[u8], Raised> {
        match self {
            Self::Ascii(bytes) => Ok(bytes),
            Self::Encoded(object) => object.borrowed().bytes(py),
        }
    }
}

#[inline]
fn latin1<'a>(py: Py<'_>, text: Ref<'a>) -> Result<Latin1<'a>, Raised> {
    match text.utf8(py) {
        Ok(utf8) if utf8.is_ascii() => Ok(Latin1::Ascii(utf8.as_bytes())),
        Ok(_) => text.latin1_object(py).map(Latin1::Encoded),
        Err(raised) => Err(raised),
    }
}

fn refused(py: Py<'_>, error: &HeadError) -> Raised {
    let exception = match error {
        HeadError::AlreadySent => Exception::OSError,
        _ => Exception::ValueError,
    };
    py.raise(exception, &error.to_string())
}

/// An exception for a request that is over, or in use by another thread.
pub(crate) fn unavailable(py: Py<'_>, absent: Absent) -> Raised {
    let text = match absent {
        Absent::Over => "the request is over",
        Absent::Busy => "another thread of the application uses this request now",
    };
    py.raise(Exception::ValueError, text)
}

impl Payload for Writer {
    const NAME: &'static std::ffi::CStr = c"uwsgi.write";
    const DOC: &'static std::ffi::CStr = c"write(bytes): sends a piece of the body.";
    const CALLABLE: bool = true;

    fn call(
        &self,
        py: Py<'_>,
        arguments: &[Ref<'_>],
        keywords: Option<Ref<'_>>,
    ) -> Result<Object, Raised> {
        let ([data], None) = (arguments, keywords) else {
            return Err(py.raise(Exception::TypeError, "write() takes one argument"));
        };
        if !data.is_bytes() {
            return Err(py.raise(Exception::TypeError, "write() takes bytes"));
        }
        match send(py, &self.exchange, data.bytes(py)?) {
            Ok(()) => {
                self.exchange.note_write();
                Ok(py.none().own(py))
            }
            Err(Unsent::Disconnected) if self.exchange.is_forgiving() => Ok(py.none().own(py)),
            Err(Unsent::Disconnected) => Err(py.raise(Exception::OSError, "write error")),
            Err(Unsent::NoHead) => Err(no_head(py)),
            Err(Unsent::Absent(absent)) => Err(unavailable(py, absent)),
        }
    }
}

/// Why bytes did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The client is gone.
    Disconnected,
    /// `start_response` was not called, or failed.
    NoHead,
    /// Nothing to write to.
    Absent(Absent),
}

/// The exception for a body without a head.
pub(crate) fn no_head(py: Py<'_>) -> Raised {
    py.raise(Exception::AssertionError, "body sent before start_response() was called")
}

/// Sends a piece of the body; waits for a slow client without the GIL.
#[inline]
pub(crate) fn send(py: Py<'_>, exchange: &Exchange, data: &[u8]) -> Result<(), Unsent> {
    if data.is_empty() {
        return Ok(());
    }
    with_response(py, exchange, |response| response.write(data))
}

/// Runs a call that sends, and waits where the spill is full.
#[inline]
pub(crate) fn with_response(
    py: Py<'_>,
    exchange: &Exchange,
    work: impl FnOnce(&mut dyn Response) -> Result<Flow, WriteError>,
) -> Result<(), Unsent> {
    let sent = exchange.response(py, |response| {
        if !exchange.started() {
            return Err(WriteError::NoHead);
        }
        match work(response)? {
            Flow::Ready => Ok(()),
            Flow::Full => ffi::wait(py, response),
        }
    });
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(WriteError::Disconnected(_))) => Err(Unsent::Disconnected),
        Ok(Err(WriteError::NoHead)) => Err(Unsent::NoHead),
        Err(absent) => Err(Unsent::Absent(absent)),
    }
}
