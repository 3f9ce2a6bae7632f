//! `key=value,key=value`, as in `cron2` and `attach-daemon2`; a comma that belongs to a value is written `\,`.

use std::ops::RangeInclusive;

use crate::config::Directive;
use crate::config::values::Values;

/// The pairs of one directive. Keys are taken one by one; what is asked for tells which are known.
pub(super) struct Keys<'a> {
    directive: &'a Directive,
    pairs: Vec<(String, String)>,
    known: Vec<&'static str>,
}

impl<'a> Keys<'a> {
    pub(super) fn new(directive: &'a Directive, text: &str) -> Self {
        let pair = |item: String| match item.split_once('=') {
            Some((key, value)) => (key.trim().to_owned(), value.to_owned()),
            None => (item.trim().to_owned(), String::new()),
        };
        let pairs = items(text).into_iter().map(pair).collect();
        Self { directive, pairs, known: Vec::new() }
    }

    /// The last value under one of these names of a key.
    pub(super) fn text(&mut self, names: &[&'static str]) -> Option<String> {
        self.known.extend(names);
        let found = self.pairs.iter().rev().find(|(key, _)| names.contains(&key.as_str()));
        found.map(|(_, value)| value.clone())
    }

    /// A key without a value means yes; `None` where it is absent.
    pub(super) fn flag(&mut self, names: &[&'static str], values: &mut Values<'_>) -> Option<bool> {
        match self.text(names)?.as_str() {
            "0" | "false" | "no" | "off" => Some(false),
            "" | "1" | "true" | "yes" | "on" => Some(true),
            other => {
                let text =
                    format!("{} is \"{other}\"; accepted: 1, true, 0, false", names.join(" or "));
                values.error(self.directive, text);
                None
            }
        }
    }

    pub(super) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
        values: &mut Values<'_>,
    ) -> Option<i64> {
        let text = self.text(&[name])?;
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        if number.is_none() {
            let (low, high) = (range.start(), range.end());
            let text = format!(
                "{name} is \"{}\"; accepted: a whole number from {low} to {high}",
                text.trim()
            );
            values.error(self.directive, text);
        }
        number
    }

    /// To be called when every key was asked for.
    pub(super) fn refuse_others(&self, values: &mut Values<'_>) {
        for (key, _) in &self.pairs {
            if !self.known.contains(&key.as_str()) {
                let accepted = self.known.join(", ");
                values.error(
                    self.directive,
                    format!("no key is called \"{key}\"; accepted: {accepted}"),
                );
            }
        }
    }
}

/// The text between the commas; empty items are passed over.
fn items(text: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.peek() == Some(&',') => {
                characters.next();
                push(&mut items, ',');
            }
            ',' => items.push(String::new()),
            other => push(&mut items, other),
        }
    }
    items.retain(|item| !item.trim().is_empty());
    items
}

fn push(items: &mut [String], character: char) {
    if let Some(last) = items.last_mut() {
        last.push(character);
    }
}
