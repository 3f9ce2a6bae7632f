//! Figures of sites: what all workers of an instance did for each, over all generations.
//!
//! Unlike on the board, several processes write the same slot: each counter is added to atomically. A slot is claimed for
//! a key's hash once and never freed, so that finding it again is a look at one word; what finds no slot is counted
//! together. A memory of its own, because it outlives generations and may be given to processes that have no board.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::SeqBytes;
use super::arena::{Arena, Layout, Place};

/// Changed with every change of what lies where.
const LAYOUT: u64 = 0x7577_7367_7369_0001;

/// Slots that are looked at for one key. With twice as many slots as sites, hardly any key needs more than a few.
const PROBES_MAX: usize = 64;

/// Name of the memory between images of the program.
const NAME: &str = "sites";

/// Longest name in words of 8 bytes.
const NAME_WORDS: usize = 24;

/// Facts of the table.
#[derive(Debug)]
#[repr(C, align(128))]
pub(super) struct SitesHeader {
    /// [`LAYOUT`]. Writer: who made the table, at once.
    layout: AtomicU64,
    /// Most sites. Writer: as above.
    max: AtomicU64,
    /// Sites that have a slot.
    claimed: AtomicU64,
}

/// One site. Writers of every field: all request threads, but for `name`, whose writer is who has claimed the slot.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct SiteSlot {
    /// Hash of its key; 0 while nobody has the slot.
    key: AtomicU64,
    requests: AtomicU64,
    errors: AtomicU64,
    running_us: AtomicU64,
    tx_bytes: AtomicU64,
    /// Start of its last request, Unix time in seconds.
    last_unix: AtomicU64,
    /// Resident memory of the process that served it last, 0 while not measured.
    rss_bytes: AtomicU64,
    name: SeqBytes<NAME_WORDS>,
}

/// A request that is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Served {
    /// It failed: an exception, or a status from 500 on.
    pub error: bool,
    /// How long it took.
    pub running_us: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// When it began.
    pub began_unix: u64,
    /// Resident memory of this process, where it was measured.
    pub rss_bytes: u64,
}

/// What is known of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // see `SiteSlot`
pub struct SiteFigures {
    /// [`SitesBoard::mark`] of its key.
    pub mark: u64,
    pub name: String,
    /// Process that leads those of the site; 0 where it has none of its own.
    pub pid: i32,
    pub requests: u64,
    pub errors: u64,
    pub running_us: u64,
    pub tx_bytes: u64,
    pub last_unix: u64,
    pub rss_bytes: u64,
}

impl SiteSlot {
    /// Counts a request.
    pub fn count(&self, served: &Served) {
        self.requests.fetch_add(1, Relaxed);
        if served.error {
            self.errors.fetch_add(1, Relaxed);
        }
        self.running_us.fetch_add(served.running_us, Relaxed);
        self.tx_bytes.fetch_add(served.tx_bytes, Relaxed);
        self.last_unix.fetch_max(served.began_unix, Relaxed);
        if served.rss_bytes > 0 {
            self.rss_bytes.store(served.rss_bytes, Relaxed);
        }
    }

    fn figures(&self) -> SiteFigures {
        let value = |counter: &AtomicU64| counter.load(Relaxed);
        // A process that died at the wrong moment leaves no name.
        let name = self.name.read().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("site {:016x}", value(&self.key)).into_bytes());
        SiteFigures {
            mark: value(&self.key),
            pid: 0,
            name: String::from_utf8_lossy(&name).into_owned(),
            requests: value(&self.requests),
            errors: value(&self.errors),
            running_us: value(&self.running_us),
            tx_bytes: value(&self.tx_bytes),
            last_unix: value(&self.last_unix),
            rss_bytes: value(&self.rss_bytes),
        }
    }
}

/// The table. Cheap to share, as [`super::Board`].
#[derive(Debug)]
pub struct SitesBoard {
    arena: Arena,
    header: Place<SitesHeader>,
    /// A power of two of them, and one more for the sites that have none.
    slots: Place<SiteSlot>,
}

impl SitesBoard {
    /// Makes the memory for this many sites. Only what is used of it takes room.
    ///
    /// # Errors
    /// The error of the mapping.
    pub fn new(max: u16) -> io::Result<Arc<Self>> {
        let mut layout = Layout::default();
        let (header, slots) = places(&mut layout, max);
        let board = Self { arena: layout.map()?, header, slots };
        board.header().layout.store(LAYOUT, Relaxed);
        board.header().max.store(max.into(), Relaxed);
        Ok(Arc::new(board))
    }

    /// The table that another process has made.
    ///
    /// # Errors
    /// `InvalidData` where it is none, or of another layout.
    pub fn adopt(file: OwnedFd) -> io::Result<Arc<Self>> {
        let mut layout = Layout::default();
        let place = layout.place::<SitesHeader>(1);
        let header_only = layout.map_existing(file.try_clone()?)?;
        let header = &header_only.slice(&place)[0];
        let max = u16::try_from(header.max.load(Relaxed));
        let (Ok(max), LAYOUT) = (max, header.layout.load(Relaxed)) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut layout = Layout::default();
        let (header, slots) = places(&mut layout, max);
        Ok(Arc::new(Self { arena: layout.map_existing(file)?, header, slots }))
    }

    /// The memory, for a process that is no child of this one.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.arena.file()
    }

    /// The same with the name under which other images of the program look for it.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn named_descriptor(&self) -> io::Result<(String, Arc<OwnedFd>)> {
        Ok((NAME.to_owned(), Arc::new(self.descriptor().try_clone_to_owned()?)))
    }

    /// The name under which it is passed on.
    pub const fn passed_as() -> &'static str {
        NAME
    }

    /// What a site is found by in the figures.
    pub fn mark(key: &[u8]) -> u64 {
        hash(key)
    }

    /// Most sites that have a slot.
    pub fn max(&self) -> u64 {
        self.header().max.load(Relaxed)
    }

    /// The slot of a site, by its key; a new one is called what `name` says.
    pub fn slot(&self, key: &[u8], name: impl FnOnce() -> String) -> &SiteSlot {
        let key = hash(key);
        let (slots, other) = self.slots();
        let start = usize::try_from(key).unwrap_or(0);
        for step in 0..PROBES_MAX.min(slots.len()) {
            let slot = &slots[start.wrapping_add(step) & (slots.len() - 1)];
            let found = slot.key.load(Relaxed);
            if found == key {
                return slot;
            }
            if found != 0 {
                continue;
            }
            match self.claim(slot, key) {
                Claim::Ours => {
                    slot.name.write(&[cut(&name())]);
                    return slot;
                }
                Claim::Theirs(theirs) if theirs == key => return slot,
                Claim::Theirs(_) => {}
                Claim::Full => return other,
            }
        }
        other
    }

    fn claim(&self, slot: &SiteSlot, key: u64) -> Claim {
        let header = self.header();
        let max = header.max.load(Relaxed);
        let more = |claimed: u64| (claimed < max).then_some(claimed + 1);
        if header.claimed.fetch_update(Relaxed, Relaxed, more).is_err() {
            return Claim::Full;
        }
        match slot.key.compare_exchange(0, key, Relaxed, Relaxed) {
            Ok(_) => Claim::Ours,
            Err(theirs) => {
                header.claimed.fetch_sub(1, Relaxed);
                Claim::Theirs(theirs)
            }
        }
    }

    /// All sites that were asked for, the busiest first; last the others that have no slot.
    pub fn figures(&self) -> Vec<SiteFigures> {
        let (slots, other) = self.slots();
        let used = slots.iter().filter(|slot| slot.key.load(Relaxed) != 0);
        let mut figures: Vec<_> = used.map(SiteSlot::figures).collect();
        figures.sort_by(|one, two| two.requests.cmp(&one.requests).then(one.name.cmp(&two.name)));
        let others = SiteFigures { name: "other".to_owned(), ..other.figures() };
        if others.requests > 0 {
            figures.push(others);
        }
        figures
    }

    fn header(&self) -> &SitesHeader {
        &self.arena.slice(&self.header)[0]
    }

    fn slots(&self) -> (&[SiteSlot], &SiteSlot) {
        let all = self.arena.slice(&self.slots);
        let last = all.len() - 1;
        (&all[..last], &all[last])
    }
}

/// What became of the wish for a slot.
enum Claim {
    Ours,
    Theirs(u64),
    Full,
}

fn places(layout: &mut Layout, max: u16) -> (Place<SitesHeader>, Place<SiteSlot>) {
    let slots = (usize::from(max.max(1)) * 2).next_power_of_two();
    (layout.place(1), layout.place(slots + 1))
}

/// FNV-1a with 64 bits: the same in every process and version. Who finds two keys with one hash has his own sites counted
/// together. Never 0.
fn hash(key: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
    let hash = key.iter().fold(OFFSET, step);
    // The low bits choose the slot: the high ones should count too.
    (hash ^ (hash >> 32)).max(1)
}

/// As much of a name as fits, in whole characters.
fn cut(name: &str) -> &[u8] {
    let most = SeqBytes::<NAME_WORDS>::CAPACITY.min(name.len());
    let end = (0..=most).rev().find(|end| name.is_char_boundary(*end)).unwrap_or(0);
    &name.as_bytes()[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: Served =
        Served { error: true, running_us: 5, tx_bytes: 7, began_unix: 9, rss_bytes: 11 };

    #[test]
    fn requests_of_a_site_come_together_over_processes() {
        let board = SitesBoard::new(4).unwrap();
        let other = SitesBoard::adopt(board.descriptor().try_clone_to_owned().unwrap()).unwrap();
        board.slot(b"a", || "A".to_owned()).count(&REQUEST);
        other.slot(b"a", || unreachable!("it has its name")).count(&Served {
            error: false,
            began_unix: 3,
            rss_bytes: 0,
            ..REQUEST
        });
        board.slot(b"b", || "B".to_owned()).count(&REQUEST);
        let [a, b] = &other.figures()[..] else { panic!("{:?}", other.figures()) };
        let expected = SiteFigures {
            mark: SitesBoard::mark(b"a"),
            pid: 0,
            name: "A".to_owned(),
            requests: 2,
            errors: 1,
            running_us: 10,
            tx_bytes: 14,
            last_unix: 9,
            rss_bytes: 11,
        };
        assert_eq!((a, b.name.as_str(), b.requests), (&expected, "B", 1));
    }

    #[test]
    fn sites_without_a_slot_are_counted_together() {
        let board = SitesBoard::new(2).unwrap();
        for site in 0..5_u8 {
            board.slot(&[site], || format!("{site}")).count(&REQUEST);
        }
        let figures = board.figures();
        let found: Vec<_> =
            figures.iter().map(|site| (site.name.as_str(), site.requests)).collect();
        assert_eq!(found, [("0", 1), ("1", 1), ("other", 3)]);
        board.slot(&[1], || unreachable!()).count(&REQUEST);
        assert_eq!(board.figures()[0].requests, 2);
    }

    #[test]
    fn threads_claim_one_slot_for_a_key() {
        let board = SitesBoard::new(600).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for site in 0..500_u32 {
                        board.slot(&site.to_le_bytes(), || site.to_string()).count(&REQUEST);
                    }
                });
            }
        });
        let figures = board.figures();
        assert_eq!(figures.len(), 500);
        assert!(figures.iter().all(|site| site.requests == 8));
        assert_eq!(board.header().claimed.load(Relaxed), 500);
    }

    #[test]
    fn long_names_are_cut_in_whole_characters() {
        let board = SitesBoard::new(1).unwrap();
        board.slot(b"a", || "\u{e9}".repeat(97)).count(&REQUEST);
        assert_eq!(board.figures()[0].name, "\u{e9}".repeat(96));
    }

    #[test]
    fn nobody_can_take_the_memory_away_from_others() {
        let board = SitesBoard::new(4).unwrap();
        let other = std::fs::File::from(board.descriptor().try_clone_to_owned().unwrap());
        assert!(other.set_len(0).is_err(), "whoever looks would be killed");
        board.slot(b"a", || "A".to_owned()).count(&REQUEST);
        assert_eq!(board.figures().len(), 1);
    }

    #[test]
    fn what_others_scribble_is_read_without_harm() {
        use std::os::unix::fs::FileExt;
        let board = SitesBoard::new(4).unwrap();
        board.slot(b"a", || "A".to_owned()).count(&REQUEST);
        let file = std::fs::File::from(board.descriptor().try_clone_to_owned().unwrap());
        let length = file.metadata().unwrap().len() as usize;
        for byte in [0xff, 0x01, 0x00] {
            file.write_all_at(&vec![byte; length], 0).unwrap();
            let figures = board.figures();
            assert!(figures.len() <= 9, "{figures:?}");
            for key in [&b"a"[..], b"b", b"c"] {
                board.slot(key, || "B".to_owned()).count(&REQUEST);
            }
            assert!(board.max() == u64::from_ne_bytes([byte; 8]));
        }
    }

    #[test]
    fn memory_of_others_is_no_table() {
        let file = crate::sys::memory::file_of(c"x", &[1; 4096]).unwrap();
        assert!(SitesBoard::adopt(file.into()).is_err());
    }
}
