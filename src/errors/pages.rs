//! Files that are the bodies of errors, read once at the start.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::model::errors::ErrorPage;

/// Largest page in bytes.
const PAGE_BYTES_MAX: u64 = 1 << 20;

/// Why there is no page. The text is for the user.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The file cannot be read.
    #[error("{origin} {}: {source}", file.display())]
    Unreadable {
        /// The option with its place.
        origin: String,
        /// Its file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is too large.
    #[error("{origin} {}: too large; accepted: at most {PAGE_BYTES_MAX} bytes", file.display())]
    TooLarge {
        /// The option with its place.
        origin: String,
        /// Its file.
        file: PathBuf,
    },
}

/// Pages by status. Copies share their memory, and so do workers.
#[derive(Clone, Debug, Default)]
pub struct Pages(Vec<(u16, Arc<[u8]>)>);

impl Pages {
    /// Reads what the configuration names. Of several files for a status the first that can be read counts, as with
    /// uWSGI (seen with 2.0.31), which looks for it with each error.
    ///
    /// # Errors
    /// A status of which no file can be read.
    pub fn read(pages: &[ErrorPage]) -> Result<Self, PageError> {
        let mut found: Vec<(u16, Arc<[u8]>)> = Vec::new();
        let mut failed = Vec::new();
        for page in pages {
            if found.iter().any(|(status, _)| *status == page.status) {
                continue;
            }
            match read(page) {
                Ok(bytes) => found.push((page.status, bytes.into())),
                Err(error) => failed.push((page.status, error)),
            }
        }
        let lost = |status: &u16| found.iter().all(|(known, _)| known != status);
        match failed.into_iter().find(|(status, _)| lost(status)) {
            Some((_, error)) => Err(error),
            None => Ok(Self(found)),
        }
    }

    /// The page of a status.
    pub fn of(&self, status: u16) -> Option<&[u8]> {
        self.0.iter().find(|(known, _)| *known == status).map(|(_, page)| &**page)
    }
}

fn read(page: &ErrorPage) -> Result<Vec<u8>, PageError> {
    let ErrorPage { file, origin, .. } = page;
    let unreadable =
        |source| PageError::Unreadable { origin: origin.clone(), file: file.clone(), source };
    let bytes = bounded(file).map_err(unreadable)?;
    if bytes.len() as u64 > PAGE_BYTES_MAX {
        return Err(PageError::TooLarge { origin: origin.clone(), file: file.clone() });
    }
    Ok(bytes)
}

/// The file, or one byte more of it than is allowed.
fn bounded(path: &Path) -> io::Result<Vec<u8>> {
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(PAGE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: u16, file: &Path) -> ErrorPage {
        ErrorPage { status, file: file.to_owned(), origin: "x.ini:3: error-page".to_owned() }
    }

    #[test]
    fn the_first_file_that_can_be_read_counts() {
        let dir = tempfile::tempdir().unwrap();
        let [a, b, none] = ["a", "b", "none"].map(|name| dir.path().join(name));
        std::fs::write(&a, "a").unwrap();
        std::fs::write(&b, "b").unwrap();
        let pages = Pages::read(&[page(500, &none), page(500, &b), page(500, &a), page(404, &a)]);
        let pages = pages.unwrap();
        assert_eq!(pages.of(500), Some(&b"b"[..]));
        assert_eq!(pages.of(404), Some(&b"a"[..]));
        assert_eq!(pages.of(403), None);
        let error = Pages::read(&[page(404, &a), page(500, &none)]).unwrap_err().to_string();
        assert!(error.starts_with("x.ini:3: error-page ") && error.contains("none: No such"));
    }

    #[test]
    fn a_page_has_a_bound() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("large");
        std::fs::write(&file, vec![b'x'; PAGE_BYTES_MAX as usize]).unwrap();
        assert!(Pages::read(&[page(500, &file)]).is_ok());
        std::fs::write(&file, vec![b'x'; PAGE_BYTES_MAX as usize + 1]).unwrap();
        let error = Pages::read(&[page(500, &file)]).unwrap_err().to_string();
        assert!(error.contains("too large"), "{error}");
        let error = Pages::read(&[page(500, Path::new("/dev/zero"))]).unwrap_err().to_string();
        assert!(error.ends_with("not a file"), "{error}");
    }
}
