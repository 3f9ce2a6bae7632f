//! Addresses, listeners, connections, reactor, turnstile, deadlines, buffers.

pub mod address;
pub mod claim;
pub mod coding;
pub mod connection;
pub mod decode;
mod doors;
mod foreign;
pub mod front;
pub mod hub;
pub mod inherit;
pub mod input;
pub mod leaving;
pub mod listen;
pub mod origin;
pub mod pace;
mod parcel;
pub mod peer;
pub mod pool;
pub mod reactor;
mod refuse;
pub mod rescue;
pub mod socket_file;
pub mod spill;
pub mod systemd;
pub mod table;
pub mod turnstile;
pub mod upload;
