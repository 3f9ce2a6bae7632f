//! What of the supervisor the next image of the master goes on with.

use uwsgi_plugin_api::WorkerId;

use super::decisions::Phase;
use super::fleet::{Fleet, Process, Stage};
use super::molds::Molds;
use super::post::Post;
use super::reload::Reload;
use super::scale::Scale;
use super::wanted::Wanted;
use super::{Generation, Millis, Pid, Seat, Settings, Supervisor};

/// Everything that cannot be found out again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Saved {
    /// The generation in charge.
    pub generation: Generation,
    /// Number of the last reload.
    pub round: u32,
    /// `processes` of its configuration.
    pub workers: u16,
    /// How many of them are wanted now.
    pub wanted: u16,
    /// Those that are not.
    pub absent: Vec<WorkerId>,
    /// The next connection is waited for.
    pub asleep: bool,
    /// Their number followed the load.
    pub automatic: bool,
    /// Workers take nothing new.
    pub paused: bool,
    /// Another reload is to follow at once; whether a brutal one.
    pub again: Option<bool>,
    /// Molds that were told to end, and when they are killed.
    pub leaving_molds: Vec<(Generation, Millis)>,
    /// All worker processes.
    pub processes: Vec<SavedProcess>,
}

/// A worker process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedProcess {
    /// Its number.
    pub worker: WorkerId,
    /// Its place.
    pub seat: Seat,
    /// Its process id.
    pub pid: Pid,
    /// When it was spawned.
    pub spawned: Millis,
    /// It serves; if not, it leaves.
    pub serving: bool,
    /// When a leaving one is killed.
    pub kill_at: Millis,
}

impl Supervisor {
    /// Goes on where another image of the master stopped; no `Start` follows.
    pub fn resume(settings: Settings, saved: &Saved, now: Millis) -> Self {
        Self {
            phase: Phase::Serving,
            fleet: saved.fleet(now),
            posts: saved.posts(),
            molds: Molds::resume((saved.generation, saved.workers), &saved.leaving_molds),
            target: saved.generation,
            reload: Reload::resume(
                saved.generation,
                saved.round,
                saved.again.map(|brutal| (brutal, now + 1)),
            ),
            wanted: saved.wanted(settings.scaling.least.is_some()),
            scale: Scale::resume(&settings, saved.asleep, now),
            paused: saved.paused,
            ever_ready: true,
            ..Self::new(settings, now)
        }
    }

    /// What [`Supervisor::resume`] needs; to be asked when `Reexec` is.
    pub fn save(&self, now: Millis) -> Saved {
        Saved {
            generation: self.target,
            round: self.reload.round,
            workers: self.posts.len() as u16,
            wanted: self.wanted.count(),
            absent: self.wanted.absent(),
            asleep: self.scale.asleep,
            automatic: self.scale.is_automatic(),
            paused: self.paused,
            again: self.reload.again(),
            leaving_molds: self.molds.leaving(now, self.settings.reload_mercy_ms),
            processes: self
                .fleet
                .0
                .iter()
                .filter_map(|process| SavedProcess::of(process, now))
                .collect(),
        }
    }
}

impl Saved {
    /// Who is to run on; `automatic` is whether their number follows the load from now on.
    pub(super) fn wanted(&self, automatic: bool) -> Wanted {
        match (self.automatic && !automatic && !self.asleep, self.absent.is_empty()) {
            (true, _) => Wanted::first(self.workers, self.workers),
            // As another version of the program left it.
            (false, true) => Wanted::first(self.wanted, self.workers),
            (false, false) => Wanted::all_but(&self.absent, self.workers),
        }
    }

    pub(super) fn fleet(&self, now: Millis) -> Fleet {
        let process = |saved: &SavedProcess| {
            let mut process = Process::new(saved.seat, saved.worker, false, saved.spawned);
            process.pid = Some(saved.pid);
            process.ready = true;
            process.quit = !saved.serving;
            process.stage = match saved.serving {
                true => Stage::Serving,
                false => Stage::Leaving { since: now, kill_at: saved.kill_at, graceful: true },
            };
            process
        };
        Fleet(self.processes.iter().map(process).collect())
    }

    pub(super) fn posts(&self) -> Vec<Post> {
        vec![Post { manned: true, ..Post::default() }; usize::from(self.workers)]
    }
}

impl SavedProcess {
    /// `None` for a process that has no id yet, and for one that boots: the next image would not know what for.
    pub(super) fn of(process: &Process, now: Millis) -> Option<Self> {
        Some(Self {
            worker: process.worker,
            seat: process.seat,
            pid: process.pid?,
            spawned: process.spawned,
            serving: process.stage == Stage::Serving,
            kill_at: match process.stage {
                Stage::Leaving { kill_at, .. } => kill_at,
                Stage::Killed { .. } | Stage::Booting | Stage::Serving => now + 1,
            },
        })
    }
}
