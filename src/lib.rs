//! The server as a library: `main.rs` is its only user besides the tests.
//!
//! Rooms from the ground up; a room may use rooms above it in this list, never below.
#![deny(unsafe_code)]

#[rustfmt::skip] // the order is the architecture, not the alphabet
mod rooms {}

pub mod sys;
pub mod shm;
pub mod options;
pub mod config;
pub mod supervisor;
pub mod net;
pub mod request;
pub mod plugin;
pub mod log;
pub mod stats;
pub mod worker;
pub mod master;
pub mod control;
