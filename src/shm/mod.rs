//! What the processes of one instance share: one anonymous mapping, made before the first fork.
//!
//! Atomics only, and a single writer for each field, named in its doc; so no field needs a lock and a
//! process that dies at any instruction leaves nothing locked. Who reads may see a counter that is one
//! request old, never a torn value.
//!
//! Deliberately absent: locks across processes, and anything of variable size.

mod arena;
mod board;
mod core;
mod seq_bytes;
mod worker;

pub use board::{Board, Header};
pub use core::CoreSlot;
pub use seq_bytes::{AtomicWord, SeqBytes};
pub use worker::WorkerSlot;
