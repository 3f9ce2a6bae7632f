//! Records of other requests that came between those of the one that is served (FastCGI, 3.3: a connection may be
//! multiplexed). They wait until it is their turn; of a request that sends too much meanwhile, nothing is kept.

use uwsgi_protocol::fastcgi::{self, ProtocolStatus};

/// Bytes that wait for their turn on one connection.
const BYTES_MAX: usize = 256 * 1024;
/// Requests of one connection that are turned away at a time; whatever more there are is left without an answer.
const TURNED_AWAY_MAX: usize = 32;

/// See the module. Costs nothing while it is empty.
#[derive(Debug, Default)]
pub struct Foreign {
    records: Vec<u8>,
    turned_away: Vec<u16>,
}

impl Foreign {
    /// Keeps one whole record.
    pub fn keep(&mut self, record: &[u8]) {
        let Some(id) = request_id(record) else { return };
        if self.turned_away.contains(&id) {
            return;
        }
        if self.records.len() + record.len() <= BYTES_MAX {
            return self.records.extend_from_slice(record);
        }
        self.forget(id);
        if id != 0 && self.turned_away.len() < TURNED_AWAY_MAX {
            self.turned_away.push(id);
        }
    }

    fn forget(&mut self, id: u16) {
        let mut kept = Vec::new();
        let mut rest = &self.records[..];
        while let Some(len) = fastcgi::record_len(rest).filter(|len| *len <= rest.len()) {
            let (record, next) = rest.split_at(len);
            if request_id(record) != Some(id) {
                kept.extend_from_slice(record);
            }
            rest = next;
        }
        self.records = kept;
    }

    /// True where nothing waits.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.turned_away.is_empty()
    }

    /// What waited, in the order in which it came, and what those are told that did not find room.
    pub fn take(&mut self) -> (Vec<u8>, Vec<u8>) {
        let answers = self.turned_away.drain(..);
        let answers =
            answers.flat_map(|id| fastcgi::end_request(id, 0, ProtocolStatus::Overloaded));
        let answers = answers.collect();
        (std::mem::take(&mut self.records), answers)
    }
}

fn request_id(record: &[u8]) -> Option<u16> {
    Some(fastcgi::Header::read(record).ok()??.id)
}
