//! Log sinks and the request line.

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes one line to the log; a line break is added. In one piece, so that lines of several processes
/// do not mix.
pub fn line(text: Arguments<'_>) {
    // A log that cannot be written to must not stop the service.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}
