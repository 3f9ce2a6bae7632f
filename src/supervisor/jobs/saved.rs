//! The machine's state as lines of text, for the next image of the master.
//!
//! What a line means never changes, unknown and broken lines are passed over: the next image may be another version of
//! the program. A line ends with the job's text, by which it finds its place in the new configuration; of jobs with the
//! same text each gets one line.
//!
//! ```text
//! cron MINUTE TEXT                                            started last in this minute since 1970
//! cron-run PID SINCE KILL_AT TEXT                             a command that runs
//! daemon plain|smart down|up|ending PID AT QUICK FOUND SIGNAL TEXT
//! touch MODIFIED DEVICE INODE PATH                            a file as it was seen last; "touch - - - PATH" where it was not there
//! touch-run PID
//! ```

use std::str::FromStr;

use super::cron::Run;
use super::daemon::State;
use super::{Jobs, Leaving, Millis, Pid, Signal, Stamp};
use crate::config::model::jobs::{Cron, Field};

/// In place of a number.
const NONE: &str = "-";

impl Jobs {
    /// What [`Jobs::restore`] needs; one line each.
    pub fn save(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (line, cron) in self.crons.lines().iter().zip(&self.config.crons) {
            let text = quote(&cron_text(cron));
            lines.extend(line.last_minute.map(|minute| format!("cron {minute} {text}")));
            lines.extend(line.runs.iter().map(|run| run_line(run, &text)));
        }
        lines.extend(self.crons.orphans().iter().map(|(text, run)| run_line(run, &quote(text))));
        for (daemon, spec) in self.daemons.iter().zip(&self.config.daemons) {
            let (state, pid, at) = match daemon.state {
                State::Up { pid, since } => ("up", pid, since),
                State::Ending { pid, kill_at, .. } => ("ending", pid, kill_at.unwrap_or_default()),
                State::Down { start_at } => ("down", NOBODY, start_at),
                State::Asked | State::Over => ("down", NOBODY, Millis(0)),
            };
            let kind = if daemon.is_smart() { "smart" } else { "plain" };
            let found = daemon.smart.as_ref().and_then(|smart| smart.since);
            lines.push(format!(
                "daemon {kind} {state} {pid} {} {} {} {} {}",
                at.0,
                daemon.quick_deaths,
                or_none(found.map(|found| found.0)),
                spec.stop_signal as i32,
                quote(&spec.text)
            ));
        }
        for one in &self.leaving {
            let kill_at = one.kill_at.unwrap_or_default().0;
            let text = quote(&one.text);
            lines.push(format!("daemon plain ending {} {kill_at} 0 {NONE} 0 {text}", one.pid));
        }
        for file in self.touches.files() {
            let path = quote(&file.path.display().to_string());
            lines.extend(file.stamp.map(|stamp| match stamp {
                Some(Stamp { modified_ns, identity: (device, inode) }) => {
                    format!("touch {modified_ns} {device} {inode} {path}")
                }
                None => format!("touch {NONE} {NONE} {NONE} {path}"),
            }));
        }
        lines.extend(self.touches.runs().iter().map(|pid| format!("touch-run {pid}")));
        lines
    }

    /// Goes on where another image of the master stopped; to be called before `Begin`.
    pub fn restore<'a>(&mut self, lines: impl IntoIterator<Item = &'a str>) {
        self.resumed = true;
        let mut taken = Taken::default();
        for line in lines {
            // A broken line was written by nobody that this program knows.
            let _ = self.take_line(line, &mut taken);
        }
    }

    fn take_line(&mut self, line: &str, taken: &mut Taken) -> Option<()> {
        let (kind, rest) = line.split_once(' ')?;
        match kind {
            "cron" => {
                let ([minute], text) = words(rest)?;
                let minute = minute.parse().ok()?;
                let same = |(index, cron): (usize, &Cron)| {
                    (cron_text(cron) == text && !taken.crons.contains(&index)).then_some(index)
                };
                let index = self.config.crons.iter().enumerate().find_map(same)?;
                taken.crons.push(index);
                self.crons.line_mut(index)?.last_minute = Some(minute);
            }
            "cron-run" => {
                let ([pid, since, kill_at], text) = words(rest)?;
                let kill_at = optional(kill_at)?.map(Millis);
                let run = Run { pid: process(pid)?, since: Millis(since.parse().ok()?), kill_at };
                let index = self.config.crons.iter().position(|cron| cron_text(cron) == text);
                match index.and_then(|index| self.crons.line_mut(index)) {
                    Some(line) => line.runs.push(run),
                    None => self.crons.adopt(&text, run),
                }
            }
            "daemon" => self.take_daemon(rest, taken)?,
            "touch" => self.take_touch(rest)?,
            "touch-run" => self.touches.started(process(rest)?),
            _ => {}
        }
        Some(())
    }

    fn take_daemon(&mut self, rest: &str, taken: &mut Taken) -> Option<()> {
        let ([kind, state, pid, at, quick, found, signal], text) = words(rest)?;
        let at = Millis(at.parse().ok()?);
        let state = match state {
            "up" => State::Up { pid: process(pid)?, since: at },
            "ending" => State::Ending { pid: process(pid)?, kill_at: Some(at), again: true },
            _ => State::Down { start_at: at },
        };
        let free = |index: &usize| !taken.daemons.contains(index);
        let specs = self.config.daemons.iter().enumerate();
        let mut same = specs.filter(|(_, spec)| spec.text == text).map(|(index, _)| index);
        let Some(index) = same.find(free) else {
            let (pid, told, kill_at) = match state {
                State::Up { pid, .. } => {
                    (pid, Signal::try_from(signal.parse::<i32>().ok()?).ok(), None)
                }
                State::Ending { pid, kill_at, .. } => (pid, None, kill_at),
                _ => return None,
            };
            // A program of its own goes on without us.
            if kind == "plain" {
                self.leaving.push(Leaving { pid, told, kill_at, text });
            }
            return Some(());
        };
        taken.daemons.push(index);
        let daemon = self.daemons.get_mut(index)?;
        daemon.state = state;
        daemon.quick_deaths = quick.parse().ok()?;
        daemon.again = !matches!(state, State::Down { start_at: Millis(0) });
        if let Some(smart) = &mut daemon.smart {
            smart.since = optional(found)?.map(Millis);
        }
        Some(())
    }

    fn take_touch(&mut self, rest: &str) -> Option<()> {
        let ([modified, device, inode], path) = words(rest)?;
        let stamp = match modified {
            NONE => None,
            modified => Some(Stamp {
                modified_ns: modified.parse().ok()?,
                identity: (device.parse().ok()?, inode.parse().ok()?),
            }),
        };
        for file in self.touches.files_mut() {
            if file.path.display().to_string() == path {
                file.stamp = Some(stamp);
            }
        }
        Some(())
    }
}

/// Places in the configuration that a line was found for.
#[derive(Default)]
struct Taken {
    crons: Vec<usize>,
    daemons: Vec<usize>,
}

const NOBODY: Pid = Pid::from_raw(0);

fn run_line(run: &Run, text: &str) -> String {
    let kill_at = or_none(run.kill_at.map(|due| due.0));
    format!("cron-run {} {} {kill_at} {text}", run.pid, run.since.0)
}

/// The same text, the same cron.
fn cron_text(cron: &Cron) -> String {
    let number = |field: Field| match field {
        Field::At(at) => i16::from(at),
        Field::Every(every) => -i16::from(every),
    };
    let schedule = &cron.schedule;
    let numbers = [schedule.minute, schedule.hour, schedule.day, schedule.month, schedule.weekday]
        .map(number);
    let [minute, hour, day, month, weekday] = numbers;
    let unique = if cron.unique { " unique" } else { "" };
    format!("{minute} {hour} {day} {month} {weekday}{unique} {}", cron.command)
}

fn or_none(number: Option<u64>) -> String {
    number.map_or_else(|| NONE.to_owned(), |number| number.to_string())
}

/// Outer `None`: it is neither a number nor the sign for none.
fn optional(word: &str) -> Option<Option<u64>> {
    if word == NONE { Some(None) } else { word.parse().ok().map(Some) }
}

/// A process that can be ours.
fn process(word: &str) -> Option<Pid> {
    i32::from_str(word).ok().filter(|pid| *pid > 1).map(Pid::from_raw)
}

/// The words in front, and the text behind them.
fn words<const N: usize>(line: &str) -> Option<([&str; N], String)> {
    let mut rest = line;
    let mut found = [""; N];
    for word in &mut found {
        (*word, rest) = rest.split_once(' ')?;
    }
    Some((found, unquote(rest)))
}

/// One line, whatever is in it.
fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\n', "\\n")
}

fn unquote(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => {
                plain.extend(characters.next().map(|next| if next == 'n' { '\n' } else { next }))
            }
            other => plain.push(other),
        }
    }
    plain
}
