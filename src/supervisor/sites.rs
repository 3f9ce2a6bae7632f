//! When the processes of a site are started, how long a failure is waited after, and when what leaves is killed.
//!
//! ```text
//!          somebody asks                    it ends by itself
//!   Idle ----------------> Up{instance} ---------------------------> Idle, or Resting where it died
//!    ^                      | told to end (reload, stop)              |
//!    +----------------------+--> among the leaving, killed in time    +--> Idle after its pause
//! ```
//! An instance that was told to end finishes its requests beside the next one.

use super::{Ended, Millis, Pid};

/// An instance that ends younger than this ends "at once".
const QUICK_DEATH_MS: u64 = 3_000;
/// Each death at once in a row, after the first, makes the pause so much longer.
const THROTTLE_STEP_MS: u64 = 1_000;
/// No pause is longer.
const THROTTLE_MAX_MS: u64 = 30_000;
/// After so many deaths at once in a row, something that answers 500 takes the place of the site.
const DEATHS_MAX: u32 = 5;

/// The processes of one site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    state: State,
    leaving: Vec<Leaving>,
    /// Deaths at once in a row.
    quick_deaths: u32,
    /// It cannot be started: something else answers in its place.
    stand_in: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Resting { until: Millis },
    Up { pid: Pid, since: Millis },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaving {
    pid: Pid,
    /// `None` once it was killed.
    kill_at: Option<Millis>,
}

/// What the end of a process was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It had nothing to do, or wanted to be started anew.
    Idle,
    /// It had been told to.
    Told,
    /// It died, and the next one is not started before so many milliseconds are over.
    Died {
        /// The pause.
        pause_ms: u64,
    },
}

impl Default for Life {
    fn default() -> Self {
        Self { state: State::Idle, leaving: Vec::new(), quick_deaths: 0, stand_in: false }
    }
}

impl Life {
    /// One that another image of the master has started.
    pub fn resumed(up: Option<(Pid, Millis)>, leaving: Vec<(Pid, Millis)>) -> Self {
        let leaving =
            leaving.into_iter().map(|(pid, kill_at)| Leaving { pid, kill_at: Some(kill_at) });
        Self {
            state: up.map_or(State::Idle, |(pid, since)| State::Up { pid, since }),
            leaving: leaving.collect(),
            ..Self::default()
        }
    }

    /// Whether somebody who asks has it started.
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// No process of it is left.
    pub fn is_quiet(&self) -> bool {
        !matches!(self.state, State::Up { .. }) && self.leaving.is_empty()
    }

    /// The process that serves, and since when.
    pub fn up(&self) -> Option<(Pid, Millis)> {
        match self.state {
            State::Up { pid, since } => Some((pid, since)),
            _ => None,
        }
    }

    /// Those that were told to end, and when they are killed.
    pub fn leaving(&self) -> impl Iterator<Item = (Pid, Millis)> {
        self.leaving.iter().map(|one| (one.pid, one.kill_at.unwrap_or(Millis(0))))
    }

    /// Whether the next process only answers 500.
    pub fn wants_stand_in(&self) -> bool {
        self.stand_in
    }

    /// Its processes were started.
    pub fn started(&mut self, pid: Pid, now: Millis) {
        self.state = State::Up { pid, since: now };
    }

    /// They could not be.
    pub fn start_failed(&mut self, now: Millis) -> u64 {
        self.died(true, now)
    }

    /// Has the process that serves end; it is killed at `kill_at`. `None` where there is none.
    pub fn leave(&mut self, kill_at: Millis) -> Option<Pid> {
        let (pid, _) = self.up()?;
        self.state = State::Idle;
        // What is new may be better.
        (self.quick_deaths, self.stand_in) = (0, false);
        self.leaving.push(Leaving { pid, kill_at: Some(kill_at) });
        Some(pid)
    }

    /// What leaves is killed at this moment, or before.
    pub fn hurry(&mut self, kill_at: Millis) {
        for one in &mut self.leaving {
            one.kill_at = one.kill_at.map(|at| at.min(kill_at));
        }
    }

    /// A process has ended; `None` where it was not of this site.
    pub fn ended(&mut self, pid: Pid, ended: Ended, now: Millis) -> Option<End> {
        if let Some(at) = self.leaving.iter().position(|one| one.pid == pid) {
            self.leaving.remove(at);
            return Some(End::Told);
        }
        let (_, since) = self.up().filter(|(ours, _)| *ours == pid)?;
        let was_stand_in = std::mem::take(&mut self.stand_in);
        if ended == Ended::Code(0) {
            self.state = State::Idle;
            if !was_stand_in {
                self.quick_deaths = 0;
            }
            return Some(End::Idle);
        }
        let quick = now.since(since) < QUICK_DEATH_MS;
        // One that says itself that it cannot be started will say so again.
        let hopeless = matches!(ended, Ended::Code(_));
        let pause_ms = self.died(quick, now);
        self.stand_in |= hopeless;
        if self.stand_in {
            // Nobody is to wait for an answer that is known.
            self.state = State::Idle;
            return Some(End::Died { pause_ms: 0 });
        }
        Some(End::Died { pause_ms })
    }

    fn died(&mut self, quick: bool, now: Millis) -> u64 {
        self.quick_deaths = if quick { self.quick_deaths.saturating_add(1) } else { 0 };
        self.stand_in = self.quick_deaths >= DEATHS_MAX;
        let pause_ms = u64::from(self.quick_deaths.saturating_sub(1)) * THROTTLE_STEP_MS;
        let pause_ms = pause_ms.min(THROTTLE_MAX_MS);
        self.state = match pause_ms {
            0 => State::Idle,
            _ => State::Resting { until: now + pause_ms },
        };
        pause_ms
    }

    /// When [`Life::tick`] has something to do.
    pub fn wake(&self) -> Option<Millis> {
        let rest = match self.state {
            State::Resting { until } => Some(until),
            _ => None,
        };
        self.leaving.iter().filter_map(|one| one.kill_at).chain(rest).min()
    }

    /// Time has passed: a pause is over (true), and these are to be killed.
    pub fn tick(&mut self, now: Millis) -> (bool, Vec<Pid>) {
        let mut killed = Vec::new();
        for one in &mut self.leaving {
            if one.kill_at.take_if(|at| *at <= now).is_some() {
                killed.push(one.pid);
            }
        }
        let over = matches!(self.state, State::Resting { until } if until <= now);
        if over {
            self.state = State::Idle;
        }
        (over, killed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Signal;
    use super::*;

    const PID: Pid = Pid::from_raw(7);

    fn up(life: &mut Life, at: u64) {
        assert!(life.is_idle());
        life.started(PID, Millis(at));
    }

    #[test]
    fn one_that_had_nothing_to_do_is_started_again_at_once() {
        let mut life = Life::default();
        up(&mut life, 0);
        assert!(!life.is_quiet());
        assert_eq!(life.ended(Pid::from_raw(8), Ended::Code(0), Millis(9)), None);
        assert_eq!(life.ended(PID, Ended::Code(0), Millis(9)), Some(End::Idle));
        assert!(life.is_idle() && life.is_quiet());
    }

    #[test]
    fn one_that_is_killed_again_and_again_rests_and_is_stood_in_for() {
        let mut life = Life::default();
        let killed = Ended::Signal(Signal::SIGKILL as i32);
        let mut now = 0;
        for pause_ms in [0, 1_000, 2_000, 3_000] {
            up(&mut life, now);
            assert_eq!(life.ended(PID, killed, Millis(now + 1)), Some(End::Died { pause_ms }));
            now += 1 + pause_ms;
            assert_eq!(life.wake(), (pause_ms > 0).then_some(Millis(now)));
            assert_eq!(life.tick(Millis(now)), (pause_ms > 0, vec![]));
            assert!(!life.wants_stand_in());
        }
        up(&mut life, now);
        assert_eq!(life.ended(PID, killed, Millis(now)), Some(End::Died { pause_ms: 0 }));
        assert!(life.wants_stand_in());
        up(&mut life, now);
        assert_eq!(life.ended(PID, Ended::Code(0), Millis(now + 60_000)), Some(End::Idle));
        assert!(!life.wants_stand_in(), "it is tried again");
    }

    #[test]
    fn one_that_cannot_be_started_is_stood_in_for_at_once() {
        let mut life = Life::default();
        up(&mut life, 0);
        assert_eq!(life.ended(PID, Ended::Code(1), Millis(1)), Some(End::Died { pause_ms: 0 }));
        assert!(life.wants_stand_in() && life.is_idle());
    }

    #[test]
    fn a_death_after_a_long_life_is_no_reason_to_wait() {
        let mut life = Life::default();
        up(&mut life, 0);
        let killed = Ended::Signal(Signal::SIGKILL as i32);
        let ended = life.ended(PID, killed, Millis(QUICK_DEATH_MS));
        assert_eq!(ended, Some(End::Died { pause_ms: 0 }));
        assert!(life.is_idle() && !life.wants_stand_in());
    }

    #[test]
    fn the_next_one_starts_beside_the_one_that_leaves() {
        let mut life = Life::default();
        assert_eq!(life.leave(Millis(50)), None);
        up(&mut life, 0);
        assert_eq!(life.leave(Millis(50)), Some(PID));
        assert!(life.is_idle() && !life.is_quiet());
        assert_eq!(life.tick(Millis(49)), (false, vec![]));
        assert_eq!(life.tick(Millis(50)), (false, vec![PID]));
        assert_eq!(life.wake(), None, "it is killed once");
        assert_eq!(life.ended(PID, Ended::Code(0), Millis(51)), Some(End::Told));
        assert!(life.is_quiet());
    }
}
