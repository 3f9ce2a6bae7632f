//! Log sinks and the request line.
