//! Typed access to the directives by option name. Every problem that is met is kept.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use uwsgi_plugin_api::settings::{flag_is_true, leading_number};

use super::{Diagnostic, Directive};
use crate::options::Registry;

/// As many as suit the machine.
const AUTO: &str = "auto";

/// The directives of the known options, by canonical name.
pub(super) struct Values<'a> {
    registry: &'a Registry,
    by_name: HashMap<&'static str, Vec<&'a Directive>>,
    /// Options that another option switched on.
    implied: Vec<&'static str>,
    /// What was found wrong.
    pub problems: Vec<Diagnostic>,
}

impl<'a> Values<'a> {
    pub(super) fn new(
        registry: &'a Registry,
        directives: impl Iterator<Item = &'a Directive>,
    ) -> Self {
        let mut values =
            Self { registry, by_name: HashMap::new(), implied: Vec::new(), problems: Vec::new() };
        for directive in directives {
            if let Some(entry) = registry.find(&directive.key) {
                values.by_name.entry(entry.name).or_default().push(directive);
                values.implied.extend(entry.implies);
            }
        }
        values
    }

    /// All directives of an option in their order.
    pub(super) fn all(&self, name: &str) -> &[&'a Directive] {
        debug_assert!(
            self.registry.find(name).is_some_and(|entry| entry.name == name),
            "{name} is no canonical option name"
        );
        self.by_name.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The directive that counts.
    pub(super) fn last(&self, name: &str) -> Option<&'a Directive> {
        self.all(name).last().copied()
    }

    /// A flag: the last one wins, and an option that implies it does too.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.implied.contains(&name)
            || self.last(name).is_some_and(|directive| flag_is_true(directive.text()))
    }

    /// The same of an option of a plugin, which may not be there.
    pub(super) fn plugin_flag(&self, name: &str) -> bool {
        self.registry.find(name).is_some() && self.flag(name)
    }

    /// Text of an option; `None` where it is absent.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.last(name).map(|directive| directive.text().to_owned())
    }

    /// A whole number within `range`. All occurrences are checked, the last one counts.
    pub(super) fn number(&mut self, name: &str, range: RangeInclusive<u64>) -> Option<u64> {
        self.numbers(name, range, None)
    }

    /// As [`Values::number`], of an option that also takes the word `auto`, which means `auto`.
    pub(super) fn number_or_auto(
        &mut self,
        name: &str,
        range: RangeInclusive<u64>,
        auto: u64,
    ) -> Option<u64> {
        let auto = auto.clamp(*range.start(), *range.end());
        self.numbers(name, range, Some(auto))
    }

    fn numbers(
        &mut self,
        name: &str,
        range: RangeInclusive<u64>,
        auto: Option<u64>,
    ) -> Option<u64> {
        let mut result = None;
        for directive in self.all(name).to_vec() {
            let text = directive.text().trim_start();
            if let (Some(auto), AUTO) = (auto, text.trim_end()) {
                result = Some(auto);
                continue;
            }
            let number = leading_number(text);
            if text.starts_with('-') {
                let text = format!("must be > 0; {}", accepted(&range, auto));
                self.problems.push(Diagnostic::error(directive, text));
            } else if !range.contains(&number) {
                self.problems.push(Diagnostic::error(
                    directive,
                    format!("out of range; {}", accepted(&range, auto)),
                ));
            } else {
                result = Some(number);
            }
        }
        result
    }

    /// A number where 0 means "none".
    pub(super) fn positive(&mut self, name: &str, max: u64) -> Option<u64> {
        self.number(name, 0..=max).filter(|&number| number > 0)
    }

    pub(super) fn error(&mut self, directive: &Directive, message: impl Into<String>) {
        self.problems.push(Diagnostic::error(directive, message));
    }
}

fn accepted(range: &RangeInclusive<u64>, auto: Option<u64>) -> String {
    let start = range.start();
    let word = if auto.is_some() { ", or auto" } else { "" };
    match *range.end() {
        u64::MAX => format!("accepted: a whole number from {start}{word}"),
        end => format!("accepted: a whole number from {start} to {end}{word}"),
    }
}
