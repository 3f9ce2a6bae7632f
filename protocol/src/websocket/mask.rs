//! The mask of clients' frames (RFC 6455, 5.3).

/// Takes the mask off bytes that lie `offset` bytes behind the beginning of their frame's payload.
pub(super) fn unmask(bytes: &mut [u8], mask: [u8; 4], offset: usize) {
    let mut here = mask;
    here.rotate_left(offset % 4);
    let word = u64::from_ne_bytes([
        here[0], here[1], here[2], here[3], here[0], here[1], here[2], here[3],
    ]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for chunk in words {
        *chunk = (u64::from_ne_bytes(*chunk) ^ word).to_ne_bytes();
    }
    for (at, byte) in rest.iter_mut().enumerate() {
        *byte ^= here[at % 4];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_its_own_part_of_the_mask() {
        let mask = [1, 2, 4, 8];
        for len in 0..40 {
            for cut in 0..=len {
                let mut bytes = vec![0; len];
                let (first, second) = bytes.split_at_mut(cut);
                unmask(first, mask, 0);
                unmask(second, mask, cut);
                let expected: Vec<u8> = (0..len).map(|at| mask[at % 4]).collect();
                assert_eq!(bytes, expected, "{len} bytes, cut at {cut}");
            }
        }
    }
}
