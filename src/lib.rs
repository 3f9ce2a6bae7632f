//! The server as a library: `main.rs` is its only user besides the tests.
//!
//! Rooms from the ground up; a room may use rooms above it in this list, never below
//! (`docs/ARCHITECTURE.md`; checked by `tests/architecture.rs`).
#![deny(unsafe_code)]

// The order is the architecture, not the alphabet: one item a block keeps rustfmt from sorting them.
pub mod sys;

pub mod log;

pub mod shm;

pub mod options;

pub mod config;

pub mod lint;

pub mod explain;

pub mod supervisor;

pub mod hooks;

pub mod isolation;

pub mod files;

pub mod errors;

pub mod net;

pub mod request;

pub mod plugin;

pub mod stats;

pub mod control;

pub mod worker;

pub mod master;

pub mod server;

pub mod cli;
