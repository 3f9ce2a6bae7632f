//! Numbers that nobody can foresee, and that differ between processes that were forked from one another.
#![allow(unsafe_code)]

use crate::sys::clock;

/// A random number of the whole range.
pub fn number() -> u64 {
    let mut bytes = [0; size_of::<u64>()];
    // SAFETY: pointer and length describe `bytes`, which is borrowed for writing.
    let count = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    if usize::try_from(count).is_ok_and(|count| count == bytes.len()) {
        return u64::from_ne_bytes(bytes);
    }
    // Only where a filter forbids the call. Good enough to be different.
    clock::monotonic_us().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::from(std::process::id())
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_differ() {
        assert_ne!(super::number(), super::number());
    }
}
