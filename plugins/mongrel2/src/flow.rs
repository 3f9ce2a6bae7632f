//! How fast bytes for a client go to Mongrel2, which holds what the client has not read.
//!
//! With `download.flow_control` Mongrel2 grants credits and tells of each message that was written. Without, it cuts the
//! client off that lets sixteen messages wait, and says nothing before, also where it was only too busy to write them. Then
//! messages are few: the first ones go at once, later ones when they are large, or when there was time to write the others.

use std::time::{Duration, Instant};

/// Messages that Mongrel2 keeps for a client, less some for the end.
const OUTSTANDING_MAX: u32 = 14;
/// With fewer messages than this in store, only large ones go at once.
const STORE_LOW: u32 = 8;
/// In this time Mongrel2 has written a message, without flow control.
pub(crate) const PACE: Duration = Duration::from_millis(40);
/// Largest message, and so the most that may wait for credits or the next message before the worker has to.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The same where Mongrel2 says how much it takes: more would only wait there.
const HELD_BYTES_MAX: usize = 256 * 1024;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    /// Bytes that Mongrel2 takes; `None` without flow control.
    credits: Option<u64>,
    /// Messages that were not written yet; without flow control an estimate, as of `counted`.
    outstanding: u32,
    counted: Option<Instant>,
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

    /// Bytes of memory that it holds.
    pub(crate) fn memory(&self) -> usize {
        self.held.capacity()
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
        if let Some(credits) = &mut self.credits {
            *credits = credits.saturating_add(bytes);
            self.outstanding = self.outstanding.saturating_sub(1);
        }
    }

    /// The client of a WebSocket has sent something: who talks also listens, so that one more of the messages for it was
    /// written. A conversation does not have to keep the pace of a download.
    pub(crate) fn heard(&mut self) {
        if self.credits.is_none() {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
    }

    /// True where the worker has to wait.
    pub(crate) fn is_full(&self) -> bool {
        let most = if self.credits.is_some() { HELD_BYTES_MAX } else { MESSAGE_BYTES_MAX };
        self.held.len() >= most
    }

    /// True where Mongrel2 has to say something first.
    pub(crate) fn waits_for_credits(&self) -> bool {
        self.credits.is_some() && !self.held.is_empty()
    }

    /// When the next message may go, where only time is missing.
    pub(crate) fn due(&self) -> Option<Instant> {
        let counted = self.counted.filter(|_| !self.held.is_empty() && self.credits.is_none());
        counted.map(|counted| counted + PACE)
    }

    /// How many of the held bytes may go now as a message.
    pub(crate) fn next(&mut self, now: Instant) -> Option<usize> {
        let held = self.held.len().min(MESSAGE_BYTES_MAX);
        if held == 0 {
            return None;
        }
        if let Some(credits) = self.credits {
            let some = credits > 0 && self.outstanding < OUTSTANDING_MAX;
            return some.then(|| held.min(usize::try_from(credits).unwrap_or(usize::MAX)));
        }
        self.assume_written(now);
        let large = held == MESSAGE_BYTES_MAX || self.ended.is_some();
        let most = if large { OUTSTANDING_MAX } else { STORE_LOW };
        (self.outstanding < most).then_some(held)
    }

    /// Without flow control only time tells that something was written.
    fn assume_written(&mut self, now: Instant) {
        while let Some(counted) = self.counted.filter(|counted| now >= *counted + PACE) {
            self.outstanding = self.outstanding.saturating_sub(1);
            self.counted = (self.outstanding > 0).then_some(counted + PACE);
        }
    }

    /// The first bytes of what is held.
    pub(crate) fn message(&self, len: usize) -> &[u8] {
        &self.held[..len]
    }

    /// They were sent.
    pub(crate) fn sent(&mut self, len: usize, now: Instant) {
        self.held.drain(..len);
        self.outstanding += 1;
        match &mut self.credits {
            Some(credits) => *credits = credits.saturating_sub(len as u64),
            None => drop(self.counted.get_or_insert(now)),
        }
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

    /// How many messages a hundred small writes become. `heard`: the client speaks before each.
    fn messages(credits: Option<u64>, heard: bool) -> u32 {
        let now = Instant::now();
        let mut flow = Flow::default();
        flow.begin(credits);
        let mut messages = 0;
        for _ in 0..100 {
            if heard {
                flow.heard();
            }
            flow.bytes().push(b'x');
            while let Some(len) = flow.next(now) {
                flow.sent(len, now);
                messages += 1;
            }
        }
        messages
    }

    #[test]
    fn messages_are_few_with_and_without_credits() {
        assert_eq!(messages(Some(u64::MAX), false), OUTSTANDING_MAX);
        assert_eq!(messages(None, false), STORE_LOW);
    }

    #[test]
    fn a_conversation_goes_on_without_pauses() {
        assert_eq!(messages(Some(u64::MAX), true), OUTSTANDING_MAX);
        assert_eq!(messages(None, true), 100);
    }

    #[test]
    fn what_is_large_or_the_end_does_not_wait_for_the_store_to_fill() {
        let now = Instant::now();
        let mut flow = Flow::default();
        flow.begin(None);
        for _ in 0..STORE_LOW {
            flow.bytes().push(b'x');
            flow.sent(1, now);
        }
        flow.bytes().push(b'x');
        assert_eq!((flow.next(now), flow.due()), (None, Some(now + PACE)));
        assert_eq!(flow.next(now + PACE), Some(1), "one was written meanwhile");
        flow.sent(1, now + PACE);
        flow.bytes().resize(MESSAGE_BYTES_MAX, b'x');
        assert_eq!(flow.next(now + PACE), Some(MESSAGE_BYTES_MAX));
        flow.bytes().truncate(1);
        flow.end(false);
        assert_eq!(flow.next(now + PACE), Some(1));
        let rested = now + 1_000 * PACE;
        flow.next(rested);
        assert_eq!((flow.outstanding, flow.due()), (0, None));
    }
}
