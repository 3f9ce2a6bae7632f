//! Three threads for what blocks: one changes the instance (a reload takes as long as the application), one asks it for its load
//! and its configuration, one looks up names of seeds.
//!
//! Orders and results are counted in tens, so queues are short; an order that has no room is refused, not waited for.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Scope;
use std::time::Duration;

use mio::Waker;
use uwsgi_plugin_api::Instance;
use uwsgi_plugin_api::cluster::{Load, Options};

use super::clock;
use crate::id::RollId;
use crate::node::Wanted;
use crate::plan::Seed;

/// Orders that wait for a thread.
const ORDERS_MAX: usize = 16;
/// Results that wait for the loop.
const RESULTS_MAX: usize = 64;
/// How long an instance that has reloaded may take to say what it runs, and how often it is asked; in milliseconds.
const SETTLE_MS_MAX: u64 = 10_000;
const SETTLE_EVERY: u64 = 50;
/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 8;

/// What is to be asked.
pub(super) enum Question {
    /// The load of the instance, and where it serves.
    Load,
    /// The configuration of the instance.
    Config,
    /// Addresses of seeds.
    Seeds(Vec<Seed>),
}

/// What came of it.
pub(super) enum Outcome {
    Load(Option<Load>, String),
    Config(Result<(u64, Options), String>),
    Seeds(Vec<SocketAddr>),
    Applied(RollId, Result<(), String>),
}

/// The threads, as the loop has them. They end when it is dropped.
pub(super) struct Workshop {
    changes: SyncSender<(RollId, Wanted)>,
    questions: SyncSender<Question>,
    errands: SyncSender<Question>,
    outcomes: Receiver<Outcome>,
}

/// Where a thread puts its results.
struct Desk<'a> {
    outcomes: SyncSender<Outcome>,
    waker: &'a Waker,
}

impl Desk<'_> {
    /// False where nobody takes results any more.
    fn put(&self, outcome: Outcome) -> bool {
        let put = self.outcomes.send(outcome).is_ok();
        put && self.waker.wake().is_ok()
    }
}

impl Workshop {
    pub(super) fn open<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        instance: &'env dyn Instance,
        waker: &'env Waker,
    ) -> Self {
        let (changes, ordered) = sync_channel(ORDERS_MAX);
        let (questions, asked) = sync_channel(ORDERS_MAX);
        let (put, outcomes) = sync_channel(RESULTS_MAX);
        let desk = Desk { outcomes: put.clone(), waker };
        scope.spawn(move || change_all(&ordered, instance, &desk));
        let desk = Desk { outcomes: put.clone(), waker };
        scope.spawn(move || answer_all(&asked, instance, &desk));
        let (errands, sent) = sync_channel(ORDERS_MAX);
        let desk = Desk { outcomes: put, waker };
        scope.spawn(move || answer_all(&sent, instance, &desk));
        Self { changes, questions, errands, outcomes }
    }

    /// Has the instance changed; the outcome comes later. False: there is no room.
    pub(super) fn change(&self, roll: RollId, wanted: Wanted) -> bool {
        self.changes.try_send((roll, wanted)).is_ok()
    }

    /// Has something asked; the outcome comes later. False: there is no room.
    pub(super) fn ask(&self, question: Question) -> bool {
        let thread = match question {
            Question::Load | Question::Config => &self.questions,
            Question::Seeds(_) => &self.errands,
        };
        thread.try_send(question).is_ok()
    }

    /// What has come of orders.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        self.outcomes.try_recv().ok()
    }
}

fn config(instance: &dyn Instance) -> Outcome {
    Outcome::Config(instance.config().map_err(|error| error.to_string()))
}

fn answer_all(asked: &Receiver<Question>, instance: &dyn Instance, desk: &Desk<'_>) {
    while let Ok(question) = asked.recv() {
        let outcome = match question {
            Question::Load => Outcome::Load(instance.load(), instance.address()),
            Question::Config => config(instance),
            Question::Seeds(seeds) => Outcome::Seeds(resolve(&seeds)),
        };
        if !desk.put(outcome) {
            return;
        }
    }
}

/// Addresses of seeds. A name that is not known yet has none.
pub(super) fn resolve(seeds: &[Seed]) -> Vec<SocketAddr> {
    let addresses = seeds.iter().flat_map(|seed| {
        let found = (seed.host.as_str(), seed.port).to_socket_addrs().ok();
        found.into_iter().flatten().take(ADDRESSES_MAX)
    });
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses
}

fn change_all(ordered: &Receiver<(RollId, Wanted)>, instance: &dyn Instance, desk: &Desk<'_>) {
    let mut before = None;
    while let Ok((roll, wanted)) = ordered.recv() {
        let result = change(instance, wanted, &mut before);
        // First what it runs, then that it does: who waits for both finds both.
        if !desk.put(config(instance)) || !desk.put(Outcome::Applied(roll, result)) {
            return;
        }
    }
}

/// Waits until the instance says that it runs this: the answer to a reload comes a moment earlier. Until then this node would tell
/// others what it does not run any more, and one that starts would fetch even that.
fn settle(instance: &dyn Instance, wanted: u64) {
    let end = clock::monotonic() + SETTLE_MS_MAX;
    let runs = || instance.config().is_ok_and(|(version, _)| version == wanted);
    while !runs() && clock::monotonic() < end {
        std::thread::sleep(Duration::from_millis(SETTLE_EVERY));
    }
}

/// What was staged before the last change, once there was one.
type Before = Option<Option<(u64, Options)>>;

fn change(instance: &dyn Instance, wanted: Wanted, before: &mut Before) -> Result<(), String> {
    let text = |error: uwsgi_plugin_api::PluginError| error.to_string();
    let stage = |config: &Option<(u64, Options)>| {
        instance.stage(config.as_ref().map(|(version, options)| (*version, options)))
    };
    let was = instance.staged();
    let next = match wanted {
        Wanted::Same => {
            *before = Some(was);
            return instance.reload().map_err(text);
        }
        Wanted::These(version, options) => Some((version, options)),
        Wanted::Before => before.clone().ok_or("nothing was changed before")?,
        Wanted::Back { from, version, options } => match &was {
            Some((staged, _)) if *staged == from => Some((version, options)),
            _ => return Ok(()),
        },
    };
    stage(&next).map_err(text)?;
    match instance.reload() {
        Ok(()) => {
            settle(instance, next.map_or(0, |(version, _)| version));
            *before = Some(was);
            Ok(())
        }
        Err(error) => match stage(&was) {
            Ok(()) => Err(error.to_string()),
            Err(second) => Err(format!("{error}; and what it ran is not staged again: {second}")),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU32, Ordering};

    use uwsgi_plugin_api::PluginError;
    use uwsgi_plugin_api::cluster::ClusterView;

    use super::*;

    type Config = Option<(u64, Options)>;

    /// An instance whose next image says what it runs some time after the reload was answered.
    #[derive(Default)]
    struct Slow {
        staged: Mutex<Config>,
        runs: Mutex<Config>,
        questions_left: AtomicU32,
    }

    impl Instance for Slow {
        fn publish(&self, _: &ClusterView, _: u64) {}
        fn drain(&self, _: bool) {}
        fn is_draining(&self) -> bool {
            false
        }
        fn load(&self) -> Option<Load> {
            None
        }
        fn address(&self) -> String {
            String::new()
        }
        fn config(&self) -> Result<(u64, Options), PluginError> {
            if self.questions_left.fetch_sub(1, Ordering::Relaxed) == 1 {
                *self.runs.lock().unwrap() = self.staged();
            }
            Ok(self.runs.lock().unwrap().clone().unwrap_or_default())
        }
        fn stage(&self, config: Option<(u64, &Options)>) -> Result<(), PluginError> {
            *self.staged.lock().unwrap() =
                config.map(|(version, options)| (version, options.clone()));
            Ok(())
        }
        fn staged(&self) -> Config {
            self.staged.lock().unwrap().clone()
        }
        fn reload(&self) -> Result<(), PluginError> {
            self.questions_left.store(3, Ordering::Relaxed);
            Ok(())
        }
    }

    #[test]
    fn a_change_is_made_when_the_instance_runs_it() {
        let (instance, mut before) = (Slow::default(), None);
        let these = |version| Wanted::These(version, Options::new());
        for (wanted, runs) in [(these(7), 7), (these(8), 8), (Wanted::Before, 7)] {
            assert_eq!(change(&instance, wanted, &mut before), Ok(()));
            assert_eq!(instance.config().map(|(version, _)| version).ok(), Some(runs));
        }
    }

    #[test]
    fn who_does_not_know_what_was_before_goes_back_from_that_change_alone() {
        let instance = Slow::default();
        let these = Wanted::These(7, Options::new());
        assert_eq!(change(&instance, these, &mut None), Ok(()));
        // Another process of the node is told.
        let back = |from| Wanted::Back { from, version: 5, options: Options::new() };
        for (from, staged) in [(6, 7), (7, 5), (7, 5)] {
            assert_eq!(change(&instance, back(from), &mut None), Ok(()));
            assert_eq!(instance.staged().map(|(version, _)| version), Some(staged));
        }
    }
}
