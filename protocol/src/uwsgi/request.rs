//! A request: a block of pairs as variables.

use super::block::pair;
use super::{HEADER_BYTES, Head, Header, Limits, header};
use crate::http1::{decimal, glue};
use crate::{Known, Name, Reject, Span, Vars, names};

/// Decodes the packet at the start of `input` into `vars` (cleared first); `Ok(None)` asks for more bytes.
///
/// Repeated `HTTP_*` variables are joined as HTTP joins headers (uWSGI keeps the last one); other repeated ones must
/// be equal, since nobody knows which of them a front end checked. `HTTP_PROXY` is dropped: many clients take it
/// for their own configuration.
///
/// # Errors
/// A [`Reject`] where the packet can never become valid.
pub fn decode(input: &[u8], limits: &Limits, vars: &mut Vars) -> Result<Option<Head>, Reject> {
    let Some(Header { modifier1, datasize, modifier2 }) = header(input) else { return Ok(None) };
    if datasize > limits.block_bytes_max {
        return Err(Reject::new(400, "packet_too_big"));
    }
    let consumed = HEADER_BYTES + datasize;
    let Some(packet) = input.get(..consumed) else { return Ok(None) };
    vars.clear();
    let mut block = Block { packet, length: Length::default(), unknown: 0 };
    let mut rest = &packet[HEADER_BYTES..];
    let mut count = 0;
    while !rest.is_empty() {
        let (name, value, next) = pair(rest)?;
        count += 1;
        if count > limits.vars_max {
            return Err(Reject::new(400, "too_many_vars"));
        }
        block.store(name, value, consumed - next.len() - value.len(), vars)?;
        rest = next;
    }
    let content_length = block.length.conclude()?;
    Ok(Some(Head { modifier1, modifier2, consumed, content_length }))
}

/// A block on its way into variables.
struct Block<'a> {
    packet: &'a [u8],
    length: Length,
    /// A bit for each unknown name so far, so that most of them need not be compared with the others.
    unknown: u64,
}

impl Block<'_> {
    /// `at`: where the value begins in the packet. The name ends two bytes before it.
    #[inline]
    fn store(
        &mut self,
        name: &[u8],
        value: &[u8],
        at: usize,
        vars: &mut Vars,
    ) -> Result<(), Reject> {
        let span = Span::head(at, value.len());
        let Some(known) = names::variable(name) else {
            return self.store_unknown(name, span, at, vars);
        };
        if known == Known::ContentLength {
            self.length.add(value);
        }
        match vars.position(known) {
            None => vars.push(Name::Known(known), span),
            Some(position) => self.repeat(position, Some(known), name, span, vars)?,
        }
        Ok(())
    }

    fn store_unknown(
        &mut self,
        name: &[u8],
        value: Span,
        at: usize,
        vars: &mut Vars,
    ) -> Result<(), Reject> {
        if name == b"HTTP_PROXY" {
            return Ok(());
        }
        let (first, last) = (usize::from(name[0]), usize::from(name[name.len() - 1]));
        let bit = 1 << ((name.len() * 7 + first + last * 3) % 64);
        if self.unknown & bit != 0
            && let Some(position) = self.position(name, vars)
        {
            return self.repeat(position, None, name, value, vars);
        }
        self.unknown |= bit;
        vars.push(Name::Other(Span::head(at - 2 - name.len(), name.len())), value);
        Ok(())
    }

    fn position(&self, name: &[u8], vars: &Vars) -> Option<usize> {
        vars.entries().iter().position(|var| match var.name {
            Name::Other(span) => vars.bytes(self.packet, span) == name,
            Name::Known(_) => false,
        })
    }

    /// The variable at `position` came again.
    fn repeat(
        &self,
        position: usize,
        known: Option<Known>,
        name: &[u8],
        value: Span,
        vars: &mut Vars,
    ) -> Result<(), Reject> {
        if name.starts_with(b"HTTP_") {
            vars.join(position, self.packet, known.map_or(b", ", glue), value);
            return Ok(());
        }
        let before = vars.bytes(self.packet, vars.entries()[position].value);
        if known == Some(Known::ContentLength) {
            // Judged as numbers in the end; an empty one counts as absent.
            if before.is_empty() {
                vars.replace(position, value);
            }
            return Ok(());
        }
        if before != vars.bytes(self.packet, value) {
            return Err(Reject::new(400, "conflicting_var"));
        }
        Ok(())
    }
}

/// All values of `CONTENT_LENGTH`. A fault in the pairs is told before one in the numbers.
#[derive(Default)]
struct Length {
    first: Option<u64>,
    is_bad: bool,
    conflicts: bool,
}

impl Length {
    fn add(&mut self, value: &[u8]) {
        if value.is_empty() {
            return;
        }
        let number = decimal(value);
        self.is_bad |= number.is_none();
        self.conflicts |= self.first.is_some() && self.first != number;
        self.first = self.first.or(number);
    }

    fn conclude(&self) -> Result<Option<u64>, Reject> {
        if self.is_bad {
            return Err(Reject::new(400, "bad_content_length"));
        }
        if self.conflicts {
            return Err(Reject::new(400, "conflicting_content_length"));
        }
        Ok(self.first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uwsgi::encode;

    type Pairs = Vec<(String, String)>;

    fn decoded(pairs: &[(&str, &str)]) -> Result<(Option<u64>, Pairs), &'static str> {
        let pairs: Vec<_> = pairs.iter().map(|(n, v)| (n.as_bytes(), v.as_bytes())).collect();
        let mut packet = Vec::new();
        assert!(encode(0, 0, &pairs, &mut packet));
        let mut vars = Vars::default();
        let limits = Limits { block_bytes_max: 65_535, vars_max: 1_000 };
        let head = decode(&packet, &limits, &mut vars).map_err(|reject| reject.reason)?;
        let view = vars.view(&packet);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        let found = view.iter().map(|(name, value)| (text(view.name(name)), text(value))).collect();
        Ok((head.expect("complete").content_length, found))
    }

    fn owned(pairs: &[(&str, &str)]) -> Pairs {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn repeated_headers_are_joined_where_they_came_first() {
        let found = decoded(&[
            ("HTTP_X", "1"),
            ("HTTP_COOKIE", "a=1"),
            ("HTTP_X", "2"),
            ("HTTP_COOKIE", "b=2"),
            ("HTTP_X", "2"),
            ("HTTP_PROXY", "http://evil"),
        ]);
        let joined = owned(&[("HTTP_X", "1, 2, 2"), ("HTTP_COOKIE", "a=1; b=2")]);
        assert_eq!(found, Ok((None, joined)));
    }

    #[test]
    fn other_variables_may_be_repeated_only_as_they_are() {
        let same = decoded(&[("PATH_INFO", "/x"), ("K", "v"), ("PATH_INFO", "/x"), ("K", "v")]);
        assert_eq!(same, Ok((None, owned(&[("PATH_INFO", "/x"), ("K", "v")]))));
        assert_eq!(decoded(&[("PATH_INFO", "/x"), ("PATH_INFO", "/y")]), Err("conflicting_var"));
        assert_eq!(decoded(&[("K", "v"), ("K", "")]), Err("conflicting_var"));
    }

    #[test]
    fn lengths_are_compared_as_numbers() {
        let length = |values: &[&str]| {
            let pairs: Vec<_> = values.iter().map(|value| ("CONTENT_LENGTH", *value)).collect();
            decoded(&pairs)
        };
        let one = |text| owned(&[("CONTENT_LENGTH", text)]);
        assert_eq!(length(&["", "5", "05"]), Ok((Some(5), one("5"))));
        assert_eq!(length(&["", ""]), Ok((None, one(""))));
        assert_eq!(length(&["5", "6"]), Err("conflicting_content_length"));
        assert_eq!(length(&["5", "6", "x"]), Err("bad_content_length"));
    }

    #[test]
    fn variables_beyond_the_index_are_repeated_by_the_same_rules() {
        let names: Vec<String> = (0..300).map(|number| format!("K{number}")).collect();
        let mut pairs: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "v")).collect();
        pairs.extend([("HTTP_COOKIE", "a"), ("REQUEST_METHOD", "GET"), ("HTTP_COOKIE", "b")]);
        let (_, found) = decoded(&pairs).expect("valid");
        assert_eq!(found[300..], owned(&[("HTTP_COOKIE", "a; b"), ("REQUEST_METHOD", "GET")]));
        pairs.push(("REQUEST_METHOD", "POST"));
        assert_eq!(decoded(&pairs), Err("conflicting_var"));
    }
}
