//! What a client takes, by its own word (RFC 9110, 12.5): forms of an error's text, and content codings.

use super::bytes::{list, trim};

/// Media ranges that are looked at; nobody needs more to say what he reads.
const RANGES_MAX: usize = 32;

/// The form of an error's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// `text/plain`: whoever does not say what he reads.
    #[default]
    Text,
    /// `text/html`: browsers.
    Html,
    /// `application/problem+json` (RFC 9457): programs.
    Json,
}

impl Form {
    /// The one that the value of an `Accept` header likes best; of those that it likes as much, the first. Ranges such
    /// as `*/*` say nothing.
    pub fn wanted(accept: &[u8]) -> Self {
        // What nearly everybody sends, without a look at the rest.
        match accept {
            b"" | b"*/*" => return Self::Text,
            _ if accept.starts_with(b"text/html,") => return Self::Html,
            _ => {}
        }
        let mut best = (0, Self::Text);
        for range in list(accept).take(RANGES_MAX) {
            let (name, weight) = weighed(range);
            if let Some(form) = Self::of_type(name)
                && weight > best.0
            {
                best = (weight, form);
            }
        }
        best.1
    }

    fn of_type(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let suffix = |suffix: &[u8]| {
            let start = name.len().checked_sub(suffix.len())?;
            name[start..].eq_ignore_ascii_case(suffix).then_some(())
        };
        if is("text/html") || is("application/xhtml+xml") {
            Some(Self::Html)
        } else if is("application/json") || suffix(b"+json").is_some() {
            Some(Self::Json)
        } else if is("text/plain") {
            Some(Self::Text)
        } else {
            None
        }
    }
}

/// How much a client likes a content coding, in thousandths, by the value of its `Accept-Encoding`; 0 is not at all. `*`
/// speaks for those that are not named (RFC 9110, 12.5.3), and `x-gzip` is `gzip` (8.4.1.3).
pub fn coding_weight(accept_encoding: &[u8], coding: &str) -> u32 {
    let mut others = 0;
    for element in list(accept_encoding) {
        let (name, weight) = weighed(element);
        let name = if name.eq_ignore_ascii_case(b"x-gzip") { b"gzip" } else { name };
        if name.eq_ignore_ascii_case(coding.as_bytes()) {
            return weight;
        }
        if name == b"*" {
            others = weight;
        }
    }
    others
}

/// The first header of this name in the bytes of a head, however malformed that is. Nothing but the text of a refusal
/// may depend on it.
pub fn sought<'a>(head: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut lines = head.split(|byte| *byte == b'\n').skip(1);
    lines.find_map(|line| {
        let (before, value) = line.split_at_checked(name.len())?;
        before.eq_ignore_ascii_case(name.as_bytes()).then_some(())?;
        Some(trim(value.strip_prefix(b":")?.strip_suffix(b"\r").unwrap_or(&value[1..])))
    })
}

/// What an element of such a list names, and its weight in thousandths; a malformed weight is none.
fn weighed(element: &[u8]) -> (&[u8], u32) {
    let mut parts = element.split(|byte| *byte == b';').map(trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix(b"q=").or(part.strip_prefix(b"Q=")));
    (name, quality.map_or(1000, |value| thousandths(value).unwrap_or(0)))
}

fn thousandths(value: &[u8]) -> Option<u32> {
    let (whole, fraction) = match value {
        [whole] => (whole, &b""[..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    let digit = |byte: &u8| byte.is_ascii_digit().then(|| u32::from(byte - b'0'));
    let mut sum = digit(whole)?.min(1) * 1000;
    for (byte, place) in fraction.iter().zip([100, 10, 1]) {
        sum += digit(byte)? * place;
    }
    Some(sum.min(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_in_a_broken_head() {
        let head = b"GET  / HTTP/1.1\r\nHost:a\r\n bad\nACCEPT:  text/html \r\naccept: x\n";
        assert_eq!(sought(head, "accept"), Some(&b"text/html"[..]));
        assert_eq!(sought(head, "host"), Some(&b"a"[..]));
        for (head, name) in [(&b"accept: a"[..], "accept"), (b"\nacceptx: a", "accept"), (b"", "a")]
        {
            assert_eq!(sought(head, name), None);
        }
        assert_eq!(sought(b"\nA:\n", "a"), Some(&b""[..]));
    }

    #[test]
    fn clients_get_what_they_ask_for() {
        let cases = [
            ("", Form::Text),
            ("*/*", Form::Text),
            ("image/webp,*/*;q=0.8", Form::Text),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Form::Html),
            ("Text/HTML", Form::Html),
            ("application/json", Form::Json),
            ("application/json, text/plain, */*", Form::Json),
            ("application/problem+json", Form::Json),
            ("application/vnd.api+json; charset=utf-8", Form::Json),
            ("text/html;q=0.5, application/json;q=0.9", Form::Json),
            ("text/html;level=1;q=0.9, application/json;q=0.5", Form::Html),
            ("application/json;q=0", Form::Text),
            ("application/json;q=0, text/html;q=0.001", Form::Html),
            ("application/json;q=2, text/html;q=0.9", Form::Json),
            ("application/json;q=, text/html;q=0.1", Form::Html),
            ("application/json;q=x, text/html;q=0.1", Form::Html),
            ("application/json;q=0.1234, text/html;q=0.1", Form::Html),
            ("application/json;q=1.000, text/html", Form::Json),
            (",;,=,q=1", Form::Text),
            ("+json", Form::Json),
        ];
        for (accept, want) in cases {
            assert_eq!(Form::wanted(accept.as_bytes()), want, "{accept}");
        }
        let far = format!("{}application/json", "a/b,".repeat(RANGES_MAX));
        assert_eq!(Form::wanted(far.as_bytes()), Form::Text);
    }

    #[test]
    fn who_accepts_gzip() {
        let takes_gzip = |accept: &str| coding_weight(accept.as_bytes(), "gzip") > 0;
        for accept in [
            "gzip",
            "GZip",
            "br, gzip",
            "gzip;q=0.5",
            "x-gzip",
            "*",
            "br;q=0, *",
            "gzip ; q=1, *;q=0",
        ] {
            assert!(takes_gzip(accept), "{accept}");
        }
        for accept in [
            "",
            "br",
            "gzip;q=0",
            "gzip; q=0.000",
            "*;q=0",
            "*, gzip;q=0",
            "gzipped",
            "identity",
            "gzip;q=x",
        ] {
            assert!(!takes_gzip(accept), "{accept}");
        }
    }
}
