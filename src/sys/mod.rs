//! System calls and nearly all `unsafe`: process, signal, epoll, socket, mmap, privileges, clock.

pub mod channel;
pub mod clock;
pub mod handover;
pub mod memory;
pub mod privileges;
pub mod process;
pub mod signal;
pub mod title;
