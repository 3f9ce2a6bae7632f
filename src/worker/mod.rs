//! Life of a worker: boot, request threads, drain.

pub mod message;
