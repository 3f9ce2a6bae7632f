//! UTF-8 that comes in pieces.

/// Looks at a text as it comes; a character may be cut anywhere.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Utf8 {
    /// The beginning of a character whose rest is still to come.
    begun: [u8; 4],
    len: usize,
}

impl Utf8 {
    /// Takes the next bytes; false where the text can never become one.
    pub(super) fn push(&mut self, mut bytes: &[u8]) -> bool {
        while self.len > 0 {
            let Some((first, rest)) = bytes.split_first() else { return true };
            self.begun[self.len] = *first;
            self.len += 1;
            bytes = rest;
            match std::str::from_utf8(&self.begun[..self.len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_some() => return false,
                Err(_) => {}
            }
        }
        let Err(error) = std::str::from_utf8(bytes) else { return true };
        let rest = &bytes[error.valid_up_to()..];
        if error.error_len().is_some() || rest.len() >= self.begun.len() {
            return false;
        }
        self.begun[..rest.len()].copy_from_slice(rest);
        self.len = rest.len();
        true
    }

    /// True where the text does not end within a character.
    pub(super) fn is_whole(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_a_text_does_not_depend_on_how_it_is_cut(
            bytes in prop_oneof![
                any::<String>().prop_map(String::into_bytes),
                prop::collection::vec(prop::sample::select(&b"a\xc3\xa9\xe2\x82\xac\xf0\x9f\xed\xa0\xff"[..]), 0..12),
            ],
            step in 1usize..5,
        ) {
            let mut utf8 = Utf8::default();
            let good = bytes.chunks(step).all(|piece| utf8.push(piece)) && utf8.is_whole();
            prop_assert_eq!(good, std::str::from_utf8(&bytes).is_ok());
        }
    }
}
