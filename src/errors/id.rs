//! Names of requests, so that an answer is found again in the log.

use std::fmt;

/// Longest id of somebody else's that is taken over, in bytes.
pub const ID_BYTES_MAX: usize = 128;
/// Bits of a made id's number that count; the others tell who counted.
const COUNT_BITS: u32 = 48;

/// Bytes that may stand in an id wherever one is shown.
const GOOD: [bool; 256] = {
    let mut good = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        let marks =
            matches!(byte as u8, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b':' | b'@');
        good[byte] = marks || (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    good
};

/// The id of a request: that of a proxy, or one that is only written out when somebody wants to see it.
///
/// A made one has 32 hexadecimal digits: 64 bits that a worker has drawn when it started, 16 for who counts in it, and
/// 48 for the count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestId<'a> {
    /// As it came.
    Taken(&'a str),
    /// This worker's.
    Made {
        /// The worker's bits.
        seed: u64,
        /// Who counts, and the count.
        number: u64,
    },
}

/// Who counts requests in a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counter {
    /// A request thread, by its number: requests that have begun.
    Core(u16),
    /// The reactor: input that became none.
    Refusals,
}

impl<'a> RequestId<'a> {
    /// What somebody else has called a request, where it may stand anywhere: in heads, in HTML, in JSON, in the log.
    pub fn taken(text: &'a [u8]) -> Option<Self> {
        let good = |byte: &u8| GOOD[usize::from(*byte)];
        if text.is_empty() || text.len() > ID_BYTES_MAX || !text.iter().all(good) {
            return None;
        }
        str::from_utf8(text).ok().map(Self::Taken)
    }

    /// The `count`-th of a counter, in the worker that has drawn `seed`.
    pub fn made(seed: u64, counter: Counter, count: u64) -> Self {
        let counter = match counter {
            Counter::Core(core) => u64::from(core),
            Counter::Refusals => u64::from(u16::MAX),
        };
        Self::Made { seed, number: counter << COUNT_BITS | count & ((1 << COUNT_BITS) - 1) }
    }

    /// Appends it.
    pub fn write(self, out: &mut Vec<u8>) {
        const HEX: &[u8; 16] = b"0123456789abcdef";
        match self {
            Self::Taken(text) => out.extend_from_slice(text.as_bytes()),
            Self::Made { seed, number } => {
                for word in [seed, number] {
                    let digit = |place: u32| HEX[(word >> (60 - 4 * place) & 15) as usize];
                    out.extend((0..16).map(digit));
                }
            }
        }
    }
}

impl fmt::Display for RequestId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken(text) => f.write_str(text),
            Self::Made { seed, number } => write!(f, "{seed:016x}{number:016x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_ids_differ_by_worker_counter_and_count() {
        let ids = [
            RequestId::made(1, Counter::Core(0), 1),
            RequestId::made(2, Counter::Core(0), 1),
            RequestId::made(1, Counter::Core(1), 1),
            RequestId::made(1, Counter::Core(0), 2),
            RequestId::made(1, Counter::Refusals, 1),
        ];
        for (at, id) in ids.iter().enumerate() {
            let mut bytes = Vec::new();
            id.write(&mut bytes);
            assert_eq!(bytes, id.to_string().into_bytes());
            assert_eq!(bytes.len(), 32);
            assert!(RequestId::taken(&bytes).is_some(), "another server takes it");
            assert!(!ids[..at].contains(id));
        }
    }

    #[test]
    fn only_plain_ids_are_taken() {
        for good in ["a", "7f3c-11_2", "Root=1-67:abc/+.~@", &"x".repeat(ID_BYTES_MAX)] {
            assert_eq!(RequestId::taken(good.as_bytes()), Some(RequestId::Taken(good)));
        }
        for bad in ["", "a b", "a\"b", "<b>", "a,b", "ä", "a\r\nb", &"x".repeat(ID_BYTES_MAX + 1)]
        {
            assert_eq!(RequestId::taken(bad.as_bytes()), None, "{bad:?}");
        }
    }
}
