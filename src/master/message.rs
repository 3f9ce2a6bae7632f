//! What master and mold say to each other, one type per direction, a few bytes each; descriptors go along.
//!
//! A mold may be a newer image of the program than the master: what a message means never changes, a new one gets a
//! new tag.

use uwsgi_plugin_api::WorkerId;

use crate::supervisor::{PlaceId, Trial};

/// Longest encoded message in bytes: a listener's name.
pub(super) const MESSAGE_BYTES: usize = 4096;

/// From the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ToMold {
    /// Fork a worker; with it comes the worker's end of its channel.
    Spawn { place: PlaceId, worker: WorkerId, trial: Trial },
    /// End. So does the end of file.
    End,
    /// Open the log file anew.
    ReopenLog,
}

/// From a mold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FromMold {
    /// With it comes its scoreboard.
    Board,
    /// With it comes a listening socket that has this name.
    Listener(String),
    /// With it comes what its configuration was read from.
    Sources,
    /// It can fork; its configuration has so many workers.
    Loaded { workers: u16 },
    /// The answer to `Spawn`.
    Spawned { place: PlaceId, pid: i32 },
    /// The other answer, with the system's error.
    SpawnFailed { place: PlaceId, error: i32 },
}

impl ToMold {
    pub(super) fn encode(self) -> Vec<u8> {
        match self {
            Self::Spawn { place, worker, trial } => {
                let mut bytes = vec![b'w'];
                bytes.extend(place.0.to_le_bytes());
                bytes.extend(worker.0.to_le_bytes());
                bytes.push(match trial {
                    Trial::None => 0,
                    Trial::Load => 1,
                    Trial::Check => 2,
                });
                bytes
            }
            Self::End => vec![b'q'],
            Self::ReopenLog => vec![b'l'],
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        Some(match *bytes {
            [b'w', p0, p1, w0, w1, trial] => Self::Spawn {
                place: PlaceId(u16::from_le_bytes([p0, p1])),
                worker: WorkerId(u16::from_le_bytes([w0, w1])),
                trial: match trial {
                    0 => Trial::None,
                    1 => Trial::Load,
                    _ => Trial::Check,
                },
            },
            [b'q'] => Self::End,
            [b'l'] => Self::ReopenLog,
            _ => return None,
        })
    }
}

impl FromMold {
    pub(super) fn encode(&self) -> Vec<u8> {
        let numbered = |tag: u8, place: PlaceId, number: i32| {
            let mut bytes = vec![tag];
            bytes.extend(place.0.to_le_bytes());
            bytes.extend(number.to_le_bytes());
            bytes
        };
        match self {
            Self::Board => vec![b'b'],
            Self::Listener(name) => [b"s", name.as_bytes()].concat(),
            Self::Sources => vec![b'c'],
            Self::Loaded { workers } => {
                let [low, high] = workers.to_le_bytes();
                vec![b'r', low, high]
            }
            Self::Spawned { place, pid } => numbered(b'p', *place, *pid),
            Self::SpawnFailed { place, error } => numbered(b'f', *place, *error),
        }
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let place = |low, high| PlaceId(u16::from_le_bytes([low, high]));
        Some(match *bytes {
            [b'b'] => Self::Board,
            [b's', ref name @ ..] => Self::Listener(String::from_utf8(name.to_vec()).ok()?),
            [b'c'] => Self::Sources,
            [b'r', low, high] => Self::Loaded { workers: u16::from_le_bytes([low, high]) },
            [b'p', p0, p1, a, b, c, d] => {
                Self::Spawned { place: place(p0, p1), pid: i32::from_le_bytes([a, b, c, d]) }
            }
            [b'f', p0, p1, a, b, c, d] => {
                Self::SpawnFailed { place: place(p0, p1), error: i32::from_le_bytes([a, b, c, d]) }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_its_bytes() {
        let spawn =
            ToMold::Spawn { place: PlaceId(258), worker: WorkerId(772), trial: Trial::Check };
        for message in [spawn, ToMold::End, ToMold::ReopenLog] {
            assert_eq!(ToMold::decode(&message.encode()), Some(message));
        }
        for message in [
            FromMold::Board,
            FromMold::Listener("127.0.0.1:80".to_owned()),
            FromMold::Sources,
            FromMold::Loaded { workers: 513 },
            FromMold::Spawned { place: PlaceId(3), pid: 4_000_000 },
            FromMold::SpawnFailed { place: PlaceId(3), error: 11 },
        ] {
            assert_eq!(FromMold::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn other_bytes_are_no_message() {
        for bytes in [&b""[..], b"w", b"q1", b"x", b"p123", b"r1"] {
            assert_eq!((ToMold::decode(bytes), FromMold::decode(bytes)), (None, None), "{bytes:?}");
        }
    }
}
