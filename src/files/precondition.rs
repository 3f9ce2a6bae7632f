//! Conditions of requests, in the order of RFC 9110, 13.2.2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What a client knows of a file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions<'a> {
    /// `If-Match`.
    pub matches: Option<&'a [u8]>,
    /// `If-Unmodified-Since`.
    pub unmodified_since: Option<&'a [u8]>,
    /// `If-None-Match`.
    pub none_match: Option<&'a [u8]>,
    /// `If-Modified-Since`.
    pub modified_since: Option<&'a [u8]>,
    /// `If-Range`.
    pub range: Option<&'a [u8]>,
}

/// What they ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The file.
    Send,
    /// 304: the client has it.
    NotModified,
    /// 412.
    Failed,
}

impl Conditions<'_> {
    /// What becomes of a GET or HEAD of a file with this validator and time.
    pub fn verdict(&self, etag: &str, modified: SystemTime) -> Verdict {
        let seconds = seconds(modified);
        let later = |header: &[u8]| date(header).is_some_and(|date| seconds > date);
        let failed = match (self.matches, self.unmodified_since) {
            (Some(list), _) => !lists(list, etag, true),
            (None, Some(header)) => later(header),
            (None, None) => false,
        };
        if failed {
            return Verdict::Failed;
        }
        let known = match (self.none_match, self.modified_since) {
            (Some(list), _) => lists(list, etag, false),
            (None, Some(header)) => date(header).is_some_and(|date| seconds <= date),
            (None, None) => false,
        };
        if known { Verdict::NotModified } else { Verdict::Send }
    }

    /// Whether a range of the file is of the one that the client has parts of (RFC 9110, 13.1.5).
    pub fn range_counts(&self, etag: &str, modified: SystemTime) -> bool {
        match self.range {
            None => true,
            Some(header) if header.starts_with(b"\"") => header == etag.as_bytes(),
            // A weak one never matches, a date exactly.
            Some(header) => date(header) == Some(seconds(modified)),
        }
    }
}

/// Whether a list of entity tags has this one; a strong comparison knows no weak tags.
fn lists(list: &[u8], etag: &str, strong: bool) -> bool {
    let list = list.trim_ascii();
    if list == b"*" {
        return true;
    }
    // Tags have no commas here; one that has is not ours.
    list.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).any(|tag| {
        let bare = tag.strip_prefix(b"W/");
        match bare {
            Some(bare) => !strong && bare == etag.as_bytes(),
            None => tag == etag.as_bytes(),
        }
    })
}

fn date(header: &[u8]) -> Option<u64> {
    let text = str::from_utf8(header).ok()?;
    httpdate::parse_http_date(text).ok().map(seconds)
}

/// HTTP's dates know no smaller parts.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &[u8] = b"Sun, 06 Nov 1994 08:49:36 GMT";
    const SAME: &[u8] = b"Sun, 06 Nov 1994 08:49:37 GMT";
    const NONSENSE: &[u8] = b"yesterday";

    fn changed() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(784_111_777_500)
    }

    fn verdict(conditions: Conditions<'_>) -> Verdict {
        conditions.verdict("\"a\"", changed())
    }

    #[test]
    fn the_first_condition_that_counts_decides() {
        let none = Conditions::default();
        assert_eq!(verdict(none), Verdict::Send);
        for (list, known) in [
            (&b"\"a\""[..], true),
            (b"\"b\", W/\"a\"", true),
            (b"*", true),
            (b"\"b\"", false),
            (b"a", false),
        ] {
            let found = verdict(Conditions { none_match: Some(list), ..none });
            assert_eq!(found == Verdict::NotModified, known, "{list:?}");
        }
        for (list, fails) in
            [(&b"\"a\""[..], false), (b"W/\"a\"", true), (b"*", false), (b"\"b\"", true)]
        {
            let found = verdict(Conditions { matches: Some(list), ..none });
            assert_eq!(found == Verdict::Failed, fails, "{list:?}");
        }
        let since = |header| verdict(Conditions { modified_since: Some(header), ..none });
        assert_eq!(
            [since(BEFORE), since(SAME), since(NONSENSE)],
            [Verdict::Send, Verdict::NotModified, Verdict::Send]
        );
        let until = |header| verdict(Conditions { unmodified_since: Some(header), ..none });
        assert_eq!(
            [until(BEFORE), until(SAME), until(NONSENSE)],
            [Verdict::Failed, Verdict::Send, Verdict::Send]
        );
        // A tag counts more than a time.
        let both = Conditions { none_match: Some(b"\"b\""), modified_since: Some(SAME), ..none };
        assert_eq!(verdict(both), Verdict::Send);
        let both = Conditions { matches: Some(b"\"a\""), unmodified_since: Some(BEFORE), ..none };
        assert_eq!(verdict(both), Verdict::Send);
    }

    #[test]
    fn a_range_is_of_the_same_file_or_none() {
        let counts =
            |range| Conditions { range, ..Conditions::default() }.range_counts("\"a\"", changed());
        assert!(counts(None) && counts(Some(b"\"a\"")) && counts(Some(SAME)));
        assert!(
            !counts(Some(b"\"b\""))
                && !counts(Some(b"W/\"a\""))
                && !counts(Some(BEFORE))
                && !counts(Some(NONSENSE))
        );
    }
}
