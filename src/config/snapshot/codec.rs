//! Values as bytes: numbers little-endian and of fixed width, the length before whatever has one.
//!
//! Reading takes any bytes: what it makes is bounded by what it is given, and `None` says that they are no such value.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{Seen, Shared};
use crate::config::magic::Place;
use crate::config::read::PathKind;
use crate::sys::machine::Machine;

/// What has not been read yet.
pub(in crate::config) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    /// The next `length` bytes.
    pub(super) fn split(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn run(&mut self) -> Option<&'a [u8]> {
        let length = usize::take(self)?;
        self.split(length)
    }
}

/// A value that is written as bytes, at least one.
pub(in crate::config) trait Codec: Sized {
    /// Adds the value to `out`.
    fn put(&self, out: &mut Vec<u8>);
    /// Reads one.
    fn take(from: &mut Bytes<'_>) -> Option<Self>;
}

impl Codec for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        from.split(4)?.try_into().ok().map(Self::from_le_bytes)
    }
}

impl Codec for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        from.split(8)?.try_into().ok().map(Self::from_le_bytes)
    }
}

impl Codec for usize {
    fn put(&self, out: &mut Vec<u8>) {
        (*self as u64).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        u64::take(from)?.try_into().ok()
    }
}

/// In whole microseconds.
impl Codec for Duration {
    fn put(&self, out: &mut Vec<u8>) {
        u64::try_from(self.as_micros()).unwrap_or(u64::MAX).put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        u64::take(from).map(Self::from_micros)
    }
}

impl Codec for Arc<[u8]> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(self);
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        from.run().map(Self::from)
    }
}

impl Codec for String {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        out.extend_from_slice(self.as_bytes());
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        std::str::from_utf8(from.run()?).ok().map(str::to_owned)
    }
}

impl Codec for PathBuf {
    fn put(&self, out: &mut Vec<u8>) {
        let bytes = self.as_os_str().as_bytes();
        bytes.len().put(out);
        out.extend_from_slice(bytes);
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        Some(OsString::from_vec(from.run()?.to_vec()).into())
    }
}

impl<T: Codec> Codec for Arc<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.as_ref().put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        T::take(from).map(Self::new)
    }
}

impl<T: Codec> Codec for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_some()));
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        match from.split(1)? {
            [0] => Some(None),
            [1] => T::take(from).map(Some),
            _ => None,
        }
    }
}

impl<T: Codec> Codec for Result<T, String> {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(self.is_ok()));
        match self {
            Ok(value) => value.put(out),
            Err(text) => text.put(out),
        }
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        match from.split(1)? {
            [0] => String::take(from).map(Err),
            [1] => T::take(from).map(Ok),
            _ => None,
        }
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
        self.1.put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        Some((A::take(from)?, B::take(from)?))
    }
}

/// As many values as it says; each takes a byte at least, so there are not more than bytes.
fn many<T: Codec, C: FromIterator<T>>(from: &mut Bytes<'_>) -> Option<C> {
    let count = usize::take(from)?;
    (0..count).map(|_| T::take(from)).collect()
}

impl<T: Codec> Codec for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        many(from)
    }
}

impl<T: Codec> Codec for VecDeque<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        self.iter().for_each(|value| value.put(out));
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        many(from)
    }
}

impl<T: Codec> Codec for BTreeMap<String, T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.len().put(out);
        for (key, value) in self {
            key.put(out);
            value.put(out);
        }
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        many::<(String, T), _>(from)
    }
}

impl Codec for PathKind {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Nothing => 0,
            Self::File => 1,
            Self::Folder => 2,
            Self::Other => 3,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Option<Self> {
        Some(match from.split(1)? {
            [0] => Self::Nothing,
            [1] => Self::File,
            [2] => Self::Folder,
            [3] => Self::Other,
            _ => return None,
        })
    }
}

/// A structure as its fields, one after the other: whoever adds a field adds it here, and to `VERSION`.
macro_rules! fields {
    ($name:ident { $($field:ident),* $(,)? }) => {
        impl Codec for $name {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),* } = self;
                $($field.put(out);)*
            }

            fn take(from: &mut Bytes<'_>) -> Option<Self> {
                Some(Self { $($field: Codec::take(from)?),* })
            }
        }
    };
}

fields!(Shared { group, version, own, options });
fields!(Place { directory, inode });
fields!(Seen { contents, kinds, paths, folders, places });
fields!(Machine {
    cwd,
    hostname,
    system,
    architecture,
    page_bytes,
    cores,
    processors,
    binary,
    uid,
    user,
    gid,
    group,
    somaxconn,
    descriptors_max,
    processes_max,
});
