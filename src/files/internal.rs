//! Files that the application names in place of a body: `X-Sendfile` and `X-Accel-Redirect`, as front ends know them.
//!
//! Only what is below a directory of `static-internal` is sent; a name of anything else is left to the front end.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use uwsgi_protocol::http1::percent_decode;

use super::Outcome;
use super::lookup::{Asked, Files, below};
use crate::config::model::files::Map;

/// The header that names a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// `X-Sendfile`: a path, as it is.
    Path,
    /// `X-Accel-Redirect`: a URI below a mount. What is escaped in it is meant unescaped, and its query is of no interest.
    Uri,
}

impl By {
    /// Whether a header of the application is one of them.
    pub fn header(name: &[u8]) -> Option<Self> {
        match name.len() {
            10 if name.eq_ignore_ascii_case(b"x-sendfile") => Some(Self::Path),
            16 if name.eq_ignore_ascii_case(b"x-accel-redirect") => Some(Self::Uri),
            _ => None,
        }
    }
}

impl Files {
    /// Whether applications may name files at all.
    pub fn has_internal(&self) -> bool {
        !self.options.internal.is_empty()
    }

    /// Whether what a header names is in a place of `static-internal`, whether it is there or not.
    pub fn covers(&self, by: By, value: &[u8]) -> bool {
        let target = by.target(value);
        self.options.internal.iter().any(|map| by.rest(map, &target).is_some())
    }

    /// The file that a header names.
    pub fn look_up_internal(&self, by: By, value: &[u8], asked: &Asked<'_>) -> Outcome<'_> {
        let target = by.target(value);
        if target.contains(&0) {
            return Outcome::Missing;
        }
        for map in &self.options.internal {
            let Some(rest) = by.rest(map, &target) else { continue };
            match self.in_directory(&map.path, &rest, asked) {
                Outcome::Missing => {}
                other => return other,
            }
        }
        Outcome::Missing
    }
}

impl By {
    fn target(self, value: &[u8]) -> Vec<u8> {
        match self {
            Self::Path => value.to_vec(),
            Self::Uri => decoded(value),
        }
    }

    /// What is looked up in the directory.
    fn rest(self, map: &Map, target: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Uri => below(&map.mount, target).map(<[u8]>::to_vec),
            Self::Path => {
                let target = Path::new(OsStr::from_bytes(target));
                let rest = |place: &Path| {
                    Some(target.strip_prefix(place).ok()?.as_os_str().as_bytes().to_vec())
                };
                // Frameworks like to resolve the links of a path before they name it.
                rest(&map.path).or_else(|| rest(&map.path.canonicalize().ok()?))
            }
        }
    }
}

/// The path of a URI, without its query, unescaped.
fn decoded(uri: &[u8]) -> Vec<u8> {
    let path = uri.split(|&byte| byte == b'?').next().unwrap_or_default();
    let mut out = Vec::with_capacity(path.len());
    percent_decode(path, false, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_and_what_they_name() {
        assert_eq!(decoded(b"/a%20b/%2e%2E/c%zz%4?x=%20"), b"/a b/../c%zz%4");
        assert_eq!(By::header(b"X-Accel-Redirect"), Some(By::Uri));
        assert_eq!(By::header(b"X-SENDFILE"), Some(By::Path));
        assert_eq!(By::header(b"X-Send-file"), None);
        let map = Map { mount: "/p".into(), path: "/no/such".into(), whole: false };
        for (by, target, rest) in [
            (By::Uri, "/p/a", Some("/a")),
            (By::Uri, "/pa", None),
            (By::Uri, "/p", Some("")),
            (By::Path, "/no/such/a/../b", Some("a/../b")),
            (By::Path, "/no/such", Some("")),
            (By::Path, "/no/suchlike", None),
            (By::Path, "no/such/a", None),
        ] {
            assert_eq!(by.rest(&map, target.as_bytes()).as_deref(), rest.map(str::as_bytes));
        }
    }
}
