//! Incremental decoder of request heads (RFC 9112, 2).
//!
//! A head that came whole (nearly all do) is decoded in one pass. Of one that comes in pieces, each new line is
//! checked once when it is complete, and the pass is made when the empty line is there: nothing is stored between
//! the calls, the work is linear, and a fault is answered as soon as its bytes are there.
//!
//! How the bytes were cut into reads never changes the answer: both ways judge lines by the same rules, in the
//! order of the bytes, within the same window.
//!
//! ```text
//!   input:  | CRLF? | head_bytes_max ......................... | not looked at |
//!                   ^ start    ^ line   ^ scanned
//!           start <= line <= scanned <= input.len()
//! ```

use super::fields::{self, Fields};
use super::lines::{self, bad, line};
use super::request_line::{self, RequestLine, TOO_LONG};
use super::{Head, Limits, framing};
use crate::{Reject, Vars};

/// A header line over its limit.
const LINE_TOO_LONG: Reject = Reject::new(431, "line_too_long");

/// Incremental decoder of request heads; one for each connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct HeadDecoder {
    /// An earlier call saw the beginning of this head.
    resumed: bool,
    /// Start of the first line that is not checked yet.
    line: usize,
    /// Bytes before this offset do not end that line.
    scanned: usize,
    /// Header lines checked so far.
    headers: usize,
}

/// What a pass over the input came to.
enum Pass {
    Complete(Head),
    /// The line at that offset is not complete; that many header lines precede it.
    Incomplete {
        line: usize,
        headers: usize,
    },
}

impl HeadDecoder {
    /// Decodes the head at the start of `input` into `vars` (cleared first); `Ok(None)` asks for more bytes.
    /// `input` must begin with the bytes of the earlier calls. After `Some` or an error the decoder is as new.
    /// `vars` means something only after `Some`.
    ///
    /// Names with `_` are dropped, because `X_A` and `X-A` would become the same variable, and so is `Proxy`,
    /// because many clients take `HTTP_PROXY` for their own configuration. `CONNECT` and `OPTIONS *` have an empty
    /// `PATH_INFO`; the target is in `REQUEST_URI`.
    ///
    /// # Errors
    /// A [`Reject`] with the status to answer before the connection is closed.
    pub fn decode(
        &mut self,
        input: &[u8],
        limits: &Limits,
        vars: &mut Vars,
    ) -> Result<Option<Head>, Reject> {
        let outcome = self.advance(input, limits, vars);
        if !matches!(outcome, Ok(None)) {
            *self = Self::default();
        }
        outcome
    }

    fn advance(
        &mut self,
        input: &[u8],
        limits: &Limits,
        vars: &mut Vars,
    ) -> Result<Option<Head>, Reject> {
        // RFC 9112, 2.2: one empty line before the request line is skipped.
        let start: usize = if input.starts_with(b"\r\n") { 2 } else { 0 };
        let end = start.saturating_add(limits.head_bytes_max);
        let window = &input[..input.len().min(end)];
        if !self.resumed || self.check_new_lines(window, start, limits)? {
            match pass(window, start, limits, vars)? {
                Pass::Complete(head) => return Ok(Some(head)),
                Pass::Incomplete { line, headers } => {
                    *self = Self { resumed: true, line, scanned: line, headers };
                }
            }
        }
        if input.len() < end {
            return Ok(None);
        }
        Err(if self.line == start { TOO_LONG } else { Reject::new(431, "headers_too_big") })
    }

    /// Checks the lines that were completed since the last call; true where the empty line is among them.
    fn check_new_lines(
        &mut self,
        window: &[u8],
        start: usize,
        limits: &Limits,
    ) -> Result<bool, Reject> {
        if self.line < start {
            (self.line, self.scanned) = (start, start);
        }
        loop {
            let rest = &window[self.line..];
            let scanned = self.scanned - self.line;
            let is_request_line = self.line == start;
            let line = if is_request_line {
                request_line::take(rest, scanned, limits)?
            } else {
                line(rest, scanned, limits.line_bytes_max, LINE_TOO_LONG)?
            };
            let Some(line) = line else {
                self.scanned = self.line + lines::scanned(rest);
                return Ok(false);
            };
            if is_request_line {
                RequestLine::parse(line)?;
            } else if line.is_empty() {
                return Ok(true);
            } else {
                lines::field(line, self.headers == 0)?;
                self.headers += 1;
                check_count(self.headers, limits)?;
            }
            self.line += line.len() + 2;
            self.scanned = self.line;
        }
    }
}

fn check_count(headers: usize, limits: &Limits) -> Result<(), Reject> {
    if headers > limits.headers_max {
        return Err(Reject::new(431, "too_many_headers"));
    }
    Ok(())
}

/// Decodes all there is.
fn pass(input: &[u8], start: usize, limits: &Limits, vars: &mut Vars) -> Result<Pass, Reject> {
    vars.clear();
    let Some(text) = request_line::take(&input[start..], 0, limits)? else {
        return Ok(Pass::Incomplete { line: start, headers: 0 });
    };
    let request = RequestLine::parse(text)?;
    request.store(text, start, vars);
    let mut fields = Fields::new(request.authority(start));
    let mut at = start + text.len() + 2;
    loop {
        if let [b'\r', b'\n', ..] = input[at..] {
            let head = framing::conclude(input, at + 2, &request, &fields, vars)?;
            return Ok(Pass::Complete(head));
        }
        let Some(field) = fields::locate(input, at, limits) else {
            // Not a plain complete line: the slow way knows that more is to come, or what is wrong with it.
            let headers = fields.count();
            let Some(line) = line(&input[at..], 0, limits.line_bytes_max, LINE_TOO_LONG)? else {
                return Ok(Pass::Incomplete { line: at, headers });
            };
            lines::field(line, headers == 0)?;
            return Err(bad("bad_header"));
        };
        fields.store(&field, input, vars);
        check_count(fields.count(), limits)?;
        at = field.next;
    }
}
