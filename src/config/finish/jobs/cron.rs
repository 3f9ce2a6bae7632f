//! `cron`, `unique-cron`, `cron2` and `cron-harakiri` (behaviour note 3.14).

use std::ops::RangeInclusive;
use std::time::Duration;

use super::super::SECONDS_MAX;
use super::keys::Keys;
use crate::config::Directive;
use crate::config::model::jobs::{Cron, Field, Schedule};
use crate::config::values::Values;

/// Names of the numbers, in the order of `cron`, and what they may be; weekday 7 is Sunday too.
const FIELDS: [(&str, RangeInclusive<i64>); 5] =
    [("minute", 0..=59), ("hour", 0..=23), ("day", 1..=31), ("month", 1..=12), ("week", 0..=7)];

pub(super) fn crons(values: &mut Values<'_>) -> Vec<Cron> {
    let harakiri = values.positive("cron-harakiri", SECONDS_MAX).map(Duration::from_secs);
    let mut crons = Vec::new();
    for (option, unique) in [("cron", false), ("unique-cron", true)] {
        for directive in values.all(option).to_vec() {
            match by_position(directive.text()) {
                Ok((schedule, command)) => {
                    let command = command.to_owned();
                    crons.push(Cron { schedule, command, unique, harakiri });
                }
                Err(problem) => values.error(directive, problem),
            }
        }
    }
    for directive in values.all("cron2").to_vec() {
        crons.extend(by_keys(directive, harakiri, values));
    }
    crons
}

fn by_position(text: &str) -> Result<(Schedule, &str), String> {
    let accepted = "accepted: MINUTE HOUR DAY MONTH WEEKDAY COMMAND, five numbers before a command";
    let mut rest = text.trim();
    let mut fields = [Field::Every(1); FIELDS.len()];
    for (field, (name, range)) in fields.iter_mut().zip(FIELDS) {
        let (word, after) = rest.split_once([' ', '\t']).ok_or(accepted)?;
        *field = number(word, name, &range)?;
        rest = after.trim_start();
    }
    match rest {
        "" => Err(accepted.to_owned()),
        command => Ok((schedule(fields), command)),
    }
}

/// -N is every N-th, so -1 every one.
fn number(word: &str, name: &str, range: &RangeInclusive<i64>) -> Result<Field, String> {
    let number = word.parse::<i64>().ok();
    let field = number.and_then(|number| match number {
        -60..=-1 => u8::try_from(-number).ok().map(Field::Every),
        _ if name == "week" && number == 7 => Some(Field::At(0)),
        _ if range.contains(&number) => u8::try_from(number).ok().map(Field::At),
        _ => None,
    });
    field.ok_or_else(|| {
        let (low, high) = (range.start(), range.end());
        let star = match word.strip_prefix('*') {
            Some("") => " (* is written -1)",
            Some(_) => " (*/5 is written -5)",
            None => "",
        };
        format!("{name} is \"{word}\"; accepted: {low} to {high}, -1 for every, -5 for every fifth{star}")
    })
}

fn schedule([minute, hour, day, month, weekday]: [Field; 5]) -> Schedule {
    Schedule { minute, hour, day, month, weekday }
}

/// `KEY=VALUE,... COMMAND`; without a key in the first word all of it is the command.
fn by_keys(
    directive: &Directive,
    harakiri: Option<Duration>,
    values: &mut Values<'_>,
) -> Option<Cron> {
    let text = directive.text().trim();
    let (keys, command) = match text.split_once(' ') {
        Some((keys, command)) if keys.contains('=') => (keys, command.trim()),
        None if text.contains('=') => (text, ""),
        _ => ("", text),
    };
    if command.is_empty() {
        values.error(directive, "no command; accepted: KEY=VALUE,... COMMAND");
        return None;
    }
    let mut keys = Keys::new(directive, keys);
    let mut fields = [Field::Every(1); FIELDS.len()];
    for (field, (name, range)) in fields.iter_mut().zip(FIELDS) {
        let Some(word) = keys.text(&[name]) else { continue };
        match self::number(word.trim(), name, &range) {
            Ok(number) => *field = number,
            Err(problem) => values.error(directive, problem),
        }
    }
    let unique = keys.flag(&["unique"], values).unwrap_or(false);
    let own = keys.number("harakiri", 0..=SECONDS_MAX as i64, values);
    let own = own.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    if keys.text(&["legion"]).is_some() {
        values.error(
            directive,
            "there are no legions; run the command from a systemd timer of one machine",
        );
    }
    keys.refuse_others(values);
    let harakiri = own.map_or(harakiri, |own| Some(own).filter(|own| !own.is_zero()));
    Some(Cron { schedule: schedule(fields), command: command.to_owned(), unique, harakiri })
}
