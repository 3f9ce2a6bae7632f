//! How fast bytes for a client go to Mongrel2, which holds what the client has not read.
//!
//! With `download.flow_control` Mongrel2 grants credits and tells of each message that was written. Without, it cuts the
//! client off that lets sixteen messages wait, and says nothing before: then small pieces of a fast answer are put together,
//! so that messages are few and far between.

use std::time::{Duration, Instant};

/// Messages that Mongrel2 keeps for a client, less one for the end.
const OUTSTANDING_MAX: u32 = 14;
/// Messages that may go at once to a client without flow control.
const BURST: u32 = 6;
/// Pause between the messages after those.
pub(crate) const PACE: Duration = Duration::from_millis(10);
/// Largest message.
const MESSAGE_BYTES_MAX: usize = 512 * 1024;
/// Bytes that may wait for credits or the next message before the worker has to.
const HELD_BYTES_MAX: usize = 512 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Bytes that Mongrel2 takes; `None` without flow control.
    credits: Option<u64>,
    /// Messages that were not written yet, with flow control.
    outstanding: u32,
    /// Messages that were sent.
    sent: u32,
    /// The next one is not due before.
    due: Option<Instant>,
    /// Bytes that wait.
    held: Vec<u8>,
    /// Nothing follows them; the client's connection closes then, or not.
    ended: Option<bool>,
}

impl Flow {
    /// For another request. `credits`: as Mongrel2 granted them with it.
    pub(crate) fn begin(&mut self, credits: Option<u64>) {
        self.held.clear();
        let held = std::mem::take(&mut self.held);
        *self = Self { credits, held, ..Self::default() };
    }

    /// Bytes for the client are appended here.
    pub(crate) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.held
    }

    /// Nothing follows what is held. `closes`: but the end of the client's connection.
    pub(crate) fn end(&mut self, closes: bool) {
        self.ended = Some(closes);
    }

    /// Mongrel2 has written a message and takes so many bytes more.
    pub(crate) fn grant(&mut self, bytes: u64) {
        self.credits = self.credits.map(|credits| credits.saturating_add(bytes));
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// True where the worker has to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.held.len() >= HELD_BYTES_MAX
    }

    /// True where Mongrel2 has to say something first.
    pub(crate) fn waits_for_credits(&self) -> bool {
        self.credits.is_some() && !self.held.is_empty()
    }

    /// When the next message may go, where only time is missing.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due.filter(|_| !self.held.is_empty() && self.credits.is_none())
    }

    /// How many of the held bytes may go now as a message.
    pub(crate) fn next(&self, now: Instant) -> Option<usize> {
        let held = self.held.len().min(MESSAGE_BYTES_MAX);
        match self.credits {
            _ if held == 0 => None,
            Some(0) => None,
            Some(_) if self.outstanding >= OUTSTANDING_MAX => None,
            Some(credits) => Some(held.min(usize::try_from(credits).unwrap_or(usize::MAX))),
            None if self.ended.is_some() && held == self.held.len() => Some(held),
            // Also where there is enough for a large one: Mongrel2 counts messages, not bytes.
            None => self.due.is_none_or(|due| due <= now).then_some(held),
        }
    }

    /// The first bytes of what is held.
    pub(crate) fn message(&self, len: usize) -> &[u8] {
        &self.held[..len]
    }

    /// They were sent.
    pub(crate) fn sent(&mut self, len: usize, now: Instant) {
        self.held.drain(..len);
        self.credits = self.credits.map(|credits| credits.saturating_sub(len as u64));
        self.outstanding += 1;
        self.sent += 1;
        self.due = (self.sent >= BURST).then_some(now + PACE);
    }

    /// How the client's connection ends, once everything is sent.
    pub(crate) fn is_over(&self) -> Option<bool> {
        self.ended.filter(|_| self.held.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credits_are_kept_to() {
        let now = Instant::now();
        let mut flow = Flow::default();
        flow.begin(Some(10));
        flow.bytes().extend_from_slice(&[b'x'; 25]);
        assert_eq!(flow.next(now), Some(10));
        flow.sent(10, now);
        assert_eq!((flow.next(now), flow.waits_for_credits()), (None, true));
        flow.grant(10);
        assert_eq!(flow.next(now), Some(10));
        flow.sent(10, now);
        flow.end(true);
        assert_eq!(flow.is_over(), None);
        flow.grant(10);
        assert_eq!(flow.next(now), Some(5));
        flow.sent(5, now);
        assert_eq!(flow.is_over(), Some(true));
    }

    #[test]
    fn messages_are_few_with_and_without_credits() {
        let now = Instant::now();
        for (credits, most) in [(Some(u64::MAX), OUTSTANDING_MAX), (None, BURST)] {
            let mut flow = Flow::default();
            flow.begin(credits);
            let mut messages = 0;
            for _ in 0..100 {
                flow.bytes().push(b'x');
                while let Some(len) = flow.next(now) {
                    flow.sent(len, now);
                    messages += 1;
                }
            }
            assert_eq!(messages, most, "{credits:?}");
        }
    }

    #[test]
    fn a_pause_makes_the_next_message() {
        let now = Instant::now();
        let mut flow = Flow::default();
        flow.begin(None);
        for _ in 0..BURST {
            flow.bytes().push(b'x');
            flow.sent(1, now);
        }
        flow.bytes().push(b'x');
        assert_eq!((flow.next(now), flow.due()), (None, Some(now + PACE)));
        assert_eq!(flow.next(now + PACE), Some(1));
        flow.end(false);
        assert_eq!(flow.next(now), Some(1), "the end does not wait");
    }
}
