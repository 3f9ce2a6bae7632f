//! How long a request thread waits for more of a body.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use super::silence::Silence;
use crate::net::pace::Pace;
use crate::sys::{clock, socket};

/// Bounds each wait for input, and all of them by what came.
#[derive(Debug)]
pub(super) struct Patience<'a> {
    timeout: Duration,
    /// The slowest body that is waited for.
    pub(super) pace: Option<Pace>,
    /// Who is to know that it is the client that is waited for.
    pub(super) silence: Option<&'a Silence>,
    received: u64,
    waited_ms: u64,
}

impl Patience<'_> {
    /// `timeout` bounds a single wait.
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, pace: None, silence: None, received: 0, waited_ms: 0 }
    }

    /// Bounds each wait anew; returns what bounded it before.
    pub(super) fn replace(&mut self, timeout: Duration) -> Duration {
        std::mem::replace(&mut self.timeout, timeout)
    }

    /// So many bytes came.
    pub(super) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// Waits until there is input; false where none came in time.
    pub(super) fn wait(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        if self.timeout.is_zero() {
            return Ok(false);
        }
        if let Some(silence) = self.silence {
            silence.client_is_awaited();
        }
        let came = self.wait_for_input(fd);
        if let Some(silence) = self.silence {
            silence.heard();
        }
        came
    }

    fn wait_for_input(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let Some(pace) = self.pace else { return socket::wait(fd, false, self.timeout) };
        let left_ms = pace.allows_ms(self.received).saturating_sub(self.waited_ms);
        if left_ms == 0 {
            return Ok(false);
        }
        let begun_ms = clock::monotonic_ms();
        let came = socket::wait(fd, false, self.timeout.min(Duration::from_millis(left_ms)))?;
        self.waited_ms += clock::monotonic_ms().saturating_sub(begun_ms);
        Ok(came)
    }
}
