//! What becomes of a connection after an answer.

use uwsgi_plugin_api::{Listener, WireProtocol};

use super::answer::Sent;

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Keep,
    Close,
    /// The client may still be sending: read on for a while, so that it sees the answer.
    Linger,
    /// The answer is incomplete and the protocol has no other way to say so.
    Reset,
}

/// How a connection ends that cannot be kept. `unread`: the client sent, or may still be sending, what nobody will read.
/// Closing then would make the kernel reset the connection, and the client could lose the answer.
pub(super) fn end_of(unread: bool, sealed: bool, sent: &Sent, listener: &Listener) -> Fate {
    if sent.error.is_some() {
        return Fate::Close;
    }
    let front = !matches!(listener.protocol, WireProtocol::Http);
    if sent.aborted && sealed && sent.body_bytes > 0 && front {
        return Fate::Reset;
    }
    if unread { Fate::Linger } else { Fate::Close }
}
