//! Header lines as variables (RFC 9112, 5; RFC 3875, 4.1.18).

use super::bytes::{cgi_byte, is_blank};
use super::request_line::is_host;
use super::{Limits, scan};
use crate::{Known, Name, Span, Vars, names};

/// One header line by its offsets in the input.
#[derive(Debug)]
pub(super) struct Field {
    name: (usize, usize),
    value: (usize, usize),
    known: Option<Known>,
    /// Where the next line begins.
    pub(super) next: usize,
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
    if line_end - at > limits.line_bytes_max || !input[line_end..].starts_with(b"\r\n") {
        return None;
    }
    let mut end = line_end;
    while end > start && is_blank(input[end - 1]) {
        end -= 1;
    }
    Some(Field { name: (at, colon), value: (start, end), known, next: line_end + 2 })
}

/// What the header lines say beyond their variables.
#[derive(Debug)]
pub(super) struct Fields {
    count: usize,
    hosts: usize,
    host_is_bad: bool,
    /// Of an absolute target: takes the place of Host.
    authority: Option<Span>,
    /// A bit for each unknown name so far, so that most of them need not be compared with the others.
    unknown: u64,
}

impl Fields {
    pub(super) fn new(authority: Option<Span>) -> Self {
        Self { count: 0, hosts: 0, host_is_bad: false, authority, unknown: 0 }
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
        let (start, end) = field.value;
        let mut value = Span::head(start, end - start);
        match field.known {
            None => self.store_unknown(&input[field.name.0..field.name.1], value, input, vars),
            Some(known) => {
                if known == Known::Host {
                    self.hosts += 1;
                    self.host_is_bad |= !is_host(&input[start..end]);
                    value = self.authority.unwrap_or(value);
                }
                match vars.position(known) {
                    None => vars.push(Name::Known(known), value),
                    Some(position) => vars.join(position, input, glue(known), value),
                }
            }
        }
    }

    fn store_unknown(&mut self, name: &[u8], value: Span, input: &[u8], vars: &mut Vars) {
        // See `HeadDecoder::decode` for why these are dropped.
        if name.contains(&b'_') || name.eq_ignore_ascii_case(b"proxy") {
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
