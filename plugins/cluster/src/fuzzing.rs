//! Bodies of the fuzz targets, beside the code they test; `tests/fuzz` and unit tests call them.

use crate::wire::Message;

/// Bytes as a message: where they are one, it is these bytes again.
///
/// # Panics
/// Where a property does not hold; so do the others.
pub fn message(input: &[u8]) {
    if let Ok(message) = Message::decode(input) {
        assert_eq!(message.encode().as_deref(), Ok(input));
    }
}
