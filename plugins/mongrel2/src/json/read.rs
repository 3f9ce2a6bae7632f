//! From a document to headers and notices.

use super::ffi::{Document, Object, Value};
use super::{BYTES_MAX, JsonError, Notice, text};

pub(super) fn headers(json: &[u8], take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JsonError> {
    let document = parse(json)?;
    for (name, value) in object(&document)? {
        let name = &text::original(name)?;
        match value {
            Value::String(value) => take(name, &text::original(value)?),
            Value::Integer(number) => take(name, number.to_string().as_bytes()),
            Value::Real(number) => take(name, format!("{number:?}").as_bytes()),
            Value::Bool(value) => take(name, value.to_string().as_bytes()),
            Value::Array(values) => {
                for value in values {
                    let Value::String(value) = value else { return Err(JsonError::BadValue) };
                    take(name, &text::original(value)?);
                }
            }
            Value::Object(_) | Value::Null => return Err(JsonError::BadValue),
        }
    }
    Ok(())
}

pub(super) fn notice(json: &[u8]) -> Result<Notice, JsonError> {
    let document = parse(json)?;
    let (mut kind, mut credits) = (None, None);
    for (name, value) in object(&document)? {
        match (name, value) {
            (b"type", Value::String(text)) => kind = Some(text),
            (b"credits", Value::Integer(number)) => credits = u64::try_from(number).ok(),
            _ => {}
        }
    }
    Ok(match kind {
        Some(b"disconnect") => Notice::Disconnect,
        Some(b"credits") => Notice::Credits(credits),
        _ => Notice::Other,
    })
}

fn parse(json: &[u8]) -> Result<Document, JsonError> {
    if json.len() > BYTES_MAX {
        return Err(JsonError::TooLarge);
    }
    Document::parse(&text::clean(json)?)
}

fn object(document: &Document) -> Result<Object<'_>, JsonError> {
    match document.root() {
        Value::Object(object) => Ok(object),
        _ => Err(JsonError::NotObject),
    }
}
