//! Mongrel2: its requests, and the answers to them, over ZeroMQ.
#![deny(unsafe_code)]

pub mod json;
