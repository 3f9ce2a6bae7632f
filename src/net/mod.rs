//! Addresses, listeners, connections, reactor, turnstile, deadlines, buffers.

pub mod address;
pub mod claim;
pub mod connection;
pub mod handover;
pub mod hub;
pub mod inherit;
pub mod input;
pub mod listen;
pub mod peer;
pub mod reactor;
mod socket_file;
pub mod spill;
pub mod table;
pub mod systemd;
pub mod turnstile;
pub mod upload;
