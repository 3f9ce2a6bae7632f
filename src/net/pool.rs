//! Memory of connections that need none: an idle connection holds no buffer.

use parking_lot::Mutex;
use uwsgi_protocol::Vars;

use super::connection::Connection;

/// Bytes that a read asks for at least, and the size of a fresh input buffer.
pub(super) const READ_BYTES: usize = 8 * 1024;

/// Memory that an idle connection does not need, reused by the next one that does. One for all threads of a
/// worker: the thread that parks a connection is seldom the one that reads the next.
#[derive(Default)]
pub struct Pool(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    inputs: Vec<Vec<u8>>,
    #[expect(clippy::vec_box, reason = "the boxes themselves are lent to connections")]
    vars: Vec<Box<Vars>>,
}

impl Pool {
    const KEPT_MAX: usize = 256;

    pub(super) fn input(&self) -> Vec<u8> {
        let kept = self.0.lock().inputs.pop();
        kept.unwrap_or_else(|| vec![0; READ_BYTES])
    }

    pub(super) fn vars(&self) -> Box<Vars> {
        let kept = self.0.lock().vars.pop();
        kept.unwrap_or_default()
    }

    /// Takes what the connection does not need while it waits.
    pub fn reclaim(&self, connection: &mut Connection) {
        if let Some(memory) = connection.input.release() {
            let mut kept = self.0.lock();
            // Grown ones are given back to the allocator: they served an exception.
            if memory.len() == READ_BYTES && kept.inputs.len() < Self::KEPT_MAX {
                kept.inputs.push(memory);
            }
            if let Some(vars) = connection.vars.take()
                && kept.vars.len() < Self::KEPT_MAX
            {
                kept.vars.push(vars);
            }
        }
    }
}
