//! What the server tells where no application answers: pages of the configuration, and names of requests.
//!
//! The bytes of an answer are made by the codec (`http1::Refusal`). Nothing is sent here.

mod id;
mod pages;

pub use id::{Counter, ID_BYTES_MAX, RequestId};
pub use pages::{PageError, Pages};

use uwsgi_protocol::http1::{Form, Refusal};

use crate::sys::random;

/// The errors of one worker.
#[derive(Debug)]
pub struct Errors {
    pages: Pages,
    /// In the ids that this worker makes, and in no other's.
    seed: u64,
    /// `request-id`: requests that are answered by the application have one too.
    pub named: bool,
}

impl Errors {
    /// Called by the process that will use it: each has ids of its own.
    pub fn new(pages: Pages, named: bool) -> Self {
        Self { pages, named, seed: random::number() }
    }

    /// The id of a request that nobody else has named.
    pub fn id(&self, counter: Counter, count: u64) -> RequestId<'static> {
        RequestId::made(self.seed, counter, count)
    }

    /// An answer with this status, for a client that reads this.
    pub fn refusal<'a>(&'a self, status: u16, form: Form, id: &'a str) -> Refusal<'a> {
        Refusal { form, page: self.pages.of(status), ..Refusal::plain(status, id) }
    }
}
