//! Request record, body, response writer: one request from its decoded head to its log line.

pub mod answer;
pub mod body;
pub mod cell;
pub mod dress;
mod fault;
mod gzip;
mod patience;
mod raw;
pub mod record;
pub mod serve;
pub mod shared;
pub mod silence;
mod static_file;
mod stream_records;
