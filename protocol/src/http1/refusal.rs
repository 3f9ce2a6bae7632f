//! Answers of the server itself, to requests that no application answers.

use super::accept::Form;

/// The interim answer to `Expect: 100-continue` (RFC 9110, 10.1.1 and 15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An error as the server tells it.
///
/// | form | body |
/// |---|---|
/// | text | `404 Not Found`; of a 500 the reason alone, as uWSGI has it |
/// | HTML | a page of a few words with the request's id, or the one of the configuration |
/// | JSON | a problem (RFC 9457) with the request's id |
#[derive(Clone, Copy, Debug)]
pub struct Refusal<'a> {
    /// 400 to 599.
    pub status: u16,
    /// What the client reads.
    pub form: Form,
    /// The class of the fault, where there is something to tell.
    pub detail: Option<&'static str>,
    /// The request's id: letters, digits and marks that mean nothing in HTML and JSON.
    pub id: &'a str,
    /// The page of the configuration. It is for whoever does not prefer JSON, as in uWSGI.
    pub page: Option<&'a [u8]>,
}

impl Refusal<'_> {
    /// An answer with a text and nothing else.
    pub fn plain(status: u16, id: &str) -> Refusal<'_> {
        Refusal { status, form: Form::Text, detail: None, id, page: None }
    }

    /// The status as it stands in a head, such as `404 Not Found`.
    pub fn status_line(&self) -> String {
        format!("{} {}", self.status, reason(self.status))
    }

    /// What belongs into the head besides the length of the body.
    pub fn headers(&self) -> [(&'static str, &str); 3] {
        let content_type = match (self.form, self.page) {
            (Form::Json, _) => "application/problem+json",
            (Form::Text, None) => "text/plain",
            (Form::Html, _) | (Form::Text, Some(_)) => "text/html",
        };
        [("Content-Type", content_type), ("Vary", "Accept"), ("X-Request-Id", self.id)]
    }

    /// The body.
    pub fn body(&self) -> Vec<u8> {
        let (status, title, id) = (self.status, reason(self.status), self.id);
        match (self.form, self.page) {
            (Form::Text | Form::Html, Some(page)) => return page.to_vec(),
            // uWSGI's body of a failed application has no status in it, and people match it.
            (Form::Text, None) if status == 500 => title.to_owned(),
            (Form::Text, None) => format!("{status} {title}\n"),
            (Form::Html, None) => format!(
                "<!DOCTYPE html>\n<title>{status} {title}</title>\n<h1>{status} {title}</h1>\n<p>Request {id}\n"
            ),
            (Form::Json, _) => {
                let detail = match self.detail {
                    Some(detail) => format!(r#""detail":"{}","#, detail.replace('_', " ")),
                    None => String::new(),
                };
                format!(
                    r#"{{"type":"about:blank","title":"{title}","status":{status},{detail}"request_id":"{id}"}}"#
                )
            }
        }
        .into_bytes()
    }

    /// All of it as HTTP, for an answer after which the connection closes. `date` is the value of `Date` (empty for
    /// none); the answer to HEAD has no body.
    pub fn whole(&self, date: &[u8], is_head: bool) -> Vec<u8> {
        let body = self.body();
        let mut out = Vec::with_capacity(body.len() + 256);
        let mut line = |parts: &[&[u8]]| {
            parts.iter().for_each(|part| out.extend_from_slice(part));
            out.extend_from_slice(b"\r\n");
        };
        line(&[b"HTTP/1.1 ", self.status_line().as_bytes()]);
        if !date.is_empty() {
            line(&[b"Date: ", date]);
        }
        line(&[b"Connection: close"]);
        for (name, value) in self.headers() {
            line(&[name.as_bytes(), b": ", value.as_bytes()]);
        }
        line(&[b"Content-Length: ", body.len().to_string().as_bytes()]);
        line(&[]);
        if !is_head {
            out.extend_from_slice(&body);
        }
        out
    }
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

    fn parts(answer: Vec<u8>) -> (String, String) {
        let answer = String::from_utf8(answer).expect("ASCII");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        (head.to_owned(), body.to_owned())
    }

    #[test]
    fn a_refusal_is_complete() {
        for status in [400, 408, 413, 414, 417, 431, 500, 501, 503, 504, 505] {
            for form in [Form::Text, Form::Html, Form::Json] {
                let refusal = Refusal { form, ..Refusal::plain(status, "id") };
                let (head, body) = parts(refusal.whole(b"now", false));
                assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
                assert!(head.contains("\r\nConnection: close\r\n"), "{head}");
                assert!(head.contains("\r\nX-Request-Id: id\r\n"), "{head}");
                assert!(head.contains("\r\nDate: now\r\n"), "{head}");
                assert!(head.ends_with(&format!("Content-Length: {}", body.len())), "{head}");
                assert!(!head.contains("Error") || status == 500, "{head}");
                let (of_head, none) = parts(refusal.whole(b"now", true));
                assert_eq!((of_head, none.as_str()), (head, ""));
            }
        }
    }

    #[test]
    fn each_form_has_its_body() {
        let text = |status, form, page: Option<&'static str>| {
            let page = page.map(str::as_bytes);
            let refusal =
                Refusal { form, page, detail: Some("bad_target"), ..Refusal::plain(status, "i-1") };
            let (head, body) = parts(refusal.whole(b"", false));
            let kind = head.split("Content-Type: ").nth(1).and_then(|rest| rest.lines().next());
            (kind.unwrap_or_default().to_owned(), body)
        };
        let of = |kind: &str, body: &str| (kind.to_owned(), body.to_owned());
        let problem = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":"bad target","request_id":"i-1"}"#;
        assert_eq!(text(500, Form::Text, None), of("text/plain", "Internal Server Error"));
        assert_eq!(text(404, Form::Text, None), of("text/plain", "404 Not Found\n"));
        assert_eq!(text(400, Form::Json, Some("x")), of("application/problem+json", problem));
        assert_eq!(text(400, Form::Text, Some("x")), of("text/html", "x"));
        assert_eq!(text(400, Form::Html, Some("x")), of("text/html", "x"));
        let (kind, page) = text(400, Form::Html, None);
        assert_eq!(kind, "text/html");
        assert!(page.contains("<h1>400 Bad Request</h1>") && page.contains("i-1"), "{page}");
    }
}
