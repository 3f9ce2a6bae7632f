//! System calls and nearly all `unsafe`: process, signal, epoll, socket, mmap, privileges, clock.

pub mod allowance;
pub mod capabilities;
pub mod channel;
pub mod clock;
pub mod command;
pub mod environment;
pub mod epoll;
pub mod handover;
pub mod listen;
pub mod machine;
pub mod memory;
pub mod mount;
pub mod namespace;
pub mod notify;
pub mod privileges;
pub mod process;
pub mod random;
pub mod refork;
pub mod signal;
pub mod socket;
pub mod spawn;
pub mod time;
pub mod title;
pub mod watch;
pub mod will;
