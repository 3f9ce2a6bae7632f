//! System calls and nearly all `unsafe`: process, signal, epoll, socket, mmap, privileges, clock.

pub mod machine;
