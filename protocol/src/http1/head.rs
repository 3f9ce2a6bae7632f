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

use super::fields::{self, Field, Fields};
use super::lines::{self, Before, Line, Part};
use super::request_line::{self, RequestLine, TOO_LONG};
use super::{Head, Limits, framing};
use crate::{Reject, Span, Vars};

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
    /// What the last one was.
    before: Before,
}

/// What a pass over the input came to.
enum Pass {
    Complete(Head),
    /// The line at that offset is not complete; that many header lines precede it.
    Incomplete {
        line: usize,
        headers: usize,
        before: Before,
    },
}

impl HeadDecoder {
    /// Decodes the head at the start of `input` into `vars` (cleared first); `Ok(None)` asks for more bytes.
    /// `input` must begin with the bytes of the earlier calls. After `Some` or an error the decoder is as new.
    /// `vars` means something only after `Some`.
    ///
    /// Names with `_` are dropped, because `X_A` and `X-A` would become the same variable, and so is `Proxy`,
    /// because many clients take `HTTP_PROXY` for their own configuration; [`super::Strictness::Compat`] forgives the
    /// former. `CONNECT` and `OPTIONS *` have an empty
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
        let start = empty_line(input, limits);
        let end = start.saturating_add(limits.head_bytes_max);
        let window = &input[..input.len().min(end)];
        if !self.resumed || self.check_new_lines(window, start, limits)? {
            match pass(window, start, limits, vars)? {
                Pass::Complete(head) => return Ok(Some(head)),
                Pass::Incomplete { line, headers, before } => {
                    *self = Self { resumed: true, line, scanned: line, headers, before };
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
                header_line(rest, scanned, limits)?
            };
            let Some(Line { text, len }) = line else {
                self.scanned = self.line + lines::scanned(rest);
                return Ok(false);
            };
            if is_request_line {
                RequestLine::parse(text)?;
            } else if text.is_empty() {
                return Ok(true);
            } else if let Part::Field { name_len, .. } =
                lines::field(text, self.before, limits.strictness)?
            {
                self.headers += 1;
                self.before = Before::field(&text[..name_len]);
                check_count(self.headers, limits)?;
            }
            self.line += len;
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

/// Bytes of the empty line at the start of `input`; 0 where there is none.
fn empty_line(input: &[u8], limits: &Limits) -> usize {
    match input {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] if limits.strictness.forgives() => 1,
        _ => 0,
    }
}

fn header_line<'a>(
    rest: &'a [u8],
    scanned: usize,
    limits: &Limits,
) -> Result<Option<Line<'a>>, Reject> {
    lines::line(rest, scanned, limits.field_bytes_max, LINE_TOO_LONG, limits.strictness)
}

/// Decodes all there is.
fn pass(input: &[u8], start: usize, limits: &Limits, vars: &mut Vars) -> Result<Pass, Reject> {
    vars.clear();
    let Some(Line { text, len }) = request_line::take(&input[start..], 0, limits)? else {
        return Ok(Pass::Incomplete { line: start, headers: 0, before: Before::RequestLine });
    };
    let request = RequestLine::parse(text)?;
    request.store(text, start, limits.keeps_slashes, vars);
    let mut fields = Fields::new(request.authority(start), limits.strictness);
    let (mut at, mut last) = (start + len, start);
    loop {
        let mut end = None;
        if let [b'\r', b'\n', ..] = input[at..] {
            end = Some(at + 2);
        } else if let Some(field) = fields::locate(input, at, limits) {
            fields.store(&field, input, vars);
            check_count(fields.count(), limits)?;
            (at, last) = (field.next, at);
        } else {
            let before = before(&input[last..at], fields.count());
            match odd_line(input, at, before, limits)? {
                Odd::Incomplete => {
                    return Ok(Pass::Incomplete { line: at, headers: fields.count(), before });
                }
                Odd::End(next) => end = Some(next),
                Odd::Field(field) => {
                    fields.store(&field, input, vars);
                    check_count(fields.count(), limits)?;
                    (at, last) = (field.next, at);
                }
                Odd::Fold { value, next } => {
                    fields::fold(lines::name(&input[last..at]), value, input, vars);
                    at = next;
                }
            }
        }
        if let Some(end) = end {
            let head = framing::conclude(input, end, &request, &fields, limits.strictness, vars)?;
            return Ok(Pass::Complete(head));
        }
    }
}

/// What stands before a line: `lines` begins with the last header line, if there was any.
#[cold]
fn before(lines: &[u8], headers: usize) -> Before {
    if headers == 0 { Before::RequestLine } else { Before::field(lines::name(lines)) }
}

/// A line that is not plain and complete. Offsets are those of the input.
enum Odd {
    /// More is to come.
    Incomplete,
    /// It is empty; the head ends there.
    End(usize),
    /// It is forgiven.
    Field(Field),
    /// It goes on with the value before it.
    Fold { value: Span, next: usize },
}

/// The slow way knows that more is to come, what is wrong with a line, or what is forgiven.
#[cold]
fn odd_line(input: &[u8], at: usize, before: Before, limits: &Limits) -> Result<Odd, Reject> {
    let Some(Line { text, len }) = header_line(&input[at..], 0, limits)? else {
        return Ok(Odd::Incomplete);
    };
    let next = at + len;
    if text.is_empty() {
        return Ok(Odd::End(next));
    }
    Ok(match lines::field(text, before, limits.strictness)? {
        Part::Field { name_len, value } => {
            let value = at + value.start..at + value.end;
            Odd::Field(Field::new(input, at, name_len, value, next))
        }
        Part::Fold(value) => Odd::Fold { value: Span::head(at + value.start, value.len()), next },
    })
}
