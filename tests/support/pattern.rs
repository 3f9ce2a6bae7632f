//! Log lines with holes: `<N>` stands for digits, `<*>` for anything.

/// Whether the whole `line` has the shape of `pattern`.
pub fn matches(pattern: &str, line: &str) -> bool {
    let Some(hole) = pattern.find(['<']).filter(|&at| is_hole(&pattern[at..])) else {
        return pattern == line;
    };
    let Some(rest) = line.strip_prefix(&pattern[..hole]) else { return false };
    let after = &pattern[hole + 3..];
    if pattern[hole..].starts_with("<N>") {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && matches(after, &rest[digits..])
    } else {
        (0..=rest.len()).any(|end| rest.is_char_boundary(end) && matches(after, &rest[end..]))
    }
}

fn is_hole(text: &str) -> bool {
    text.starts_with("<N>") || text.starts_with("<*>")
}

#[test]
fn holes_match_what_they_stand_for() {
    assert!(matches("a <N> b <*>.", "a 12 b anything at all."));
    assert!(!matches("a <N> b", "a x b"));
    assert!(!matches("a <N>", "a 12 trailing"));
}
