//! Request record, body, response writer: one request from its decoded head to its log line.

pub mod answer;
mod begun;
pub mod body;
pub mod cell;
pub mod dress;
mod exchange;
mod fate;
mod fault;
pub mod figures;
mod file_answer;
mod gzip;
mod internal;
mod outgoing;
mod patience;
mod perform;
mod raw;
pub mod record;
pub mod serve;
pub mod shared;
pub mod silence;
mod static_file;
mod stream_records;
mod wish;
