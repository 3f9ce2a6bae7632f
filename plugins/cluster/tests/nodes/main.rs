//! Nodes with real sockets on loopback: threads of this process, each with an instance that only pretends.

#![allow(unreachable_pub)] // a test binary has no outside
#![allow(clippy::unwrap_used)] // panicking is how a test fails

mod support;

mod changes;
mod compat;
mod membership;
mod refusals;
