//! Request record, body, response writer.
