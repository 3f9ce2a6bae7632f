//! Which bytes of a file are asked for (RFC 9110, 14).

/// Parts of one answer. Clients that want more get the whole file.
const PARTS_MAX: usize = 16;

/// One stretch: its first byte, and how many there are, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Offset of the first byte.
    pub start: u64,
    /// Bytes.
    pub len: u64,
}

/// What `Range` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranges {
    /// The whole file: there is no range, or none that is to be honoured.
    Whole,
    /// These parts, one at least.
    Parts(Vec<Part>),
    /// 416: nothing that the file has.
    None,
}

/// Reads the header for a file of `size` bytes.
pub fn ranges(header: &[u8], size: u64) -> Ranges {
    let text = str::from_utf8(header).unwrap_or_default();
    let Some((unit, list)) = text.split_once('=') else { return Ranges::Whole };
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return Ranges::Whole;
    }
    let mut parts = Vec::new();
    let mut specs = 0;
    for spec in list.split(',').map(str::trim).filter(|spec| !spec.is_empty()) {
        specs += 1;
        match part(spec, size) {
            _ if specs > PARTS_MAX => return Ranges::Whole,
            None => return Ranges::Whole,
            Some(Some(part)) => parts.push(part),
            Some(None) => {}
        }
    }
    let asked: u64 = parts.iter().fold(0, |sum, part: &Part| sum.saturating_add(part.len));
    match parts.is_empty() {
        _ if specs == 0 => Ranges::Whole,
        true => Ranges::None,
        // Parts that overlap would make an answer larger than the file (RFC 9110, 14.2).
        false if parts.len() > 1 && asked > size => Ranges::Whole,
        false => Ranges::Parts(parts),
    }
}

/// `None` for what is no range; `Some(None)` for one that the file has not got.
fn part(spec: &str, size: u64) -> Option<Option<Part>> {
    let (first, last) = spec.split_once('-')?;
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        // One that does not fit is beyond every file.
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    if first.is_empty() {
        let len = number(last)?.min(size);
        return Some((len > 0).then(|| Part { start: size - len, len }));
    }
    let start = number(first)?;
    let last = if last.is_empty() { u64::MAX } else { number(last)? };
    if last < start {
        return None;
    }
    Some((start < size).then(|| Part { start, len: last.min(size - 1) - start + 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_what_they_ask_for() {
        let one = |start, len| Ranges::Parts(vec![Part { start, len }]);
        for (header, wanted) in [
            ("bytes=0-0", one(0, 1)),
            ("bytes=1-3", one(1, 3)),
            ("Bytes = 5-", one(5, 5)),
            ("bytes=-3", one(7, 3)),
            ("bytes=-30", one(0, 10)),
            ("bytes=9-99999999999999999999999", one(9, 1)),
            ("bytes=10-", Ranges::None),
            ("bytes=-0", Ranges::None),
            ("bytes=3-1", Ranges::Whole),
            ("bytes=", Ranges::Whole),
            ("bytes=a-b", Ranges::Whole),
            ("bytes=+1-2", Ranges::Whole),
            ("lines=1-2", Ranges::Whole),
            ("nonsense", Ranges::Whole),
            ("bytes=0-8, 1-9", Ranges::Whole),
        ] {
            assert_eq!(ranges(header.as_bytes(), 10), wanted, "{header}");
        }
        let several = ranges(b"bytes=0-1, 20-, -2", 10);
        let parts = vec![Part { start: 0, len: 2 }, Part { start: 8, len: 2 }];
        assert_eq!(several, Ranges::Parts(parts));
        let many = (0..40).map(|at| format!("{at}-{at},")).collect::<String>();
        assert_eq!(ranges(format!("bytes={many}").as_bytes(), 1_000), Ranges::Whole);
        assert_eq!(ranges(b"bytes=0-", 0), Ranges::None);
    }
}
