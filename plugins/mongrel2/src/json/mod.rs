//! Headers and notices in JSON, read by jansson.
//!
//! Mongrel2 escapes only `"` and `\`: TABs and bytes that are no UTF-8 stand in its strings as they came from the
//! client, and no parser of JSON takes them. `text` brings them into a form that jansson takes, and back. Built
//! without the feature `json` there is no jansson, and everything here but Mongrel2's own two notices is
//! [`JsonError::NotBuilt`].

#[cfg(feature = "json")]
mod ffi;
#[cfg(feature = "json")]
mod plain;
#[cfg(feature = "json")]
mod read;
#[cfg(feature = "json")]
mod text;

use uwsgi_protocol::Reject;

/// Most bytes of a text that is read.
pub const BYTES_MAX: usize = 1 << 20;
/// How deep lists and objects may lie in each other: what is read here needs two.
pub const DEPTH_MAX: usize = 8;

/// Why a text was not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// There is no parser in this binary.
    #[error(
        "headers in JSON cannot be read by this build: set protocol='tnetstring' at Mongrel2's handler \
         (m2sh: Handler(..., protocol='tnetstring')), or build with the cargo feature json (needs libjansson)"
    )]
    NotBuilt,
    /// More than [`BYTES_MAX`].
    #[error("more than {BYTES_MAX} bytes of JSON")]
    TooLarge,
    /// More than [`DEPTH_MAX`].
    #[error("JSON nested more than {DEPTH_MAX} deep")]
    TooDeep,
    /// A NUL, escaped or not.
    #[error("a NUL in JSON")]
    Nul,
    /// An escape above `\u00FF`.
    #[error("an escape in JSON that stands for no byte")]
    NotByte,
    /// What jansson says, without the text that it quotes.
    #[error("malformed JSON: {0}")]
    Malformed(String),
    /// Something else than `{...}`.
    #[error("JSON that is not an object")]
    NotObject,
    /// A header that is null, an object, or a list with something else than texts.
    #[error("a header in JSON that is neither a text nor a list of texts")]
    BadValue,
}

impl JsonError {
    /// The refusal of a message with this fault. 501 is what this server lacks, the rest is the sender's.
    pub fn reject(&self) -> Reject {
        match self {
            Self::NotBuilt => Reject::new(501, "json_not_built"),
            Self::TooLarge => Reject::new(400, "header_too_big"),
            Self::NotObject => Reject::new(400, "json_not_object"),
            Self::BadValue => Reject::new(400, "bad_header_value_type"),
            Self::TooDeep | Self::Nul | Self::NotByte | Self::Malformed(_) => {
                Reject::new(400, "bad_json")
            }
        }
    }
}

/// What Mongrel2 tells in the body of a message of method `JSON` to `@*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The client is gone.
    Disconnect,
    /// So many more bytes may be sent to the client; Mongrel2 1.12 says how many in `DOWNLOAD_CREDITS`.
    Credits(Option<u64>),
    /// Something else.
    Other,
}

/// Gives name and value of each header to `take`, byte for byte as the client sent them, in their order. Each text
/// of a list comes under the one name; numbers and booleans are their text. Of a name that is there twice, which
/// Mongrel2 does not write, the last value stands.
///
/// # Errors
/// A [`JsonError`]; `take` may have been called before.
#[cfg(feature = "json")]
pub fn headers(json: &[u8], take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JsonError> {
    read::headers(json, take)
}

/// # Errors
/// [`JsonError::NotBuilt`].
#[cfg(not(feature = "json"))]
pub fn headers(_json: &[u8], _take: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), JsonError> {
    Err(JsonError::NotBuilt)
}

/// Reads the body of a notice. What Mongrel2 1.12 writes is known without a parser, so that a build without one
/// hears of clients that are gone.
///
/// # Errors
/// A [`JsonError`].
pub fn notice_type(body: &[u8]) -> Result<Notice, JsonError> {
    match body {
        br#"{"type":"disconnect"}"# => Ok(Notice::Disconnect),
        br#"{"type":"credits"}"# => Ok(Notice::Credits(None)),
        #[cfg(feature = "json")]
        _ => read::notice(body),
        #[cfg(not(feature = "json"))]
        _ => Err(JsonError::NotBuilt),
    }
}
