//! From a document to headers and notices.

use super::ffi::{Document, Object, Value};
use super::{BYTES_MAX, JsonError, Notice, plain, text};

pub(super) fn headers(json: &[u8], take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JsonError> {
    if json.len() > BYTES_MAX {
        return Err(JsonError::TooLarge);
    }
    if let Some(fields) = plain::headers(json) {
        for plain::Field { name, values } in &fields {
            values.iter().for_each(|value| take(name, value));
        }
        return Ok(());
    }
    parsed_headers(json, take)
}

/// The same by way of the parser.
pub(super) fn parsed_headers(
    json: &[u8],
    take: &mut dyn FnMut(&[u8], &[u8]),
) -> Result<(), JsonError> {
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Fields = Vec<(Vec<u8>, Vec<u8>)>;

    fn collected(
        read: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])) -> Result<(), JsonError>,
    ) -> Result<Fields, JsonError> {
        let mut fields = Vec::new();
        read(&mut |name, value| fields.push((name.to_vec(), value.to_vec()))).map(|()| fields)
    }

    proptest! {
        /// What is read without the parser is what the parser reads.
        #[test]
        fn both_ways_lead_to_the_same(
            fields in prop::collection::vec(
                (prop::collection::vec(1..=255u8, 0..6), prop::collection::vec(prop::collection::vec(1..=255u8, 0..8), 1..3)),
                1..5,
            )
        ) {
            let quote = |text: &[u8]| {
                let escape = |byte: &u8| match byte {
                    b'"' | b'\\' => vec![b'\\', *byte],
                    byte => vec![*byte],
                };
                [&b"\""[..], &text.iter().flat_map(escape).collect::<Vec<_>>(), b"\""].concat()
            };
            let field = |(name, values): &(Vec<u8>, Vec<Vec<u8>>)| {
                let list = values.iter().map(|value| quote(value)).collect::<Vec<_>>().join(&b","[..]);
                let value = if values.len() == 1 { list } else { [&b"["[..], &list, b"]"].concat() };
                [&quote(name)[..], b":", &value].concat()
            };
            let json = fields.iter().map(field).collect::<Vec<_>>().join(&b","[..]);
            let json = [&b"{"[..], &json, b"}"].concat();
            let parsed = collected(|take| parsed_headers(&json, take));
            if plain::headers(&json).is_some() {
                prop_assert_eq!(collected(|take| headers(&json, take)), parsed);
            } else {
                let repeated = (1..fields.len()).any(|at| fields[..at].iter().any(|(name, _)| *name == fields[at].0));
                prop_assert!(repeated, "the form is Mongrel2's");
            }
        }
    }
}
