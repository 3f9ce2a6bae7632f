//! Environs remembered by the shape of their request.
//!
//! A client sends the same header names in the same order again and again, most with the same values. A shape is
//! such a sequence of names with a ready environ; a request of that shape gets a copy of it and sets only the values
//! that differ. This halves the cost of an environ. Everything is bounded: the number of shapes, the length of
//! values; secrets are not kept.

use uwsgi_plugin_api::{Known, Name, VarsView};

use crate::ffi::{Object, Py, Raised};

/// Places for shapes; a power of two.
const PLACES: usize = 16;
/// Requests with more variables have no shape.
const NAMES_MAX: usize = 96;
/// Longer values are not kept.
const VALUE_BYTES_MAX: usize = 256;
/// After so many different values in a row the last one is kept; doubled up to the second number while that was in vain.
const PATIENCE: (u8, u8) = (4, 128);

/// The shapes that a thread has seen.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    shape: Option<Shape>,
    /// Another shape that asked for this place since the present one was last of use.
    contender: u64,
}

/// A sequence of names on one socket, and an environ that has them.
#[derive(Debug)]
pub(crate) struct Shape {
    hash: u64,
    listener: u16,
    entries: Vec<Entry>,
    environ: Object,
}

/// A variable of a shape.
#[derive(Debug)]
pub(crate) struct Entry {
    name: EntryName,
    /// Its key; `None` for a name that the environ does not show.
    key: Option<Object>,
    memory: Memory,
}

/// The value that the remembered environ has.
#[derive(Debug)]
struct Memory {
    /// As it came; `None` where there is a placeholder.
    value: Option<Vec<u8>>,
    /// Other values that came since.
    misses: u8,
    patience: u8,
}

#[derive(Debug, PartialEq, Eq)]
enum EntryName {
    Known(Known),
    Other(Box<[u8]>),
}

/// What is known of a request's shape.
pub(crate) enum Seen<'a> {
    /// There is an environ for it.
    Remembered(&'a mut Shape),
    /// It came before, so it is worth remembering; by this hash.
    Again(u64),
    /// It is new.
    New,
}

impl Shapes {
    /// Looks a request up.
    #[inline]
    pub(crate) fn look_up(&mut self, listener: u16, vars: VarsView<'_>) -> Seen<'_> {
        if self.places.is_empty() {
            self.places.resize_with(PLACES, Place::default);
        }
        let hash = hash(listener, vars);
        let place = &mut self.places[hash as usize % PLACES];
        if let Some(shape) = &mut place.shape
            && shape.fits(hash, listener, vars)
        {
            place.contender = 0;
            return Seen::Remembered(shape);
        }
        if place.contender == hash && vars.len() <= NAMES_MAX {
            return Seen::Again(hash);
        }
        place.contender = hash;
        Seen::New
    }

    /// Remembers a shape.
    pub(crate) fn remember(&mut self, shape: Shape) {
        if let Some(place) = self.places.get_mut(shape.hash as usize % PLACES) {
            *place = Place { shape: Some(shape), contender: 0 };
        }
    }
}

impl Shape {
    /// A shape of these entries. `None` where a name comes twice: the last one must win, which needs their order.
    pub(crate) fn new(
        hash: u64,
        listener: u16,
        entries: Vec<Entry>,
        environ: Object,
    ) -> Option<Self> {
        let twice = entries
            .iter()
            .enumerate()
            .any(|(at, entry)| entries[..at].iter().any(|earlier| earlier.name == entry.name));
        (!twice).then_some(Self { hash, listener, entries, environ })
    }

    #[inline]
    fn fits(&self, hash: u64, listener: u16, vars: VarsView<'_>) -> bool {
        self.hash == hash
            && self.listener == listener
            && self.entries.len() == vars.len()
            && self.entries.iter().zip(vars.iter()).all(|(entry, (name, _))| {
                match (&entry.name, name) {
                    (EntryName::Known(mine), Name::Known(theirs)) => *mine == theirs,
                    (EntryName::Other(mine), Name::Other(theirs)) => **mine == *vars.bytes(theirs),
                    _ => false,
                }
            })
    }

    /// An environ with the values of this request, which fits.
    #[inline]
    pub(crate) fn environ(&mut self, py: Py<'_>, vars: VarsView<'_>) -> Result<Object, Raised> {
        let environ = self.environ.borrowed().copy_dict(py)?;
        for (entry, (_, value)) in self.entries.iter_mut().zip(vars.iter()) {
            let Entry { key, memory, .. } = entry;
            if memory.value.as_deref() == Some(value) {
                memory.misses = 0;
                continue;
            }
            let Some(key) = key else { continue };
            let object = py.latin1(value)?;
            environ.borrowed().set_item(py, key.borrowed(), object.borrowed())?;
            if memory.wants(value) {
                self.environ.borrowed().set_item(py, key.borrowed(), object.borrowed())?;
                memory.keep(value);
            }
        }
        Ok(environ)
    }
}

impl Entry {
    /// A variable with the key it has in environs and whether its value is in the remembered one.
    pub(crate) fn new(
        vars: VarsView<'_>,
        name: Name,
        key: Option<Object>,
        value: Option<&[u8]>,
    ) -> Self {
        let name = match name {
            Name::Known(known) => EntryName::Known(known),
            Name::Other(span) => EntryName::Other(vars.bytes(span).into()),
        };
        let value = value.map(<[u8]>::to_vec);
        Self { name, key, memory: Memory { value, misses: 0, patience: PATIENCE.0 } }
    }
}

impl Memory {
    /// Notes a value that is not the kept one; true when it shall take its place.
    #[inline]
    fn wants(&mut self, value: &[u8]) -> bool {
        if self.value.is_none() || value.len() > VALUE_BYTES_MAX {
            return false;
        }
        self.misses += 1;
        self.misses >= self.patience
    }

    fn keep(&mut self, value: &[u8]) {
        self.misses = 0;
        self.patience = self.patience.saturating_mul(2).min(PATIENCE.1);
        if let Some(kept) = &mut self.value {
            kept.clear();
            kept.extend_from_slice(value);
        }
    }
}

/// Whether a value may be kept from one request to another.
pub(crate) fn may_keep(name: Name, value: &[u8]) -> bool {
    let secret = matches!(name, Name::Known(Known::Cookie | Known::Authorization));
    !secret && value.len() <= VALUE_BYTES_MAX
}

/// A hash of the names. Clients choose names, so a collision must only cost time: `fits` compares.
#[inline]
fn hash(listener: u16, vars: VarsView<'_>) -> u64 {
    const PRIME: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, value: u64| (hash.rotate_left(5) ^ value).wrapping_mul(PRIME);
    let mut sum = mix(1, u64::from(listener));
    for (name, _) in vars.iter() {
        sum = match name {
            Name::Known(known) => mix(sum, known as u64),
            Name::Other(span) => {
                let name = vars.bytes(span);
                let ends = name.first().into_iter().chain(name.last());
                ends.fold(mix(sum, 256 + name.len() as u64), |sum, byte| mix(sum, u64::from(*byte)))
            }
        };
    }
    (sum ^ (sum >> 32)).max(1)
}
