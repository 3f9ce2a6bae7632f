//! What a head says about its body and its connection (RFC 9112, 6 and 9; RFC 9110, 7.2, 7.6, 7.8 and 10.1.1).
//!
//! Every choice that the specifications leave is made in favour of refusing: a front end and we must never
//! disagree on where a request ends.

use super::bytes::{decimal, is_token, list};
use super::fields::Fields;
use super::lines::bad;
use super::request_line::RequestLine;
use super::{Framing, Head, Strictness, Version};
use crate::{Known, Name, Reject, Vars, VarsView};

/// The head that ends at `consumed`, its variables being complete.
pub(super) fn conclude(
    input: &[u8],
    consumed: usize,
    request: &RequestLine,
    fields: &Fields,
    strictness: Strictness,
    vars: &mut Vars,
) -> Result<Head, Reject> {
    let version = request.version;
    check_host(version, fields, strictness)?;
    if fields.hosts() == 0
        && let Some(authority) = fields.authority()
    {
        vars.push(Name::Known(Known::Host), authority);
    }
    let framing = framing(version, input, strictness, vars)?;
    let view = vars.view(input);
    let expect_continue = expects_continue(version, view)? && framing != Framing::None;
    let options = Options::of(view.get(Known::Connection).unwrap_or_default());
    let keep_alive = !options.close && (version == Version::Http11 || options.keep_alive);
    // RFC 9110, 7.8: ignored in HTTP/1.0, and without its connection option.
    let upgrade =
        options.upgrade && version == Version::Http11 && view.get(Known::Upgrade).is_some();
    let is_head = request.is_head;
    Ok(Head { consumed, version, is_head, keep_alive, framing, expect_continue, upgrade })
}

/// RFC 9112, 3.2.
fn check_host(version: Version, fields: &Fields, strictness: Strictness) -> Result<(), Reject> {
    match fields.hosts() {
        0 if version == Version::Http11 && !strictness.forgives() => Err(bad("missing_host")),
        0 | 1 if fields.host_is_bad() => Err(bad("bad_host")),
        0 | 1 => Ok(()),
        _ => Err(bad("multiple_host")),
    }
}

/// RFC 9112, 6.3. A request without either header has no body, whatever its method.
fn framing(
    version: Version,
    input: &[u8],
    strictness: Strictness,
    vars: &mut Vars,
) -> Result<Framing, Reject> {
    if strictness.forgives() {
        fold_equal_lengths(input, vars);
    }
    let view = vars.view(input);
    let length = view.get(Known::ContentLength);
    match view.get(Known::TransferEncoding) {
        Some(_) if version == Version::Http10 => Err(bad("te_in_http10")),
        Some(_) if length.is_some() => Err(bad("te_and_cl")),
        Some(codings) => transfer_coding(codings),
        None => length.map_or(Ok(Framing::None), content_length),
    }
}

/// Exactly `chunked`, over all lines.
fn transfer_coding(codings: &[u8]) -> Result<Framing, Reject> {
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    if is_chunked(codings) {
        return Ok(Framing::Chunked);
    }
    let codings = list(codings);
    if !codings.clone().all(is_token) {
        return Err(bad("bad_transfer_encoding"));
    }
    if codings.clone().filter(|coding| is_chunked(coding)).count() > 1 {
        return Err(bad("chunked_twice"));
    }
    if !codings.clone().next_back().is_some_and(is_chunked) {
        return Err(bad("te_not_ending_in_chunked"));
    }
    Err(Reject::new(501, "unsupported_transfer_coding"))
}

/// Repeated equal lengths are one length (RFC 9110, 8.6). Only where they are written alike, and the application sees
/// one.
#[cold]
fn fold_equal_lengths(input: &[u8], vars: &mut Vars) {
    let Some(position) = vars.position(Known::ContentLength) else { return };
    let one = {
        let value = vars.view(input).get(Known::ContentLength).unwrap_or_default();
        let first = list(value).next().unwrap_or_default();
        let is_one = first.len() == value.len() || list(value).any(|number| number != first);
        if is_one { None } else { Some(first.to_vec()) }
    };
    if let Some(one) = one {
        let one = vars.stash(&one);
        vars.replace(position, one);
    }
}

/// One number. Equal repeated ones may be folded (RFC 9110, 8.6), and are only where that is asked for.
fn content_length(value: &[u8]) -> Result<Framing, Reject> {
    if let Some(length) = decimal(value) {
        return Ok(Framing::Length(length));
    }
    let is_number = |number: &[u8]| !number.is_empty() && number.iter().all(u8::is_ascii_digit);
    if !list(value).all(is_number) {
        return Err(bad("bad_content_length"));
    }
    let mut numbers = list(value).map(without_zeros);
    let first = numbers.next();
    let (mut repeated, mut differs) = (false, false);
    for number in numbers {
        repeated = true;
        differs |= Some(number) != first;
    }
    Err(bad(match (differs, repeated) {
        (true, _) => "conflicting_content_length",
        (false, true) => "repeated_content_length",
        (false, false) => "bad_content_length",
    }))
}

/// Numbers of any length can be compared by what is left.
fn without_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == b'0').count();
    &number[zeros..]
}

/// RFC 9110, 10.1.1: ignored in HTTP/1.0; what else is expected cannot be met.
fn expects_continue(version: Version, view: VarsView<'_>) -> Result<bool, Reject> {
    match view.get(Known::Expect) {
        None => Ok(false),
        Some(_) if version == Version::Http10 => Ok(false),
        Some(value) if value.eq_ignore_ascii_case(b"100-continue") => Ok(true),
        Some(_) => Err(Reject::new(417, "unknown_expectation")),
    }
}

/// Connection options (RFC 9110, 7.6.1).
#[derive(Default)]
struct Options {
    close: bool,
    keep_alive: bool,
    upgrade: bool,
}

impl Options {
    fn of(value: &[u8]) -> Self {
        let mut options = Self::default();
        if value == b"keep-alive" {
            // What nearly all browsers and proxies send.
            options.keep_alive = true;
            return options;
        }
        for option in list(value) {
            match option.len() {
                5 => options.close |= option.eq_ignore_ascii_case(b"close"),
                10 => options.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive"),
                7 => options.upgrade |= option.eq_ignore_ascii_case(b"upgrade"),
                _ => {}
            }
        }
        options
    }
}
