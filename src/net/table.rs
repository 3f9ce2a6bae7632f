//! Slots of registered connections, looked up without a lock.
//!
//! A connection lies in its slot only while it is idle; whoever takes it owns the box. Slots are made in
//! chunks that never move, so a token leads to its slot by two loads.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

use parking_lot::Mutex;

use super::claim::Claim;
use super::connection::Connection;

const CHUNK: usize = 256;

/// Which slot, and which of its lives: an event for an earlier connection of the slot does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    index: u32,
    life: u32,
}

impl Token {
    /// The number that epoll carries. Below [`Token::RESERVED`] for every possible slot.
    pub fn to_usize(self) -> usize {
        (self.life as usize) << 32 | self.index as usize
    }

    /// The token of an event.
    pub fn from_usize(value: usize) -> Self {
        Self { index: value as u32, life: (value >> 32) as u32 }
    }

    /// Slot numbers from here on are not slots but the reactor's own tokens.
    pub const RESERVED: usize = 0xffff_0000;
}

/// Why a connection is waiting, and so how long it may. FIFO queues of deadlines each: within a class all waits
/// are equally long (those for a slow body may be shorter, and end late by at most one silence), so the oldest is
/// always first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Wait {
    /// For the rest of a request head.
    Head,
    /// For the rest of a body that is buffered before the application runs.
    Body,
    /// For the first byte of a request.
    KeepAlive,
    /// For the client to take the answer.
    Flush,
    /// For the client's end after ours.
    Linger,
}

impl Wait {
    /// True where the client is to send the next request, or more of the present one.
    pub fn is_for_input(self) -> bool {
        matches!(self, Self::Head | Self::Body | Self::KeepAlive)
    }
}

/// Why a connection rests, and until when.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    /// What it waits for.
    pub wait: Wait,
    /// Monotonic milliseconds at which the wait is over.
    pub deadline_ms: u64,
    /// It came by a listener whose times are its own (`http-timeout`): such connections have queues of their own, so
    /// that in each queue all waits are equally long.
    pub other_times: bool,
}

const WAITS: [Wait; 5] = [Wait::Head, Wait::Body, Wait::KeepAlive, Wait::Flush, Wait::Linger];
const CLASSES: usize = 2 * WAITS.len();
const NO_CLASS: u8 = u8::MAX;

/// Number of a queue.
type Class = u8;

const fn class(wait: Wait, other_times: bool) -> Class {
    wait as u8 + if other_times { WAITS.len() as u8 } else { 0 }
}

/// The place of one registered connection.
#[derive(Default)]
pub struct Slot {
    claim: Claim,
    life: AtomicU32,
    /// Class of the present wait; written by the owner.
    class: AtomicU8,
    /// Monotonic milliseconds at which the present wait is over; written by the owner.
    deadline_ms: AtomicU64,
    /// Bit per class: an entry of this life is in that queue.
    queued: AtomicU16,
    /// An event told of the client's end. Writer: the thread that turns the reactor.
    hung_up: AtomicBool,
    connection: Mutex<Option<Box<Connection>>>,
}

#[derive(Clone, Copy)]
struct Entry {
    token: Token,
    deadline_ms: u64,
}

/// All slots of a worker.
pub struct Table {
    chunks: Vec<OnceLock<Box<[Slot]>>>,
    free: Mutex<Free>,
    queues: [Mutex<VecDeque<Entry>>; CLASSES],
    used: AtomicUsize,
}

#[derive(Default)]
struct Free {
    list: Vec<u32>,
    made: u32,
}

impl Table {
    /// A table of at most `connections_max` connections.
    pub fn new(connections_max: usize) -> Self {
        let capacity = connections_max.clamp(1, Token::RESERVED - CHUNK);
        Self {
            chunks: (0..capacity.div_ceil(CHUNK)).map(|_| OnceLock::new()).collect(),
            free: Mutex::default(),
            queues: Default::default(),
            used: AtomicUsize::new(0),
        }
    }

    /// Registered connections.
    pub fn len(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// True without any registered connection.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True where the next connection needs another one's place.
    pub fn is_full(&self) -> bool {
        self.len() >= self.capacity()
    }

    /// Most connections.
    pub fn capacity(&self) -> usize {
        self.chunks.len() * CHUNK
    }

    fn slot(&self, index: u32) -> &Slot {
        let chunk = &self.chunks[index as usize / CHUNK];
        &chunk.get_or_init(|| (0..CHUNK).map(|_| Slot::default()).collect())[index as usize % CHUNK]
    }

    /// Takes a free slot, busy; `None` when all are used.
    pub fn open(&self) -> Option<Token> {
        let index = {
            let mut free = self.free.lock();
            match free.list.pop() {
                Some(index) => index,
                None if (free.made as usize) < self.capacity() => {
                    free.made += 1;
                    free.made - 1
                }
                None => return None,
            }
        };
        let slot = self.slot(index);
        slot.claim.reset();
        slot.class.store(NO_CLASS, Ordering::Relaxed);
        slot.queued.store(0, Ordering::Relaxed);
        slot.hung_up.store(false, Ordering::Relaxed);
        self.used.fetch_add(1, Ordering::Relaxed);
        Some(Token { index, life: slot.life.load(Ordering::Relaxed) })
    }

    /// Gives a slot back; the caller owns the connection.
    pub fn close(&self, token: Token) {
        let slot = self.slot(token.index);
        slot.life.store(token.life.wrapping_add(1), Ordering::Release);
        self.used.fetch_sub(1, Ordering::Relaxed);
        self.free.lock().list.push(token.index);
    }

    /// Puts a connection to rest until an event or its deadline; gives it back where input came meanwhile.
    pub fn park(
        &self,
        token: Token,
        connection: Box<Connection>,
        rest: Rest,
    ) -> Option<Box<Connection>> {
        let Rest { wait, deadline_ms, other_times } = rest;
        let class = class(wait, other_times);
        let slot = self.slot(token.index);
        {
            // Under the queue's lock, so that whoever expires this class sees class, bit and entry agree.
            let mut queue = self.queues[class as usize].lock();
            slot.class.store(class, Ordering::Relaxed);
            slot.deadline_ms.store(deadline_ms, Ordering::Relaxed);
            let bit = 1 << class;
            // Queued before the claim is given up: after that the slot may already belong to another life.
            if slot.queued.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
                queue.push_back(Entry { token, deadline_ms });
            }
        }
        *slot.connection.lock() = Some(connection);
        if slot.claim.park() {
            return None;
        }
        let mut back = slot.connection.lock().take()?;
        back.hung_up |= slot.hung_up.load(Ordering::Relaxed);
        Some(back)
    }

    /// An event: takes the connection, or tells its owner and returns `None`. `gone`: the client has ended its
    /// direction, which no later event will tell again.
    pub fn notice(&self, token: Token, gone: bool) -> Option<Box<Connection>> {
        let slot = self.live(token)?;
        if gone {
            slot.hung_up.store(true, Ordering::Relaxed);
        }
        match slot.claim.notice() {
            super::claim::Notice::Taken => slot.connection.lock().take(),
            super::claim::Notice::Left => None,
        }
    }

    fn live(&self, token: Token) -> Option<&Slot> {
        if token.index as usize >= self.capacity() {
            return None;
        }
        let slot = self.slot(token.index);
        (slot.life.load(Ordering::Acquire) == token.life).then_some(slot)
    }

    /// Takes connections whose wait is over, with their class.
    pub fn expire(&self, now_ms: u64, expired: &mut Vec<(Wait, Box<Connection>)>) {
        for wait in WAITS {
            while let Some(connection) = self.expire_first(wait, now_ms) {
                expired.push((wait, connection));
            }
        }
    }

    /// Takes a connection that rests in this class, the one that waits longest first.
    pub fn take(&self, wait: Wait) -> Option<Box<Connection>> {
        self.expire_first(wait, u64::MAX)
    }

    /// Takes the connection that waits longest for its next request, to make room for a new one.
    pub fn evict(&self) -> Option<Box<Connection>> {
        self.expire_first(Wait::KeepAlive, u64::MAX)
    }

    fn expire_first(&self, wait: Wait, now_ms: u64) -> Option<Box<Connection>> {
        self.expire_class(class(wait, false), now_ms)
            .or_else(|| self.expire_class(class(wait, true), now_ms))
    }

    fn expire_class(&self, class: Class, now_ms: u64) -> Option<Box<Connection>> {
        let mut queue = self.queues[class as usize].lock();
        let mut busy = 0;
        while queue.front().is_some_and(|entry| entry.deadline_ms <= now_ms) {
            let entry = queue.pop_front()?;
            let Some(slot) = self.live(entry.token) else { continue };
            if slot.class.load(Ordering::Relaxed) != class {
                slot.queued.fetch_and(!(1 << class), Ordering::Relaxed);
                continue;
            }
            let deadline_ms = slot.deadline_ms.load(Ordering::Relaxed);
            if deadline_ms > now_ms {
                // The connection was served meanwhile and waits anew.
                queue.push_back(Entry { deadline_ms, ..entry });
                continue;
            }
            if !slot.claim.take() {
                // Busy: looked at again later. The entry must stay, its owner counts on the bit in `queued`.
                const BUSY_RECHECK_MS: u64 = 1000;
                queue
                    .push_back(Entry { deadline_ms: entry.deadline_ms + BUSY_RECHECK_MS, ..entry });
                busy += 1;
                if busy > queue.len() {
                    return None;
                }
                continue;
            }
            let changed =
                self.live(entry.token).is_none() || slot.class.load(Ordering::Relaxed) != class;
            if changed && slot.claim.park() {
                // Between our look and our claim it was served and rests for another reason.
                slot.queued.fetch_and(!(1 << class), Ordering::Relaxed);
                continue;
            }
            slot.queued.fetch_and(!(1 << class), Ordering::Relaxed);
            return slot.connection.lock().take();
        }
        None
    }

    /// Earliest possible deadline, in monotonic milliseconds.
    pub fn next_deadline(&self) -> Option<u64> {
        self.queues
            .iter()
            .filter_map(|queue| queue.lock().front().map(|entry| entry.deadline_ms))
            .min()
    }
}
