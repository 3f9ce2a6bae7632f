//! The times of a request.

use uwsgi_protocol::http1;

use crate::sys::clock;

/// When a request began.
pub(super) struct Begun {
    /// Monotonic microseconds.
    pub monotonic_us: u64,
    /// Unix seconds.
    pub unix_s: u64,
}

impl Begun {
    pub(super) fn now() -> Self {
        Self { monotonic_us: clock::monotonic_us(), unix_s: clock::unix_seconds() }
    }

    pub(super) fn elapsed_us(&self) -> u64 {
        clock::monotonic_us().saturating_sub(self.monotonic_us)
    }
}

/// The `Date` header, made once a second.
#[derive(Default)]
pub(super) struct Date {
    second: u64,
    text: [u8; 29],
}

impl Date {
    pub(super) fn at(&mut self, second: u64) -> &[u8] {
        if second != self.second {
            self.second = second;
            self.text = http1::http_date(second);
        }
        &self.text
    }
}
