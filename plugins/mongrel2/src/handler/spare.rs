//! Memory of requests that are over, for the next ones.

use crate::answer::Answer;
use crate::flow::Flow;

/// See the module.
#[derive(Default)]
pub(super) struct Spare {
    answers: Vec<(Answer, Flow)>,
    records: Vec<Vec<u8>>,
}

impl Spare {
    /// So many requests may come at once and need no new memory.
    const REQUESTS_MAX: usize = 64;
    /// Memory of larger ones is given back.
    const BYTES_MAX: usize = 16 * 1024;

    pub(super) fn keep_answer(&mut self, answer: Answer, flow: Flow) {
        if self.answers.len() < Self::REQUESTS_MAX && flow.memory() <= Self::BYTES_MAX {
            self.answers.push((answer, flow));
        }
    }

    pub(super) fn keep_records(&mut self, mut records: Vec<u8>) {
        if self.records.len() < Self::REQUESTS_MAX && records.capacity() <= Self::BYTES_MAX {
            records.clear();
            self.records.push(records);
        }
    }

    pub(super) fn take_records(&mut self) -> Vec<u8> {
        self.records.pop().unwrap_or_else(|| Vec::with_capacity(2_048))
    }

    pub(super) fn take_answer(&mut self) -> (Answer, Flow) {
        self.answers.pop().unwrap_or_default()
    }
}
