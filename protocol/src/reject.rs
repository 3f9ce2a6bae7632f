//! Why input was refused.

/// A refusal: what is answered (where the protocol has an answer) and why.
///
/// On the uwsgi protocol the status is only logged: the connection is closed without a byte, because
/// front ends rely on that to try their next upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({status})")]
pub struct Reject {
    /// HTTP status, 400 to 599.
    pub status: u16,
    /// Class of the fault, as the vectors name it (`bad_chunk_size`); static, so it can be a metric's label.
    pub reason: &'static str,
}

impl Reject {
    /// A refusal with a status and a class.
    pub const fn new(status: u16, reason: &'static str) -> Self {
        Self { status, reason }
    }
}
