//! Clusters of instances: nodes that know of each other, share a configuration, change it one after the other and agree on
//! one leader; and the bare multicast cluster of uWSGI 0.9.8 to 1.4 (`cluster-compat`, protocol reference section 6).
//!
//! The node of an instance is a gateway, a process of its own. Everything that decides is pure, with time and messages
//! from outside: [`node`] and what it is made of. Only `run` and `sockets` wait and send.
#![forbid(unsafe_code)]

pub mod compat;
pub mod election;
#[doc(hidden)]
pub mod fuzzing;
pub mod id;
pub mod membership;
pub mod node;
pub mod options;
pub mod roll;
pub mod seal;
#[cfg(test)]
mod simulation;
pub mod transfer;
pub mod wire;
