//! Header lines as variables (RFC 9112, 5; RFC 3875, 4.1.18).

use std::ops::Range;

use super::bytes::{cgi_byte, is_blank};
use super::lines::is_rigid;
use super::request_line::is_host;
use super::{Limits, Strictness, scan};
use crate::{Known, Name, Span, Vars, names};

/// One header line by its offsets in the input.
#[derive(Debug)]
pub(super) struct Field {
    name: Range<usize>,
    value: Range<usize>,
    known: Option<Known>,
    /// Where the next line begins.
    pub(super) next: usize,
}

impl Field {
    /// A line that begins at `at` and was taken apart in the slow way.
    pub(super) fn new(
        input: &[u8],
        at: usize,
        name_len: usize,
        value: Range<usize>,
        next: usize,
    ) -> Self {
        let name = at..at + name_len;
        Self { known: names::header(&input[name.clone()]), name, value, next }
    }
}

/// The line at `at`, if it is complete and right in every way; the slow way finds out about all others.
#[inline]
pub(super) fn locate(input: &[u8], at: usize, limits: &Limits) -> Option<Field> {
    let colon = scan::name_end(input, at)?;
    if input[colon] != b':' {
        return None;
    }
    let name = &input[at..colon];
    let known = names::header(name);
    if known.is_none() && (name.is_empty() || name.iter().any(|byte| cgi_byte(*byte) == 0)) {
        return None;
    }
    let mut start = colon + 1;
    while input.get(start).copied().is_some_and(is_blank) {
        start += 1;
    }
    let line_end = scan::value_end(input, start)?;
    if line_end - at > limits.field_bytes_max || !input[line_end..].starts_with(b"\r\n") {
        return None;
    }
    let mut end = line_end;
    while end > start && is_blank(input[end - 1]) {
        end -= 1;
    }
    Some(Field { name: at..colon, value: start..end, known, next: line_end + 2 })
}

/// What the header lines say beyond their variables.
#[derive(Debug)]
pub(super) struct Fields {
    count: usize,
    hosts: usize,
    host_is_bad: bool,
    /// Of an absolute target: takes the place of Host.
    authority: Option<Span>,
    strictness: Strictness,
    /// A bit for each unknown name so far, so that most of them need not be compared with the others.
    unknown: u64,
}

impl Fields {
    pub(super) fn new(authority: Option<Span>, strictness: Strictness) -> Self {
        Self { count: 0, hosts: 0, host_is_bad: false, authority, strictness, unknown: 0 }
    }

    /// Header lines so far, dropped ones included.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Header lines named Host.
    pub(super) fn hosts(&self) -> usize {
        self.hosts
    }

    /// One of them is not `host[:port]`.
    pub(super) fn host_is_bad(&self) -> bool {
        self.host_is_bad
    }

    /// The authority of an absolute target.
    pub(super) fn authority(&self) -> Option<Span> {
        self.authority
    }

    #[inline]
    pub(super) fn store(&mut self, field: &Field, input: &[u8], vars: &mut Vars) {
        self.count += 1;
        let Range { start, end } = field.value;
        let value = Span::head(start, end - start);
        match field.known {
            None => self.store_unknown(&input[field.name.clone()], value, input, vars),
            Some(Known::Host) => {
                self.hosts += 1;
                self.host_is_bad |= !is_host(&input[start..end]);
                store_known(Known::Host, self.authority.unwrap_or(value), input, vars);
            }
            Some(known) => store_known(known, value, input, vars),
        }
    }

    fn store_unknown(&mut self, name: &[u8], value: Span, input: &[u8], vars: &mut Vars) {
        // See `HeadDecoder::decode` for why these are dropped.
        if name.contains(&b'_') {
            match self.strictness.forgives().then(|| underscored(name)) {
                None | Some(Underscored::Dropped) => return,
                Some(Underscored::Known(known)) => return store_known(known, value, input, vars),
                Some(Underscored::Other) => {}
            }
        } else if name.eq_ignore_ascii_case(b"proxy") {
            return;
        }
        let (first, last) = (cgi_byte(name[0]), cgi_byte(name[name.len() - 1]));
        let bit = 1 << ((name.len() * 7 + usize::from(first) + usize::from(last) * 3) % 64);
        if self.unknown & bit != 0
            && let Some(position) = position(name, input, vars)
        {
            return vars.join(position, input, b", ", value);
        }
        self.unknown |= bit;
        let name = vars.stash_with(|out| {
            out.extend_from_slice(PREFIX);
            out.extend(name.iter().map(|byte| cgi_byte(*byte)));
        });
        vars.push(Name::Other(name), value);
    }
}

#[inline]
fn store_known(known: Known, value: Span, input: &[u8], vars: &mut Vars) {
    match vars.position(known) {
        None => vars.push(Name::Known(known), value),
        Some(position) => vars.join(position, input, glue(known), value),
    }
}

/// What a name with `_` in it stands for, where that is forgiven.
enum Underscored {
    /// It would pose as a header that frames the message or routes it.
    Dropped,
    Known(Known),
    Other,
}

#[cold]
fn underscored(name: &[u8]) -> Underscored {
    let dashed: Vec<u8> =
        name.iter().map(|byte| if *byte == b'_' { b'-' } else { *byte }).collect();
    match names::header(&dashed) {
        _ if is_rigid(&dashed) => Underscored::Dropped,
        Some(known) => Underscored::Known(known),
        None => Underscored::Other,
    }
}

/// Adds more of its value to the header of that name, which was stored last (RFC 9112, 5.2).
#[cold]
pub(super) fn fold(name: &[u8], more: Span, input: &[u8], vars: &mut Vars) {
    let known = names::header(name).or_else(|| match underscored(name) {
        Underscored::Known(known) => Some(known),
        _ => None,
    });
    let position = match known {
        Some(known) => vars.position(known),
        None => position(name, input, vars),
    };
    // There is none where the header was dropped.
    if let Some(position) = position {
        let glue = if vars.entries()[position].value.is_empty() { &b""[..] } else { b" " };
        vars.join(position, input, glue, more);
    }
}

const PREFIX: &[u8] = b"HTTP_";

/// Position of the variable that an unknown header became.
fn position(name: &[u8], input: &[u8], vars: &Vars) -> Option<usize> {
    let is_same = |variable: &[u8]| {
        variable.len() == PREFIX.len() + name.len()
            && variable[PREFIX.len()..].iter().zip(name).all(|(cgi, byte)| *cgi == cgi_byte(*byte))
    };
    vars.entries().iter().position(|var| match var.name {
        Name::Other(span) => is_same(vars.bytes(input, span)),
        Name::Known(_) => false,
    })
}

/// What joins the values of a repeated header (RFC 9110, 5.3; for cookies RFC 9113, 8.2.3).
pub(crate) fn glue(known: Known) -> &'static [u8] {
    if known == Known::Cookie { b"; " } else { b", " }
}
