//! The control port: a command with arguments, and a table or an error in answer.

use super::tnetstring::{self, List, Value};
use crate::Reject;

/// The value of an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument<'a> {
    /// As for `what` of `status`: `net` or `tasks`.
    Text(&'a [u8]),
    /// As for `id` of `kill`.
    Integer(i64),
}

/// A request. Commands are stop, reload, terminate, help, uuid, info, time, control_stop, `status` (what) and
/// `kill` (id).
pub fn request(command: &[u8], arguments: &[(&[u8], Argument<'_>)]) -> Vec<u8> {
    let mut out = Vec::new();
    tnetstring::list(&mut out, |out| {
        tnetstring::bytes(command, out);
        tnetstring::dict(out, |out| {
            for (name, argument) in arguments {
                tnetstring::bytes(name, out);
                match argument {
                    Argument::Text(text) => tnetstring::bytes(text, out),
                    Argument::Integer(number) => tnetstring::integer(*number, out),
                }
            }
        });
    });
    out
}

/// What came in answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<'a> {
    /// Names of columns (bytes), and rows: a list of values each.
    Table {
        /// The columns.
        headers: List<'a>,
        /// The rows.
        rows: List<'a>,
    },
    /// The command was not performed.
    Failed {
        /// Its class, such as `CALLBACK_NOT_FOUND`.
        code: &'a [u8],
        /// A sentence.
        error: &'a [u8],
    },
}

/// Reads an answer; what lies in a table is looked at by whoever walks it.
///
/// # Errors
/// `bad_control_answer` for another dictionary, and those of tnetstrings.
pub fn answer(input: &[u8]) -> Result<Answer<'_>, Reject> {
    let bad = Reject::new(400, "bad_control_answer");
    let Value::Dict(dict) = tnetstring::read(input)? else { return Err(bad) };
    let (mut headers, mut rows, mut code, mut error) = (None, None, None, None);
    for pair in dict {
        match pair? {
            (b"headers", Value::List(list)) => headers = Some(list),
            (b"rows", Value::List(list)) => rows = Some(list),
            (b"code", Value::Bytes(bytes)) => code = Some(bytes),
            (b"error", Value::Bytes(bytes)) => error = Some(bytes),
            _ => {} // a later version may say more
        }
    }
    match (headers, rows, code, error) {
        (_, _, Some(code), Some(error)) => Ok(Answer::Failed { code, error }),
        (Some(headers), Some(rows), ..) => Ok(Answer::Table { headers, rows }),
        _ => Err(bad),
    }
}
