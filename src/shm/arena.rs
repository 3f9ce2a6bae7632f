//! One shared mapping, cut into typed slices. The only `unsafe` of this room.
//!
//! It is made of a file without a name (memfd), so that a process can be given it that no ancestor shares it with:
//! the next image of the master.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::marker::PhantomData;
use std::mem::{align_of, size_of};
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};
use nix::sys::stat::fstat;
use nix::unistd::ftruncate;

/// A type that several processes may use in place at the same time.
///
/// # Safety
/// All bytes zero are a valid value; there is no pointer, no reference and no lock of one process in it;
/// every field is an atomic (so `Sync` holds between processes as it does between threads); it has no
/// drop glue.
pub(super) unsafe trait Shareable: Sync {}

/// Where a slice lies in the arena. Made by [`Layout::place`] only, so it is always inside and aligned.
#[derive(Debug)]
pub(super) struct Place<T> {
    offset: usize,
    count: usize,
    kind: PhantomData<fn() -> T>,
}

/// Collects places before the mapping is made.
#[derive(Debug, Default)]
pub(super) struct Layout {
    bytes: usize,
}

impl Layout {
    /// Reserves `count` values behind what was reserved before.
    pub(super) fn place<T: Shareable>(&mut self, count: usize) -> Place<T> {
        assert!(align_of::<T>() <= 4096, "a mapping is aligned to a page, not more");
        let offset = self.bytes.next_multiple_of(align_of::<T>());
        self.bytes = offset + count * size_of::<T>();
        Place { offset, count, kind: PhantomData }
    }

    /// Makes the memory and its mapping; the layout's places belong to it alone.
    pub(super) fn map(self) -> io::Result<Arena> {
        let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
        let file = memfd_create(c"uwsgi-board", flags)?;
        ftruncate(&file, i64::try_from(self.bytes).map_err(|_| io::ErrorKind::OutOfMemory)?)?;
        // Applications have the descriptor too, those of sites as other users: one that made the file shorter would have
        // everybody else killed who looks into the memory.
        let seals = SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL;
        fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
        self.map_file(file)
    }

    /// Maps memory that another process has laid out in the same way.
    ///
    /// # Errors
    /// `InvalidData` where `file` is shorter than the layout, as no file of ours is.
    pub(super) fn map_existing(self, file: OwnedFd) -> io::Result<Arena> {
        let length = u64::try_from(fstat(&file)?.st_size).unwrap_or(0);
        if length < self.bytes as u64 {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.map_file(file)
    }

    fn map_file(self, file: OwnedFd) -> io::Result<Arena> {
        let length = NonZeroUsize::new(self.bytes).unwrap_or(NonZeroUsize::MIN);
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing. The file is at least as
        // long and can never be made shorter: it is sealed.
        let base = unsafe {
            mmap(
                None,
                length,
                ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
                MapFlags::MAP_SHARED,
                &file,
                0,
            )
        }?;
        Ok(Arena { base, length: length.get(), file })
    }
}

/// The mapping. Forked processes inherit it and see each other's writes.
#[derive(Debug)]
pub(super) struct Arena {
    base: NonNull<c_void>,
    length: usize,
    file: OwnedFd,
}

// SAFETY: the memory is only handed out as shared references to `Shareable` types, which are `Sync`, and
// the mapping may be unmapped from any thread.
unsafe impl Send for Arena {}
// SAFETY: as above.
unsafe impl Sync for Arena {}

impl Arena {
    /// Bytes that are mapped.
    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// The memory, for another process.
    pub(super) fn file(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// The values at `place`, which must come from this arena's own layout.
    pub(super) fn slice<T: Shareable>(&self, place: &Place<T>) -> &[T] {
        let end = place.offset + place.count * size_of::<T>();
        assert!(end <= self.length, "the place belongs to another arena");
        // SAFETY: `offset` is a multiple of T's alignment and the base is aligned to a page; the range was
        // checked to lie inside the mapping, which lives as long as `self`; zero bytes are a valid T and
        // every later write goes through T's atomics (`Shareable`).
        unsafe {
            let first = self.base.cast::<u8>().add(place.offset).cast::<T>();
            std::slice::from_raw_parts(first.as_ptr(), place.count)
        }
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mapping, and no slice outlives `self`.
        // A failure would only keep the memory until the process ends.
        let _ = unsafe { munmap(self.base, self.length) };
    }
}

// SAFETY: see the fields of each type: atomics and `SeqBytes` (atomics) only, no drop glue.
unsafe impl Shareable for super::Header {}
// SAFETY: as above.
unsafe impl Shareable for super::WorkerSlot {}
// SAFETY: as above.
unsafe impl Shareable for super::ProcessSlot {}
// SAFETY: as above.
unsafe impl Shareable for super::CoreTotals {}
// SAFETY: as above.
unsafe impl Shareable for super::CoreSlot {}
// SAFETY: as above.
unsafe impl Shareable for super::sites::SitesHeader {}
// SAFETY: as above.
unsafe impl Shareable for super::SiteSlot {}
// SAFETY: as above.
unsafe impl Shareable for super::cluster::ClusterHeader {}
