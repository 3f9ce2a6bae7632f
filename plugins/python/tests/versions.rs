//! The plugin on every Python.
fn main() {}
