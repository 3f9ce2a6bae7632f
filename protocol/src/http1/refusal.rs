//! Answers to requests that reach no application.

/// The interim answer to `Expect: 100-continue` (RFC 9110, 10.1.1 and 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A complete answer for a request that reaches no application; closes the connection.
pub fn error_response(status: u16) -> Vec<u8> {
    let reason = reason(status);
    // uWSGI's body of a failed application has no status in it, and people match it.
    let body = match status {
        500 => reason.to_owned(),
        _ => format!("{status} {reason}\n"),
    };
    let length = body.len();
    format!(
        "HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: text/plain\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// RFC 9110, 15; RFC 6585.
pub fn reason(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        417 => "Expectation Failed",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ if status < 500 => "Client Error",
        _ => "Server Error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_complete() {
        for status in [400, 408, 413, 414, 417, 431, 500, 501, 503, 504, 505] {
            let answer = String::from_utf8(error_response(status)).expect("ASCII");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
            assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
            assert!(!head.contains("Error") || status == 500, "{head}");
        }
    }
}
