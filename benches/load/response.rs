//! Just enough of HTTP to see where a response ends and whether it is a good one.

pub enum Progress {
    Incomplete,
    Malformed,
    /// Everything is there; `good` for a status of 2xx, `close` where the server will close.
    Complete {
        good: bool,
        close: bool,
    },
}

/// Where a response that was read so far stands by its own framing.
pub fn progress(input: &[u8]) -> Progress {
    let Some(head) = input.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Progress::Incomplete;
    };
    let (head, body) = (&input[..head], &input[head + 4..]);
    let Some(good) = is_good(head) else { return Progress::Malformed };
    let close =
        value(head, b"connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    let whole = if let Some(length) = value(head, b"content-length") {
        let length = std::str::from_utf8(length).ok().and_then(|text| text.parse::<usize>().ok());
        let Some(length) = length else { return Progress::Malformed };
        body.len() >= length
    } else if value(head, b"transfer-encoding").is_some() {
        // The cases' bodies do not contain what ends a chunked one.
        body.ends_with(b"0\r\n\r\n")
    } else {
        false // ends with the connection
    };
    if whole { Progress::Complete { good, close } } else { Progress::Incomplete }
}

/// The verdict on a response that ended with its connection; `None` where it is cut.
pub fn at_end(input: &[u8]) -> Option<bool> {
    let head = input.windows(4).position(|window| window == b"\r\n\r\n")?;
    match progress(input) {
        Progress::Complete { good, .. } => Some(good),
        _ if value(&input[..head], b"content-length").is_some() => None,
        _ if value(&input[..head], b"transfer-encoding").is_some() => None,
        _ => is_good(&input[..head]),
    }
}

/// The status of a response whose first line is there.
pub fn status(input: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(input.get(9..12)?).ok()?;
    text.parse().ok()
}

fn is_good(head: &[u8]) -> Option<bool> {
    let rest = head.strip_prefix(b"HTTP/1.1 ").or_else(|| head.strip_prefix(b"HTTP/1.0 "))?;
    Some(rest.first() == Some(&b'2'))
}

fn value<'a>(head: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    head.split(|&byte| byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        line[..colon].eq_ignore_ascii_case(name).then(|| line[colon + 1..].trim_ascii())
    })
}
