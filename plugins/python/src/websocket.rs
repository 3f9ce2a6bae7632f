//! WebSockets in the module `uwsgi`. The texts of exceptions are uWSGI's.

use uwsgi_plugin_api::WebSocket;
use uwsgi_plugin_api::websocket::{Handshake, Kind, SocketError, Terms};

use crate::ffi::{Absent, Exception, Exchange, Object, Py, Raised, Ref};
use crate::module::log_line;

const NO_HANDSHAKE: &str = "unable to complete websocket handshake";
const NO_MESSAGE: &str = "unable to receive websocket message";

/// `uwsgi.websocket_handshake([key, origin, proto])`.
pub(crate) fn handshake(
    py: Py<'_>,
    exchange: Option<&Exchange>,
    terms: Terms,
    arguments: &[Ref<'_>],
) -> Result<Object, Raised> {
    if arguments.len() > 3 {
        return Err(py.raise(Exception::TypeError, "expected at most key, origin and protocol"));
    }
    let given = arguments.iter().map(|argument| bytes(py, *argument));
    let given = given.collect::<Result<Vec<_>, _>>()?;
    let at = |index: usize| given.get(index).map(Vec::as_slice).filter(|text| !text.is_empty());
    let wanted = Handshake { key: at(0), origin: at(1), protocol: at(2) };
    let accepted = use_socket(py, exchange, |socket, body, response| {
        if socket.is_some() {
            return Err(SocketError::Begun);
        }
        *socket = Some(WebSocket::accept(terms, &wanted, body, response)?);
        Ok(())
    });
    let accepted = accepted.map_err(|failure| failure.raise(py, NO_HANDSHAKE));
    if let (Ok(()), Some(exchange)) = (&accepted, exchange) {
        exchange.note_start();
    }
    accepted.map(|()| py.none().own(py))
}

/// `uwsgi.websocket_recv()` and, without `waits`, `uwsgi.websocket_recv_nb()`.
pub(crate) fn receive(
    py: Py<'_>,
    exchange: Option<&Exchange>,
    waits: bool,
) -> Result<Object, Raised> {
    let message = use_socket(py, exchange, |socket, body, response| {
        socket.as_mut().ok_or(SocketError::NotOffered)?.receive(waits, body, response)
    });
    match message {
        Ok(message) => py.bytes(message.as_ref().map_or(b"", |(_, message)| message)),
        Err(failure) => Err(failure.raise(py, NO_MESSAGE)),
    }
}

/// `uwsgi.websocket_send(text)` and `uwsgi.websocket_send_binary(bytes)`.
pub(crate) fn send(
    py: Py<'_>,
    exchange: Option<&Exchange>,
    kind: Kind,
    arguments: &[Ref<'_>],
) -> Result<Object, Raised> {
    let [message] = arguments else {
        return Err(py.raise(Exception::TypeError, "expected one argument: the message"));
    };
    let message = bytes(py, *message)?;
    let sent = use_socket(py, exchange, |socket, _body, response| {
        socket.as_mut().ok_or(SocketError::NotOffered)?.send(kind, &message, response)
    });
    let text = match kind {
        Kind::Text => "unable to send websocket message",
        Kind::Binary => "unable to send websocket binary message",
    };
    sent.map_err(|failure| failure.raise(py, text)).map(|()| py.none().own(py))
}

/// The application has returned: a WebSocket that is open is closed.
pub(crate) fn finish(py: Py<'_>, exchange: &Exchange, failed: bool) {
    if exchange.is_socket() {
        // One that another thread uses is closed with the connection.
        let _ = exchange.socket(py, |socket, _body, response| {
            if let Some(socket) = socket {
                socket.finish(failed, response);
            }
        });
    }
}

/// Why there is no result.
enum Failure {
    /// Nothing to use.
    Absent(Absent),
    Socket {
        error: SocketError,
        /// Whose it is.
        label: String,
    },
}

impl Failure {
    /// As uWSGI raises it; a line of the log says more where there is more to say.
    fn raise(self, py: Py<'_>, text: &str) -> Raised {
        match self {
            Self::Absent(Absent::Busy) => crate::start_response::unavailable(py, Absent::Busy),
            Self::Socket { error, label } => {
                if error.is_unusual() {
                    log_line(&format!("[uwsgi-websocket] {label} {error}"));
                }
                py.raise(Exception::OSError, text)
            }
            Self::Absent(Absent::Over) => py.raise(Exception::OSError, text),
        }
    }
}

fn use_socket<R: Send>(
    py: Py<'_>,
    exchange: Option<&Exchange>,
    work: impl FnOnce(
        &mut Option<WebSocket>,
        &mut dyn uwsgi_plugin_api::Body,
        &mut dyn uwsgi_plugin_api::Response,
    ) -> Result<R, SocketError>,
) -> Result<R, Failure> {
    let exchange = exchange.ok_or(Failure::Absent(Absent::Over))?;
    let used = exchange.socket(py, |socket, body, response| {
        work(socket, body, response).map_err(|error| {
            let label = socket.as_ref().map(WebSocket::label).unwrap_or_default().to_owned();
            Failure::Socket { error, label }
        })
    });
    used.map_err(Failure::Absent).and_then(|result| result)
}

/// A text in UTF-8, or bytes as they are.
fn bytes(py: Py<'_>, argument: Ref<'_>) -> Result<Vec<u8>, Raised> {
    if argument.is_bytes() {
        return argument.bytes(py).map(<[u8]>::to_vec);
    }
    if argument.is_str() {
        return argument.utf8(py).map(|text| text.as_bytes().to_vec());
    }
    if argument.is_none() || argument.is_int() {
        return Err(py.raise(Exception::TypeError, "a bytes-like object or str is required"));
    }
    let object = argument.bytes_object(py)?;
    object.borrowed().bytes(py).map(<[u8]>::to_vec)
}
