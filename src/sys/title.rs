//! The command line that `ps` shows (`auto-procname`).
//!
//! The kernel shows the memory its start-up arguments were copied to; a title is written there, cut to
//! their length. uWSGI also uses the environment's memory behind it; pointers into that are too many.

#![allow(unsafe_code)]

use std::fs;
use std::ptr;

/// Where the arguments are.
struct Area {
    start: usize,
    length: usize,
}

/// Shows `title` as the command line of this process. `std::env::args` reads the same memory: take what
/// is needed of it before. Call it from one thread. Does nothing where `/proc` is not
/// mounted.
pub fn set(title: &str) {
    let Some(area) = find() else { return };
    // The last byte stays zero: without it the kernel takes what follows for the rest of the title.
    let shown = title.bytes().take(area.length - 1).chain(std::iter::repeat(0)).take(area.length);
    for (at, byte) in shown.enumerate() {
        // SAFETY: the kernel says that the arguments are at these addresses of this process; they are on
        // the main thread's stack above every frame, writable, and stay for the life of the process. The
        // pointer is made from an address because nobody has a Rust object there.
        unsafe { ptr::with_exposed_provenance_mut::<u8>(area.start + at).write_volatile(byte) };
    }
}

/// Fields 48 and 49 of `stat`: first and last address of the arguments.
fn find() -> Option<Area> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // Field 2, the name, may hold spaces and parentheses; fields are counted from behind it.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields =
        fields.split_ascii_whitespace().skip(45).map(|field| field.parse::<usize>().ok());
    let start = fields.next()??;
    let length = fields.next()??.checked_sub(start)?;
    (start > 0 && length > 1).then_some(Area { start, length })
}
