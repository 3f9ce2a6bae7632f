//! Content types by the ends of names, read once at the start.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

/// Where Debian and others keep them.
const SYSTEM: &str = "/etc/mime.types";

/// A `mime-file` that cannot be read: its files would be served without a type. The text is for the user.
#[derive(Debug, thiserror::Error)]
#[error("mime-file {}: it cannot be read: {source}", file.display())]
pub struct MimeError {
    file: PathBuf,
    source: io::Error,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Types(HashMap<String, String>);

impl Types {
    /// Those of these files, in the form of `mime.types`; the first one that names an end counts. Without one, those of
    /// the system, where it has any.
    ///
    /// # Errors
    /// The first one that cannot be read.
    pub(super) fn read(files: &[PathBuf]) -> Result<Self, MimeError> {
        let unreadable = |file: &PathBuf, source| MimeError { file: file.clone(), source };
        let texts = match files {
            [] => vec![std::fs::read_to_string(SYSTEM).unwrap_or_default()],
            _ => files
                .iter()
                .map(|file| {
                    std::fs::read_to_string(file).map_err(|source| unreadable(file, source))
                })
                .collect::<Result<_, _>>()?,
        };
        let mut types = HashMap::new();
        for text in texts {
            for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
                let mut words = line.split_ascii_whitespace();
                let Some(name) = words.next() else { continue };
                for end in words {
                    types.entry(end.to_ascii_lowercase()).or_insert_with(|| name.to_owned());
                }
            }
        }
        Ok(Self(types))
    }

    /// The type of a file; what no file lists, a table knows that comes with the program.
    pub(super) fn of(&self, path: &Path) -> Option<&str> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        let listed = self.0.get(&end).map(String::as_str);
        listed.or_else(|| mime_guess::from_ext(&end).first_raw())
    }
}
