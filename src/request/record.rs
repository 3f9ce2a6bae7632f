//! What is remembered of a request: its log line and its counters.

use std::sync::atomic::Ordering;

use uwsgi_plugin_api::{CoreId, Known, Listener, Outcome, VarsView};
use uwsgi_protocol::http1::ResponseEncoder;

use super::answer::Sent;
use super::serve::{Begun, Shared};
use crate::net::peer::Peer;
use crate::shm::CoreSlot;

/// Where a request was served.
pub struct Facts<'a> {
    /// The worker.
    pub shared: &'a Shared,
    /// The core.
    pub core: CoreId,
    /// Its variables.
    pub vars: VarsView<'a>,
    /// The socket it came in by.
    pub listener: &'a Listener,
    /// Who sent it.
    pub peer: &'a Peer,
}

/// Updates the core's counters; this thread is their only writer.
pub fn count(slot: &CoreSlot, sent: &Sent, outcome: &Outcome, head_bytes: u64, duration_us: u64) {
    slot.end(duration_us, sent.body_bytes + head_bytes);
    let add = |counter: &std::sync::atomic::AtomicU64, yes: bool| {
        if yes {
            counter.store(counter.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        }
    };
    add(&slot.exceptions, outcome.exception);
    add(&slot.write_errors, sent.error.is_some());
}

/// x
pub fn write(_f:&Facts<'_>,_e:&ResponseEncoder,_s:&Sent,_o:&Outcome,_b:&Begun,_d:u64,_l:&mut Vec<u8>){}
