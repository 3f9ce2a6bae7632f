//! Addresses, listeners, connections, reactor, turnstile, deadlines, buffers.

pub mod claim;
pub mod connection;
pub mod handover;
pub mod hub;
pub mod input;
pub mod peer;
pub mod reactor;
pub mod spill;
pub mod table;
pub mod turnstile;
pub mod upload;
