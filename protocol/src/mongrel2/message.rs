//! Messages to a handler: requests, pieces of uploads, WebSocket frames and notices.

use super::tnetstring::{Item, Value, item, pair};
use super::{connection, is_sender};
use crate::Reject;

/// Limits of a message. Mongrel2 holds back what is larger than its own ones, so these are a second line.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most bytes of all that comes before the body (`buffer-size`).
    pub head_bytes_max: usize,
    /// Most bytes of the body.
    pub body_bytes_max: usize,
    /// Most headers, each value of a repeated one counted (`max-vars` / 2).
    pub fields_max: usize,
}

/// A message, in spans of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The server that sent it (its `send_ident`): letters, digits, hyphens.
    pub sender: &'a [u8],
    /// Number of the client's connection there; a kept connection keeps it, and it comes again later.
    pub id: u32,
    /// The path, not decoded; `@*` for notices. Never empty.
    pub path: &'a [u8],
    /// The headers.
    pub headers: Headers<'a>,
    /// The body.
    pub body: &'a [u8],
}

/// Headers, as the handler's entry in Mongrel2's configuration wants them (`protocol`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers<'a> {
    /// A text that should be a JSON object; not looked at.
    Json(&'a [u8]),
    /// The content of a dictionary, for [`fields`]; not looked at either.
    Tnet(&'a [u8]),
}

/// Takes a message apart.
///
/// # Errors
/// `too_few_fields`, `bad_sender`, `bad_conn_id`, `bad_path`, `bad_netstring`, `netstring_truncated`,
/// `bad_netstring_terminator`, `trailing_bytes`, `header_too_big`, `body_too_large` (413).
pub fn decode<'a>(input: &'a [u8], limits: &Limits) -> Result<Message<'a>, Reject> {
    let too_few = Reject::new(400, "too_few_fields");
    let mut fields = input.splitn(4, |byte| *byte == b' ');
    let mut field = || fields.next().ok_or(too_few);
    let (sender, id, path, rest) = (field()?, field()?, field()?, field()?);
    if !is_sender(sender) {
        return Err(Reject::new(400, "bad_sender"));
    }
    let id = connection(id).ok_or(Reject::new(400, "bad_conn_id"))?;
    if path.is_empty() {
        return Err(Reject::new(400, "bad_path"));
    }
    let (headers, rest) = item(rest)?;
    let content = headers.tagged(b",}")?;
    if input.len() - rest.len() > limits.head_bytes_max {
        return Err(Reject::new(400, "header_too_big"));
    }
    let (body, rest) = item(rest)?;
    let body = body.tagged(b",")?;
    if !rest.is_empty() {
        return Err(Reject::new(400, "trailing_bytes"));
    }
    if body.len() > limits.body_bytes_max {
        return Err(Reject::new(413, "body_too_large"));
    }
    let headers = if headers.tag == b'}' { Headers::Tnet(content) } else { Headers::Json(content) };
    Ok(Message { sender, id, path, headers, body })
}

/// Names and values of the headers in [`Headers::Tnet`], in their order. A list gives each of its strings under the
/// one name, numbers and booleans are their text. Ends with the first fault.
///
/// Upper-case names are Mongrel2's own; it writes those of clients in lower case.
pub fn fields<'a>(dict: &'a [u8], limits: &Limits) -> Fields<'a> {
    Fields { rest: dict, name: &[], values: &[], left: limits.fields_max }
}

/// Name and value of a header.
pub type Field<'a> = (&'a [u8], &'a [u8]);

/// The iterator of [`fields`]. Its errors are `too_many_vars`, `bad_header_value_type`, `tnet_odd_dict` and those of
/// netstrings.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// Of the dictionary.
    rest: &'a [u8],
    /// Whose values follow.
    name: &'a [u8],
    /// Of a list.
    values: &'a [u8],
    left: usize,
}

const BAD_VALUE: Reject = Reject::new(400, "bad_header_value_type");

impl<'a> Fields<'a> {
    #[inline]
    fn advance(&mut self) -> Result<Option<Field<'a>>, Reject> {
        while self.values.is_empty() {
            if self.rest.is_empty() {
                return Ok(None);
            }
            let (name, value, rest) = pair(self.rest)?;
            self.rest = rest;
            if value.tag != b']' {
                return self.counted(name, scalar(value)?);
            }
            (self.name, self.values) = (name, value.content);
        }
        let (value, rest) = item(self.values)?;
        self.values = rest;
        if value.tag != b',' {
            return Err(BAD_VALUE);
        }
        self.counted(self.name, value.content)
    }

    #[inline]
    fn counted(&mut self, name: &'a [u8], value: &'a [u8]) -> Result<Option<Field<'a>>, Reject> {
        self.left = self.left.checked_sub(1).ok_or(Reject::new(400, "too_many_vars"))?;
        Ok(Some((name, value)))
    }
}

/// The text of a value that stands for itself.
#[inline]
fn scalar(item: Item<'_>) -> Result<&[u8], Reject> {
    match item.tag {
        b',' => Ok(item.content),
        b'#' | b'^' | b'!' => Value::of(item, 0).map(|_| item.content),
        _ => Err(BAD_VALUE),
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Reject>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let field = self.advance();
        if field.is_err() {
            (self.rest, self.values) = (&[], &[]);
        }
        field.transpose()
    }
}
