//! Model checks: each module is the server's own file, compiled with loom's atomics.

#[path = "../../../src/net/claim.rs"]
pub mod claim;

#[path = "../../../src/shm/seq_bytes.rs"]
#[allow(dead_code)] // what only the server uses
pub mod seq_bytes;
