//! Content types by the ends of names.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Where Debian and others keep them.
const SYSTEM: &str = "/etc/mime.types";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Types(HashMap<String, String>);

impl Types {
    /// Those of these files, in the form of `mime.types`; the first one that names an end counts.
    pub(super) fn read(files: &[PathBuf]) -> Self {
        let mut types = HashMap::new();
        let system = [PathBuf::from(SYSTEM)];
        for file in if files.is_empty() { &system[..] } else { files } {
            // It was there when the configuration was checked.
            let text = std::fs::read_to_string(file).unwrap_or_default();
            for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
                let mut words = line.split_ascii_whitespace();
                let Some(name) = words.next() else { continue };
                for end in words {
                    types.entry(end.to_ascii_lowercase()).or_insert_with(|| name.to_owned());
                }
            }
        }
        Self(types)
    }

    /// The type of a file; what no file lists, a table knows that comes with the program.
    pub(super) fn of(&self, path: &Path) -> Option<String> {
        let end = path.extension()?.to_str()?.to_ascii_lowercase();
        let listed = self.0.get(&end).cloned();
        listed.or_else(|| mime_guess::from_ext(&end).first_raw().map(str::to_owned))
    }
}
