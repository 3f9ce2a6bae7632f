//! Log sinks and the request line.

use std::fmt::Arguments;

/// Writes one line to the log; a line break is added.
pub fn line(text: Arguments<'_>) {
    eprintln!("{text}");
}
