//! Bodies of the fuzz targets, beside the code they test; `tests/fuzz` and unit tests call them.

use std::time::Duration;

use crate::id::Life;
use crate::seal::{DATAGRAM_BYTES_MAX, Seal, SealError};
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

/// A datagram of somebody without the secret is counted and nothing else, whatever is in it; and a good one with bytes behind it or in its
/// place too.
pub fn datagram(input: &[u8]) {
    let node = |life| {
        let tolerance = Duration::from_secs(60);
        Seal::new(&[b"secret".to_vec()], "group", Life(life), tolerance).expect("one secret")
    };
    let (mut from, mut to) = (node(1), node(2));
    let expected =
        if input.len() > DATAGRAM_BYTES_MAX { SealError::Oversized } else { SealError::Forged };
    assert_eq!(to.open(0, input), Err(expected));
    let cut = &input[..input.len().min(64)];
    let good = from.seal(None, 0, cut);
    assert_eq!(to.open(0, &good), Ok((Life(1), cut.to_vec())), "it is the same after a refusal");
    let longer = [&*good, cut, b"x"].concat();
    assert_eq!(to.open(0, &longer), Err(SealError::Forged));
    let refused = to.refused();
    assert_eq!(refused.forged + refused.oversized, 2);
}
