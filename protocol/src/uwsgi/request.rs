//! A request: a block of pairs as variables.

use super::block::pair;
use super::{HEADER_BYTES, Head, Header, Limits, header};
use crate::pairs::{PairStore, Repeated};
use crate::{Reject, Span, Vars};

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
    let mut store = PairStore::new(packet, limits.vars_max, Repeated::Equal);
    let mut rest = &packet[HEADER_BYTES..];
    while !rest.is_empty() {
        let (name, value, next) = pair(rest)?;
        let at = consumed - next.len() - value.len();
        // The name ends two bytes before its value.
        let name_span = Span::head(at - 2 - name.len(), name.len());
        store.add((name, name_span), (value, Span::head(at, value.len())), vars)?;
        rest = next;
    }
    let content_length = store.conclude()?;
    Ok(Some(Head { modifier1, modifier2, consumed, content_length }))
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
        let listed = [("UWSGI_SETENV", "A=1"), ("UWSGI_SETENV", "B=2")];
        assert_eq!(decoded(&listed), Ok((None, owned(&listed))));
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
