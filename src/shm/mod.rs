//! What the processes of one generation share: one mapping, made before its first fork.
//!
//! Atomics only, and a single writer for each field, named in its doc; so no field needs a lock and a
//! process that dies at any instruction leaves nothing locked. Who reads may see a counter that is one
//! request old, never a torn value.
//!
//! Deliberately absent: locks across processes, and anything of variable size but [`Document`].

mod apps;
mod arena;
mod board;
mod cluster;
mod core;
mod document;
mod seq_bytes;
mod sites;
mod worker;

pub use apps::{APPS_COUNTED_MAX, AppCounters, AppList};
pub use board::{Board, Header, PLACES_PER_WORKER, PlaceId};
pub use cluster::{ClusterBoard, ClusterEnd, ClusterMemory, RunningOptions, StagedOptions};
pub use core::{CoreSlot, CoreTotals};
pub use document::{DOCUMENT_BYTES_MAX, Document};
pub use seq_bytes::{AtomicWord, SeqBytes};
pub use sites::{Served, SiteFigures, SiteSlot, SitesBoard};
pub use worker::{ProcessSlot, WorkerSlot};
