//! From one image of the master to the next: descriptors by name, and a few lines of text.
//!
//! The next image may be another version of the program: unknown lines are passed over, and what a line means never
//! changes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::str::{FromStr, SplitWhitespace};
use std::sync::Arc;

use uwsgi_plugin_api::WorkerId;

use super::answering::Answering;
use super::asks::Asks;
use super::board_view::Boards;
use super::fifo::Fifos;
use super::molds::MoldHandle;
use super::notify::Told;
use super::run::{Master, now};
use super::site_order::{SiteOrder, SitePost};
use super::sites::SavedSites;
use super::upgrade::Upgrade;
use super::workers::WorkerHandle;
use crate::config::{Outside, Snapshot};
use crate::log;
use crate::shm::{Board, ClusterMemory};
use crate::supervisor::{Generation, Millis, Pid, PlaceId, Saved, SavedProcess, Seat};
use crate::sys::channel::Channel;
use crate::sys::handover::{self, Image, Inherited};
use crate::sys::memory;

/// The role of the node of a cluster.
pub(super) const NODE: &str = "node";
/// Name of a mold's channel.
pub(super) const CHANNEL: &str = "channel";
/// Name of the text.
const STATE: &str = "state";
/// Its first line.
const HEAD: &str = "uwsgi-rs state 1";

/// What this image of the program is to be.
#[derive(Debug)]
pub enum Role {
    /// The first image of an instance.
    First,
    /// The first image of an instance that is to take the place of another, whose sockets it has.
    Beside {
        /// The other's master.
        parent: Pid,
        /// Descriptors that every generation gets.
        shared: Passed,
    },
    /// The process that loads a generation.
    Mold {
        /// Which.
        generation: Generation,
        /// The master.
        master: Pid,
        /// Leads to it.
        channel: Channel,
        /// Descriptors that every generation gets.
        shared: Passed,
    },
    /// The processes of a site.
    Site(Box<(SiteOrder, SitePost)>),
    /// The node of an instance in a cluster.
    Node {
        /// What it shares with the instance.
        shared: Passed,
    },
    /// The next image of a master.
    Master {
        /// What the last one left.
        handover: Box<Handover>,
        /// Descriptors that every generation gets.
        shared: Passed,
    },
}

/// Descriptors by name.
pub type Passed = HashMap<String, OwnedFd>;

/// What one image of the master leaves to the next.
pub struct Handover {
    pub(super) saved: Saved,
    pub(super) boards: Boards,
    pub(super) molds: HashMap<Generation, MoldHandle>,
    pub(super) workers: HashMap<Seat, WorkerHandle>,
    pub(super) fifos: Fifos,
    pub(super) asks: Asks,
    pub(super) answering: Answering,
    pub(super) upgrade: Upgrade,
    pub(super) sites: SavedSites,
    pub(super) jobs: Vec<String>,
    /// The master that the last image was started beside of.
    parent: Option<Pid>,
    pub(super) told: Told,
}

impl std::fmt::Debug for Handover {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handover").field("saved", &self.saved).finish_non_exhaustive()
    }
}

impl Role {
    /// Takes what the environment says and removes its variables, and says what of the outside the configuration is to be
    /// read from. Call it once, at the very start, while there is one thread.
    ///
    /// # Errors
    /// A variable is broken: nobody but an earlier image of the program should set it.
    pub fn take() -> io::Result<(Self, Outside)> {
        let mut role = Self::of_environment()?;
        let outside = match &mut role {
            Self::First | Self::Beside { .. } | Self::Site(_) | Self::Node { .. } => Outside::Open,
            Self::Mold { .. } => Outside::Noted,
            Self::Master { handover, .. } => handover.outside()?,
        };
        Ok((role, outside))
    }

    /// What the instance and its node in a cluster share, where an earlier image has made it.
    pub fn cluster(&self) -> Option<ClusterMemory> {
        match self {
            Self::First | Self::Site(_) => None,
            Self::Beside { shared, .. }
            | Self::Mold { shared, .. }
            | Self::Node { shared }
            | Self::Master { shared, .. } => ClusterMemory::adopt(shared),
        }
    }

    fn of_environment() -> io::Result<Self> {
        let Some(role) = handover::take_role() else { return Ok(Self::First) };
        let mut passed: Passed =
            handover::take_passed().into_iter().map(|Inherited { name, fd }| (name, fd)).collect();
        let mut words = role.split_whitespace();
        match words.next() {
            Some("beside") => {
                let parent = Pid::from_raw(next(&mut words)?);
                Ok(Self::Beside { parent, shared: passed })
            }
            Some("mold") => {
                let (generation, master) = (next(&mut words)?, next(&mut words)?);
                let channel = take(&mut passed, CHANNEL)?;
                Ok(Self::Mold {
                    generation: Generation(generation),
                    master: Pid::from_raw(master),
                    channel: Channel::from(channel),
                    shared: passed,
                })
            }
            Some("site") => Ok(Self::Site(Box::new(SiteOrder::take(&mut passed)?))),
            Some(NODE) => Ok(Self::Node { shared: passed }),
            Some("master") => {
                let handover = Box::new(Handover::read(&mut passed)?);
                Ok(Self::Master { handover, shared: passed })
            }
            _ => Err(broken("role")),
        }
    }
}

/// The role of a mold, for its image.
pub(super) fn mold_role(Generation(generation): Generation, master: Pid) -> String {
    format!("mold {generation} {master}")
}

/// The role of a new master beside this one, for its image.
pub(super) fn beside_role(parent: Pid) -> String {
    format!("beside {parent}")
}

impl Master {
    /// Becomes the next image of the master. Returns only when that failed.
    pub(super) fn reexec(&mut self) -> io::Error {
        self.say_what_happens();
        match self.image().and_then(|(image, _state)| self.context.origin.execute(&image)) {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    fn image(&self) -> io::Result<(Image, File)> {
        let hands = self.hands();
        let saved = self.supervisor.save(now());
        let mut passed: Vec<(String, RawFd)> = Vec::new();
        let mut text = lines(&saved);
        for (Generation(number), mold) in &hands.molds {
            text.push_str(&format!("mold {number} {}\n", mold.pid));
            passed.push((format!("mold {number}"), mold.channel.as_fd().as_raw_fd()));
            let sources =
                mold.sources.iter().map(|fd| (format!("sources {number}"), fd.as_raw_fd()));
            passed.extend(sources);
        }
        for (seat, worker) in &hands.workers {
            passed.push((name(*seat), worker.channel.as_fd().as_raw_fd()));
        }
        for (Generation(number), board) in &hands.boards {
            passed.push((format!("board {number}"), board.file().as_raw_fd()));
        }
        if let Some(child) = self.upgrade.child {
            text.push_str(&format!("upgrade {child}\n"));
        }
        if let Some(succession) = &self.context.succession {
            text.push_str(&format!("beside {}\n", succession.parent));
        }
        for line in hands.jobs.save() {
            text.push_str(&format!("job {line}\n"));
        }
        hands.sites.save(&mut text, &mut passed);
        hands.fifos.save(&mut text, &mut passed);
        hands.asks.save(&mut text, &mut passed);
        hands.answering.save(&mut text, &mut passed);
        hands.notifier.save(&mut text);
        passed.extend(self.shared());
        let state = memory::file_of(c"uwsgi-state", text.as_bytes())?;
        passed.push((STATE.to_owned(), state.as_raw_fd()));
        let reloads = self.context.origin.reloads() + 1;
        let image = Image { role: "master".to_owned(), reloads, sockets: self.sockets(), passed };
        Ok((image, state))
    }

    fn say_what_happens(&self) {
        let context = &self.context;
        log::line(format_args!("chdir() to {}", context.origin.directory.display()));
        let most = memory::open_files_max().unwrap_or(u64::MAX);
        log::line(format_args!("closing all non-uwsgi socket fds > 2 (max_fd = {most})..."));
        for (id, (name, fd)) in context.listeners.iter().enumerate() {
            let fd = fd.as_raw_fd();
            log::line(format_args!("found fd {fd} mapped to socket {id} ({name})"));
        }
        log::line(format_args!("running {}", context.origin.program.display()));
    }
}

impl Handover {
    /// The master that the last image was started beside of, and that was there at its end.
    pub fn parent(&self) -> Option<Pid> {
        self.parent
    }

    /// What the configuration of the generation in charge was read from: its files may have changed since.
    fn outside(&mut self) -> io::Result<Outside> {
        let mold = self.molds.get_mut(&self.saved.generation);
        let Some(sources) = mold.and_then(|mold| mold.sources.take()) else {
            return Ok(Outside::Open);
        };
        let mut bytes = Vec::new();
        File::from(sources).read_to_end(&mut bytes)?;
        let snapshot = Snapshot::decode(&bytes).map_err(io::Error::other)?;
        Ok(Outside::Replayed(Arc::new(snapshot)))
    }

    fn read(passed: &mut Passed) -> io::Result<Self> {
        let mut text = String::new();
        File::from(take(passed, STATE)?).read_to_string(&mut text)?;
        let mut rows = text.lines();
        if rows.next() != Some(HEAD) {
            return Err(broken("state"));
        }
        let mut read = Self {
            saved: Saved {
                generation: Generation(0),
                round: 0,
                workers: 0,
                wanted: 0,
                absent: Vec::new(),
                asleep: false,
                automatic: false,
                paused: false,
                again: None,
                leaving_molds: Vec::new(),
                processes: Vec::new(),
            },
            boards: Boards::new(),
            molds: HashMap::new(),
            workers: HashMap::new(),
            fifos: Fifos::default(),
            asks: Asks::default(),
            answering: Answering::default(),
            upgrade: Upgrade::default(),
            sites: SavedSites::default(),
            jobs: Vec::new(),
            parent: None,
            told: Told::default(),
        };
        for row in rows {
            read.take_line(row, passed)?;
        }
        read.adopt_boards(passed);
        Ok(read)
    }

    fn take_line(&mut self, line: &str, passed: &mut Passed) -> io::Result<()> {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("fleet") => {
                self.saved.generation = Generation(next(&mut words)?);
                self.saved.round = next(&mut words)?;
                self.saved.workers = next(&mut words)?;
                self.saved.wanted = next(&mut words)?;
                self.saved.paused = next::<u8>(&mut words)? != 0;
                self.saved.again = match next::<u8>(&mut words)? {
                    0 => None,
                    kind => Some(kind == 2),
                };
            }
            Some("scale") => {
                self.saved.automatic = next::<u8>(&mut words)? != 0;
                self.saved.asleep = next::<u8>(&mut words)? != 0;
                let numbers = words.map_while(|word| word.parse().ok());
                self.saved.absent = numbers.map(WorkerId).collect();
            }
            Some("mold") => {
                let (number, pid) = (next(&mut words)?, next(&mut words)?);
                let channel = Channel::from(take(passed, &format!("mold {number}"))?);
                let sources = passed.remove(&format!("sources {number}"));
                let listeners = Vec::new();
                let handle = MoldHandle { pid: Pid::from_raw(pid), channel, sources, listeners };
                self.molds.insert(Generation(number), handle);
            }
            Some("leaving") => {
                let (generation, kill_at) = (next(&mut words)?, next(&mut words)?);
                self.saved.leaving_molds.push((Generation(generation), Millis(kill_at)));
            }
            Some("worker") => self.take_worker(&mut words, passed)?,
            Some("site") => self.sites.restore(&mut words, passed),
            Some("site-listener") => self.sites.restore_listener(&mut words),
            Some("upgrade") => self.upgrade.child = Some(Pid::from_raw(next(&mut words)?)),
            Some("beside") => self.parent = Some(Pid::from_raw(next(&mut words)?)),
            Some("job") => self.jobs.extend(line.strip_prefix("job ").map(str::to_owned)),
            Some("fifo") => self.fifos.restore(line, passed),
            Some("door" | "asker") => self.asks.restore(line, passed),
            Some("client") => self.answering.restore(line, passed),
            Some("stored") => self.told.stored.push(next(&mut words)?),
            Some("beat") => self.told.beat_ms = Some(next(&mut words)?),
            _ => {}
        }
        Ok(())
    }

    fn take_worker(
        &mut self,
        words: &mut SplitWhitespace<'_>,
        passed: &mut Passed,
    ) -> io::Result<()> {
        let worker = WorkerId(next(words)?);
        let seat = Seat { generation: Generation(next(words)?), place: PlaceId(next(words)?) };
        let pid = Pid::from_raw(next(words)?);
        let spawned = Millis(next(words)?);
        let serving = next::<u8>(words)? != 0;
        let kill_at = Millis(next(words)?);
        self.saved.processes.push(SavedProcess { worker, seat, pid, spawned, serving, kill_at });
        let channel = Channel::from(take(passed, &name(seat))?);
        self.workers.insert(seat, WorkerHandle { pid: Some(pid), channel, early: false });
        Ok(())
    }

    fn adopt_boards(&mut self, passed: &mut Passed) {
        let generations: std::collections::HashSet<Generation> = self
            .workers
            .keys()
            .map(|seat| seat.generation)
            .chain([self.saved.generation])
            .collect();
        for Generation(number) in generations {
            let Some(fd) = passed.remove(&format!("board {number}")) else { continue };
            // One of an older program cannot be read: its workers are leaving.
            if let Ok(board) = Board::adopt(fd) {
                self.boards.insert(Generation(number), board);
            }
        }
    }
}

fn lines(saved: &Saved) -> String {
    let Saved { generation, round, workers, wanted, paused, again, .. } = saved;
    let again = again.map_or(0, |brutal| 1 + u8::from(brutal));
    let paused = u8::from(*paused);
    let mut text =
        format!("{HEAD}\nfleet {} {round} {workers} {wanted} {paused} {again}\n", generation.0);
    let (automatic, asleep) = (u8::from(saved.automatic), u8::from(saved.asleep));
    text.push_str(&format!("scale {automatic} {asleep}"));
    for worker in &saved.absent {
        text.push_str(&format!(" {worker}"));
    }
    text.push('\n');
    for (Generation(number), kill_at) in &saved.leaving_molds {
        text.push_str(&format!("leaving {number} {}\n", kill_at.0));
    }
    for process in &saved.processes {
        let SavedProcess { worker, seat, pid, spawned, serving, kill_at } = process;
        let (generation, place) = (seat.generation.0, seat.place.0);
        let serving = u8::from(*serving);
        text.push_str(&format!(
            "worker {worker} {generation} {place} {pid} {} {serving} {}\n",
            spawned.0, kill_at.0
        ));
    }
    text
}

fn name(seat: Seat) -> String {
    format!("worker {} {}", seat.generation.0, seat.place.0)
}

fn take(passed: &mut Passed, name: &str) -> io::Result<OwnedFd> {
    passed.remove(name).ok_or_else(|| broken(name))
}

fn next<T: FromStr>(words: &mut SplitWhitespace<'_>) -> io::Result<T> {
    words.next().and_then(|word| word.parse().ok()).ok_or_else(|| broken("state"))
}

fn broken(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("what another image of the program left to this one is broken ({what})"),
    )
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;

    #[test]
    fn the_fleet_survives_its_lines() {
        let (one, _other) = Channel::pair().unwrap();
        let seat = Seat { generation: Generation(3), place: PlaceId(4) };
        let process = SavedProcess {
            worker: WorkerId(2),
            seat,
            pid: Pid::from_raw(77),
            spawned: Millis(1),
            serving: false,
            kill_at: Millis(9),
        };
        let saved = Saved {
            generation: Generation(3),
            round: 2,
            workers: 5,
            wanted: 3,
            absent: vec![WorkerId(1), WorkerId(4)],
            asleep: true,
            automatic: true,
            paused: true,
            again: Some(true),
            leaving_molds: vec![(Generation(2), Millis(5))],
            processes: vec![process],
        };
        let mut state = tempfile::tempfile().unwrap();
        state.write_all(lines(&saved).as_bytes()).unwrap();
        state.write_all(b"something a newer program knows\n").unwrap();
        state.rewind().unwrap();
        let mut passed = Passed::from([
            (STATE.to_owned(), OwnedFd::from(state)),
            (name(seat), OwnedFd::from(one)),
        ]);
        let read = Handover::read(&mut passed).unwrap();
        assert_eq!(read.saved, saved);
        assert!(read.workers.contains_key(&seat));
    }

    #[test]
    fn a_broken_state_is_an_error() {
        for text in ["", "other\n", "uwsgi-rs state 1\nfleet 1\n", "uwsgi-rs state 1\nworker 1 x\n"]
        {
            let mut state = tempfile::tempfile().unwrap();
            state.write_all(text.as_bytes()).unwrap();
            state.rewind().unwrap();
            let mut passed = Passed::from([(STATE.to_owned(), OwnedFd::from(state))]);
            assert!(Handover::read(&mut passed).is_err(), "{text:?}");
        }
    }
}
