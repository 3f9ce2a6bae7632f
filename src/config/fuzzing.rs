//! Bodies of the fuzz targets, beside the code they test; `tests/fuzz` and `tests/configuration` call them.
//!
//! The properties: no text panics the reader or keeps it busy without end, whatever is found has a place inside
//! the text, and reading twice gives the same. Nothing is opened and nothing is run.

use super::format::Format;
use super::read::read_text;
use super::{Mark, finish};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// A format by number, for a fuzzer's bytes.
fn format(number: u8) -> Format {
    Format::ALL[usize::from(number) % Format::ALL.len()]
}

/// A configuration file of the format that `number` stands for.
///
/// # Panics
/// Where a property does not hold.
pub fn file(registry: &Registry, machine: &Machine, number: u8, text: &[u8]) {
    let read = || read_text(registry, machine, format(number), text);
    let reading = read();
    // %t and %T are the time.
    if !text.windows(2).any(|pair| pair.eq_ignore_ascii_case(b"%t")) {
        assert!(reading.directives == read().directives, "reading twice gives the same");
    }
    let problems = match finish(reading, registry, machine) {
        Ok((_, problems)) | Err(problems) => problems,
    };
    for Mark { file, at, length } in problems.iter().filter_map(|problem| problem.mark.as_ref()) {
        let lines = file.text.split('\n').count();
        assert!(at.line >= 1 && at.line as usize <= lines, "{at:?} of {lines} lines");
        assert!(at.column >= 1 && *length >= 1, "{at:?} {length}");
    }
}
