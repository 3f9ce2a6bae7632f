//! What master and worker say to each other, one type per direction, a few bytes each.
//!
//! Signals stay for people (`kill -HUP PID`); between our own processes a message cannot be confused
//! with what the application does with signals, and it carries which core is meant.

use uwsgi_plugin_api::CoreId;

use crate::config::model::site_spec::SiteSpec;
pub use crate::supervisor::exit_code;

/// Longest encoded message in bytes, but those about sites.
pub const MESSAGE_BYTES: usize = 3;

/// How messages about sites begin.
const ASK: u8 = b'S';
const GRANT: u8 = b'G';
const REFUSE: u8 = b'R';

/// A worker's question for the channel of a site.
pub fn ask_for_site(spec: &SiteSpec) -> Vec<u8> {
    [&[ASK][..], &spec.encode()].concat()
}

/// The site of such a question; `None` for other messages.
pub fn asked_site(bytes: &[u8]) -> Option<SiteSpec> {
    SiteSpec::decode(bytes.strip_prefix(&[ASK])?)
}

/// The master's answer; the channel of one that is granted comes with it.
pub fn answer_site(key: &[u8], granted: bool) -> Vec<u8> {
    [&[if granted { GRANT } else { REFUSE }][..], key].concat()
}

/// The key that an answer is for, and whether it is granted; `None` for other messages.
pub fn answered_site(bytes: &[u8]) -> Option<(&[u8], bool)> {
    match bytes {
        [GRANT, key @ ..] if key.len() >= MESSAGE_BYTES => Some((key, true)),
        [REFUSE, key @ ..] if key.len() >= MESSAGE_BYTES => Some((key, false)),
        _ => None,
    }
}

/// From the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToWorker {
    /// Take nothing new, finish what runs, give what rests to other workers, end with [`exit_code::RECYCLE`]. What
    /// SIGHUP does.
    Drain,
    /// Workers that come after have not got this listener: its connections are finished here, and the worker stays until
    /// `LetGo`. Comes before `Drain`.
    Abandon {
        /// Its number, in the order of the worker's generation.
        listener: u16,
    },
    /// Neither master nor mold has the abandoned listeners any more, or another worker sees to them: take what waits
    /// there, and leave them.
    LetGo,
    /// Nobody comes after: serve what waits in the listeners' queues and what runs, close what rests, end with
    /// [`exit_code::END`].
    Finish,
    /// End now, with exit hooks ([`exit_code::END`]). What SIGINT and SIGTERM do.
    Stop,
    /// The request on this core has run out of time: log its stack, answer 504 where nothing was sent,
    /// take nothing new, finish the other cores' requests, hand over what was not started, then end by
    /// SIGKILL.
    Harakiri {
        /// The stuck core.
        core: CoreId,
    },
    /// The request on this core takes long: log its stack. One that is not old enough is another one.
    LogStack {
        /// The slow core.
        core: CoreId,
    },
    /// The request on this core takes too long: answer 504 where nothing was sent, and raise an exception in it.
    /// One that is not old enough is another one.
    Interrupt {
        /// The slow core.
        core: CoreId,
    },
    /// Log the stacks of all request threads.
    Stacks,
    /// Take nothing new until `Resume`; what runs goes on.
    Pause,
    /// Take requests again.
    Resume,
    /// Serve on, and tell clients that keep connections to go elsewhere.
    LameDuck,
    /// Open the log file anew.
    ReopenLog,
}

/// From a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromWorker {
    /// The application is loaded and connections are accepted.
    Ready,
    /// It takes nothing new and ends by itself when its requests are done (SIGHUP by hand). From here on
    /// mercy is limited.
    Draining,
    /// It has done its share (`max-requests`, `reload-on-*`): it serves on until it is told to end, so that its
    /// successor can be up first.
    Spent,
    /// The application asked for a graceful reload of the instance (`uwsgi.reload()`).
    Reload,
    /// The application asked to stop the instance (`uwsgi.stop()`).
    StopInstance,
    /// A hook of this worker failed: it ends, and with it what it was to be a part of.
    HookFailed,
}

impl ToWorker {
    /// Its bytes: a tag, and for a core or a listener its number.
    pub fn encode(self) -> [u8; MESSAGE_BYTES] {
        let (tag, number) = match self {
            Self::Drain => (b'd', 0),
            Self::Abandon { listener } => (b'a', listener),
            Self::LetGo => (b'g', 0),
            Self::Finish => (b'f', 0),
            Self::Stop => (b's', 0),
            Self::Harakiri { core } => (b'h', core.0),
            Self::LogStack { core } => (b'k', core.0),
            Self::Interrupt { core } => (b'i', core.0),
            Self::Stacks => (b't', 0),
            Self::Pause => (b'p', 0),
            Self::Resume => (b'r', 0),
            Self::LameDuck => (b'm', 0),
            Self::ReopenLog => (b'l', 0),
        };
        let [low, high] = number.to_le_bytes();
        [tag, low, high]
    }

    /// The message in `bytes`; `None` for what no master sends.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let &[tag, low, high] = bytes else { return None };
        let number = u16::from_le_bytes([low, high]);
        let core = CoreId(number);
        Some(match tag {
            b'd' => Self::Drain,
            b'a' => Self::Abandon { listener: number },
            b'g' => Self::LetGo,
            b'f' => Self::Finish,
            b's' => Self::Stop,
            b'h' => Self::Harakiri { core },
            b'k' => Self::LogStack { core },
            b'i' => Self::Interrupt { core },
            b't' => Self::Stacks,
            b'p' => Self::Pause,
            b'r' => Self::Resume,
            b'm' => Self::LameDuck,
            b'l' => Self::ReopenLog,
            _ => return None,
        })
    }
}

impl FromWorker {
    /// Its byte.
    pub fn encode(self) -> [u8; 1] {
        [match self {
            Self::Ready => b'r',
            Self::Draining => b'd',
            Self::Spent => b'e',
            Self::Reload => b'l',
            Self::StopInstance => b's',
            Self::HookFailed => b'h',
        }]
    }

    /// The message in `bytes`; `None` for what no worker sends.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let &[tag] = bytes else { return None };
        Some(match tag {
            b'r' => Self::Ready,
            b'd' => Self::Draining,
            b'e' => Self::Spent,
            b'l' => Self::Reload,
            b's' => Self::StopInstance,
            b'h' => Self::HookFailed,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_its_bytes() {
        for number in [0, 1, 255, 256, u16::MAX] {
            let core = CoreId(number);
            for message in [
                ToWorker::Harakiri { core },
                ToWorker::LogStack { core },
                ToWorker::Interrupt { core },
                ToWorker::Abandon { listener: number },
            ] {
                assert_eq!(ToWorker::decode(&message.encode()), Some(message));
            }
        }
        use ToWorker::{Drain, Finish, LameDuck, LetGo, Pause, ReopenLog, Resume, Stacks, Stop};
        for message in [Drain, LetGo, Finish, Stop, Stacks, Pause, Resume, LameDuck, ReopenLog] {
            assert_eq!(ToWorker::decode(&message.encode()), Some(message));
        }
        use FromWorker::{Draining, HookFailed, Ready, Reload, Spent, StopInstance};
        for message in [Ready, Draining, Spent, Reload, StopInstance, HookFailed] {
            assert_eq!(FromWorker::decode(&message.encode()), Some(message));
        }
    }

    #[test]
    fn questions_for_sites_are_no_other_message() {
        let spec = SiteSpec { key: b"s\0a\0b".to_vec(), name: "a".into(), ..SiteSpec::default() };
        let question = ask_for_site(&spec);
        assert_eq!(
            (asked_site(&question), FromWorker::decode(&question)),
            (Some(spec.clone()), None)
        );
        for granted in [true, false] {
            let answer = answer_site(&spec.key, granted);
            assert_eq!(answered_site(&answer), Some((&spec.key[..], granted)));
            assert_eq!(ToWorker::decode(&answer), None);
        }
        assert_eq!(answered_site(&ToWorker::Drain.encode()), None);
        assert_eq!(asked_site(b"r"), None);
    }

    #[test]
    fn other_bytes_are_no_message() {
        for bytes in [&b""[..], b"d", b"dd", b"x00", b"d000"] {
            assert_eq!(ToWorker::decode(bytes), None);
        }
        for bytes in [&b""[..], b"x", b"rr"] {
            assert_eq!(FromWorker::decode(bytes), None);
        }
    }
}
