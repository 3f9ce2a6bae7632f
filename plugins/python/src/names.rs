//! Keys for variables that are not in the table of known names.

use crate::ffi::{Object, Py, Raised, Ref};

/// Entries of the cache; a power of two.
const ENTRIES: usize = 256;
/// Longer names are not kept.
const LENGTH_MAX: usize = 64;

/// A bounded cache from names to `str` objects: each name has one place, a later one takes it over.
///
/// The keys are not interned: since Python 3.12 an interned text lives for ever, and names come from clients.
#[derive(Debug, Default)]
pub(crate) struct Names {
    entries: Vec<Option<(Box<[u8]>, Object)>>,
    uncached: Option<Object>,
}

impl Names {
    /// The key for a name, `None` for names that only the server sets, and for `HTTP_PROXY`, which CGI-like code
    /// would take for the proxy to use (httpoxy).
    pub(crate) fn key(&mut self, py: Py<'_>, name: &[u8]) -> Result<Option<Ref<'_>>, Raised> {
        if name.starts_with(b"wsgi.") || name.starts_with(b"uwsgi.") || name == b"HTTP_PROXY" {
            return Ok(None);
        }
        if name.len() > LENGTH_MAX {
            let key = self.uncached.insert(py.latin1(name)?);
            return Ok(Some(key.borrowed()));
        }
        if self.entries.is_empty() {
            self.entries.resize_with(ENTRIES, || None);
        }
        let entry = &mut self.entries[place(name)];
        if entry.as_ref().is_none_or(|(cached, _)| **cached != *name) {
            *entry = Some((name.into(), py.latin1(name)?));
        }
        Ok(entry.as_ref().map(|(_, key)| key.borrowed()))
    }
}

/// FNV-1a, folded: short names, few of them, and a collision costs only a new text.
fn place(name: &[u8]) -> usize {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    (hash ^ (hash >> 32)) as usize % ENTRIES
}
