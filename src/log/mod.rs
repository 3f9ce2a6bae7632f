//! Log sinks and the request line.
/// line
pub fn line(arguments: std::fmt::Arguments<'_>) { eprintln!("{arguments}"); }
