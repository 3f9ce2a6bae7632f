//! Pairs of CGI names and values on their way into variables: the same rules for uwsgi, FastCGI and SCGI.

use crate::http1::{decimal, glue};
use crate::{Known, Name, Reject, Span, Vars, names};

/// What becomes of a variable that is no header and comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// It must have the same value.
    Equal,
    /// It must not.
    Never,
}

/// The variable that is a list: front ends send it once for each of an application's environment variables.
const LISTED: &[u8] = b"UWSGI_SETENV";

/// The pairs of one request so far.
pub(crate) struct PairStore<'a> {
    head: &'a [u8],
    vars_max: usize,
    repeated: Repeated,
    count: usize,
    length: Length,
    /// A bit for each unknown name so far, so that most of them need not be compared with the others.
    unknown: u64,
}

impl<'a> PairStore<'a> {
    /// For a request whose variables point into `head` or the scratch area.
    pub(crate) fn new(head: &'a [u8], vars_max: usize, repeated: Repeated) -> Self {
        Self { head, vars_max, repeated, count: 0, length: Length::default(), unknown: 0 }
    }

    /// Takes a pair; the name is not empty. Each comes with the place where its bytes stay.
    #[inline]
    pub(crate) fn add(
        &mut self,
        (name, name_span): (&[u8], Span),
        (value, value_span): (&[u8], Span),
        vars: &mut Vars,
    ) -> Result<(), Reject> {
        self.count += 1;
        if self.count > self.vars_max {
            return Err(Reject::new(400, "too_many_vars"));
        }
        let Some(known) = names::variable(name) else {
            return self.add_unknown(name, name_span, value_span, vars);
        };
        if known == Known::ContentLength {
            self.length.add(value);
        }
        match vars.position(known) {
            None => vars.push(Name::Known(known), value_span),
            Some(position) => self.repeat(position, Some(known), name, value_span, vars)?,
        }
        Ok(())
    }

    fn add_unknown(
        &mut self,
        name: &[u8],
        name_span: Span,
        value: Span,
        vars: &mut Vars,
    ) -> Result<(), Reject> {
        if name == b"HTTP_PROXY" {
            return Ok(());
        }
        let (first, last) = (usize::from(name[0]), usize::from(name[name.len() - 1]));
        let bit = 1 << ((name.len() * 7 + first + last * 3) % 64);
        if self.unknown & bit != 0
            && !(name == LISTED && self.repeated == Repeated::Equal)
            && let Some(position) = self.position(name, vars)
        {
            return self.repeat(position, None, name, value, vars);
        }
        self.unknown |= bit;
        vars.push(Name::Other(name_span), value);
        Ok(())
    }

    fn position(&self, name: &[u8], vars: &Vars) -> Option<usize> {
        vars.entries().iter().position(|var| match var.name {
            Name::Other(span) => vars.bytes(self.head, span) == name,
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
            vars.join(position, self.head, known.map_or(b", ", glue), value);
            return Ok(());
        }
        if self.repeated == Repeated::Never {
            return Err(Reject::new(400, "duplicate_var"));
        }
        let before = vars.bytes(self.head, vars.entries()[position].value);
        if known == Some(Known::ContentLength) {
            // Judged as numbers in the end; an empty one counts as absent.
            if before.is_empty() {
                vars.replace(position, value);
            }
            return Ok(());
        }
        if before != vars.bytes(self.head, value) {
            return Err(Reject::new(400, "conflicting_var"));
        }
        Ok(())
    }

    /// `CONTENT_LENGTH`; `None` where it is absent or empty.
    pub(crate) fn conclude(&self) -> Result<Option<u64>, Reject> {
        self.length.conclude()
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
