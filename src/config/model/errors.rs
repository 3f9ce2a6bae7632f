//! What the server tells where no application answers.

use std::path::PathBuf;

/// Errors of the server itself.
#[derive(Clone, Debug, Default)]
pub struct Errors {
    /// `error-page` and its like, in the order in which they are tried.
    pub pages: Vec<ErrorPage>,
    /// `request-id`: every request and every answer has one, not only errors.
    pub request_ids: bool,
}

/// A file that is the body of answers with a status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// 400 to 599.
    pub status: u16,
    /// HTML.
    pub file: PathBuf,
    /// The option with its place, for messages.
    pub origin: String,
}
