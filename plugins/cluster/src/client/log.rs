//! The logs of all nodes as one, and lines for all of them.

use std::collections::HashMap;
use std::io::{BufRead as _, Read as _, Write};

use uwsgi_plugin_api::PluginError;

use super::guest::{ANSWER_MAX, Guest};
use super::{all, enter, say};
use crate::id::{Member, Millis, NodeKey};
use crate::plan::Plan;
use crate::run::clock;
use crate::wire::{LOG_BYTES_MAX, Reply, Request};

/// How often nodes are asked for new lines, in milliseconds.
const ASK_EVERY: Millis = 1_000;
/// How often it is looked for nodes that are new, in times that are asked.
const LOOK_EVERY: u32 = 10;

/// Shows what nodes remember, by time; with `follow` also what is new, until somebody ends it.
pub(super) fn show(plan: &Plan, follow: bool, out: &mut dyn Write) -> Result<(), PluginError> {
    let (mut guest, view) = enter(plan)?;
    let mut nodes = all(&mut guest, &view);
    let mut after = HashMap::new();
    let mut asked = 0;
    loop {
        let mut lines = Vec::new();
        for (host, member) in &nodes {
            lines.extend(new_lines(&mut guest, host, *member, &mut after));
        }
        in_order(&mut lines);
        for (time, host, line) in lines {
            say(out, &format!("{} {host} {line}\n", date(time)))?;
        }
        if !follow {
            return Ok(());
        }
        guest.turn_until(clock::monotonic() + ASK_EVERY)?;
        asked += 1;
        if asked % LOOK_EVERY == 0 {
            let members = guest.find().unwrap_or_default();
            if let Ok(view) = guest.view(&members) {
                nodes = all(&mut guest, &view);
            }
        }
    }
}

/// By time. What a host said within one moment stays as it said it.
fn in_order(lines: &mut [(u64, String, String)]) {
    lines.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
}

/// What a node has said since it was asked last: time, host, text. A node that is silent now is asked again.
fn new_lines(
    guest: &mut Guest,
    host: &str,
    member: Member,
    after: &mut HashMap<(NodeKey, u64), u64>,
) -> Vec<(u64, String, String)> {
    // A new life counts anew.
    let last = after.entry((member.key, member.life.0)).or_default();
    let Ok(Reply::Log { lines }) = guest.ask(member, &Request::Log { after: *last }, ANSWER_MAX)
    else {
        return Vec::new();
    };
    *last = lines.iter().map(|(number, ..)| *number).max().unwrap_or(*last);
    lines.into_iter().map(|(_, time, text)| (time, host.to_owned(), text)).collect()
}

/// Sends each line of standard input to the logs of all nodes.
pub(super) fn send(plan: &Plan) -> Result<(), PluginError> {
    if plan.compat {
        let mut group = super::bare::Bare::open(plan)?;
        return each_line(|line| group.log(line));
    }
    let mut guest = Guest::open(plan)?;
    guest.find()?;
    each_line(|line| guest.log(line))
}

fn each_line(mut take: impl FnMut(&str) -> Result<(), PluginError>) -> Result<(), PluginError> {
    let mut input = std::io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let most = u64::try_from(LOG_BYTES_MAX).unwrap_or(u64::MAX);
        let read = input.by_ref().take(most).read_until(b'\n', &mut line);
        match read.map_err(|error| PluginError(format!("standard input: {error}")))? {
            0 => return Ok(()),
            _ => take(String::from_utf8_lossy(&line).trim_end())?,
        }
    }
}

/// Unix time in milliseconds as people read it, in UTC.
fn date(unix_ms: u64) -> String {
    let (days, seconds) = (unix_ms / 86_400_000, unix_ms / 1_000 % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day since 1970, by the calendar's period of 400 years.
fn civil(days: u64) -> (u64, u64, u64) {
    // Counted from the first of March of the year 0, so that a leap day is the last of its year.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_moment_stay_in_the_order_in_which_they_were_said() {
        let line = |time: u64, host: &str, text: &str| (time, host.to_owned(), text.to_owned());
        let said = [
            line(7, "b", "x: ready"),
            line(7, "b", "x: done"),
            line(6, "a", "z"),
            line(7, "a", "y"),
        ];
        let mut lines = said.to_vec();
        in_order(&mut lines);
        let order = [2, 3, 0, 1].map(|index: usize| said[index].clone());
        assert_eq!(lines, order);
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (unix_ms, wanted) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_827_696_000, "2000-02-29T12:34:56Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59Z"),
        ] {
            assert_eq!(date(unix_ms), wanted);
        }
    }
}
