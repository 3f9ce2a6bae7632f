//! Collects the directives: environment, command line, then positional files; a file that is named by a
//! directive is read at its place.
//!
//! Options marked `immediate` act here, each in the file of its topic; all others only take their place in the
//! list. What is left to do when everything was read (placeholders, `inherit`, declared options) is done by
//! [`read`] too, so that its result is complete.

mod custom;
mod files;
mod logic;
mod open;
mod outside;
mod profile;
mod questions;
mod rules;
mod source;
mod variables;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(super) use open::PathKind;
pub use open::read as read_target;
pub use outside::Outside;
pub(super) use outside::Window;
pub use questions::{Inquiry, Question};
pub use source::Source;
pub use variables::Variable;
pub(super) use variables::assignment;

use super::directive::{Directive, Origin};
use super::format::Format;
use super::magic::FileNames;
use super::snapshot::Snapshot;
use super::{Diagnostic, argv, environment, expand, plugins};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// More options than this are a loop that went wrong. A long value counts as several.
const DIRECTIVES_MAX: usize = 100_000;

/// More inherited files than this inherit each other.
const INHERITED_MAX: usize = 128;

/// Everything that was read, in its order.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Options and placeholders. Only `add` and `take` change which there are: they keep `firsts` true.
    pub directives: Vec<Directive>,
    /// Where each key stands for the first time.
    firsts: HashMap<String, usize>,
    /// Meaning of declared options that act before all others.
    pub(super) early: Vec<Directive>,
    /// Positional arguments that are no configuration files.
    pub arguments: Vec<String>,
    /// Configuration files in the order of their reading.
    pub files: Vec<PathBuf>,
    /// Problems so far.
    pub problems: Vec<Diagnostic>,
    /// Lines for the log, as uWSGI writes them.
    pub notes: Vec<String>,
    /// Sections that were asked for and are not there. Among `notes` are uWSGI's lines on them.
    pub missing: Vec<Diagnostic>,
    /// What was seen outside, where the source says that it is to be noted.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The first question.
    pub question: Option<Question>,
    /// `fallback-config`: the configuration to start with where this one ends with exit status 1.
    pub fallback: Option<String>,
    /// Changes of the environment in their order.
    pub(super) variables: Vec<Variable>,
    /// Keys that values refer to as placeholders, and those that were declared.
    pub(super) referred: HashSet<String>,
    /// Placeholders by `set-ph`.
    pub(super) placeholders: HashSet<String>,
    /// `strict`: unknown options are errors.
    pub(super) strict: bool,
    /// Positions of directives whose meaning is among `early`.
    applied: HashSet<usize>,
}

impl Reading {
    /// All directives in the order in which they count: for single values the last one wins.
    pub fn effective(&self) -> impl Iterator<Item = &Directive> {
        self.early.iter().chain(&self.directives)
    }

    /// The lines of `show-config`, where it is on.
    pub fn shown(&self, registry: &Registry) -> Option<Vec<String>> {
        let of_show = |directive: &&Directive| {
            registry.find(&directive.key).is_some_and(|row| row.name == "show-config")
        };
        let last = self.directives.iter().rev().find(of_show);
        last.filter(|directive| uwsgi_plugin_api::settings::flag_is_true(directive.text()))
            .map(|_| self.show())
    }

    /// The directives as uWSGI shows them, and those of a profile before them.
    fn show(&self) -> Vec<String> {
        let mut lines =
            vec![String::new(), ";uWSGI instance configuration".into(), "[uwsgi]".into()];
        let of_profile = |directive: &&Directive| matches!(directive.origin, Origin::Profile(_));
        let written = self.directives.iter().filter(|directive| !directive.derived);
        let written = self.early.iter().filter(of_profile).chain(written);
        lines.extend(written.map(|directive| {
            format!("{} = {}", directive.key, directive.value.as_deref().unwrap_or("true"))
        }));
        lines.extend([";end of configuration".into(), String::new()]);
        lines
    }

    /// First value of a key as it was written (aliases are other keys); a flag of the command line is `true`.
    pub fn first(&self, key: &str) -> Option<String> {
        let found = &self.directives[*self.firsts.get(key)?];
        Some(found.value.clone().unwrap_or_else(|| "true".to_owned()))
    }

    /// Puts a directive at the end of the list.
    pub(super) fn add(&mut self, directive: Directive) {
        if !self.firsts.contains_key(&directive.key) {
            self.firsts.insert(directive.key.clone(), self.directives.len());
        }
        self.directives.push(directive);
    }

    /// Takes the directives from this one on out of the list, to be added again.
    fn take(&mut self, from: usize) -> Vec<Directive> {
        self.firsts.retain(|_, first| *first < from);
        self.directives.split_off(from)
    }
}

/// Reads everything. Problems are collected, not returned: the checks after it find the others.
pub fn read(registry: &Registry, source: &Source, machine: &Machine) -> Reading {
    let mut reader = Reader::new(registry, source, machine);
    reader.environment();
    reader.command_line();
    reader.finish()
}

/// Reads the text of one file as [`read`] reads a file, opening nothing.
pub(super) fn read_text(
    registry: &Registry,
    machine: &Machine,
    format: Format,
    text: &[u8],
) -> Reading {
    let source = Source { outside: Outside::Sealed, ..Source::default() };
    let mut reader = Reader::new(registry, &source, machine);
    let directive = Directive::new(format.option(), None, Origin::CommandLine);
    reader.parse(format, "text", None, text, &directive);
    reader.finish()
}

struct Reader<'a> {
    registry: &'a Registry,
    machine: &'a Machine,
    /// How files and all else outside is seen.
    window: Window,
    /// When the reading began, since 1970.
    began: Duration,
    /// What the process was given; `ienv` changes the environment.
    source: Source,
    reading: Reading,
    rules: rules::Rules,
    /// Options declared so far.
    custom: HashMap<String, custom::Template>,
    /// Options that make options (`set`, declared ones) whose options are being read.
    made_depth: usize,
    /// The block that is being collected.
    block: Option<logic::Block>,
    /// Blocks whose lines are being read.
    block_depth: usize,
    /// Directives so far, those of long values counted several times, and what was read in vain.
    amount: usize,
    /// There were too many directives.
    overflown: bool,
    /// Files that are put around every file.
    inject: files::Injected,
    /// Files that are being read, the innermost last.
    files: Vec<FileNames>,
    /// The first file of all, for `%D` and its like.
    first: Option<FileNames>,
}

impl<'a> Reader<'a> {
    fn new(registry: &'a Registry, source: &Source, machine: &'a Machine) -> Self {
        let (window, began) = Window::new(&source.outside, machine);
        Self {
            registry,
            machine,
            window,
            began,
            source: source.clone(),
            reading: Reading::default(),
            rules: rules::Rules::default(),
            custom: HashMap::new(),
            made_depth: 0,
            block: None,
            block_depth: 0,
            amount: 0,
            overflown: false,
            inject: files::Injected::default(),
            files: Vec::new(),
            first: None,
        }
    }
}

impl Reader<'_> {
    fn environment(&mut self) {
        for (variable, value) in self.source.environment.clone() {
            let Some(variable) = variable.to_str() else { continue };
            let Some(key) = environment::option_name(variable) else { continue };
            let origin = Origin::Environment(variable.to_owned());
            match value.into_string() {
                Ok(value) => self.push(Directive::new(key, Some(value), origin)),
                Err(_) => {
                    let directive = Directive::new(key, None, origin);
                    self.problem(Diagnostic::error(&directive, "the value is not valid UTF-8"));
                }
            }
        }
    }

    fn command_line(&mut self) {
        let arguments = match argv::parse(self.registry, &self.source.args) {
            Ok(arguments) => arguments,
            Err(message) => return self.problem(Diagnostic::general(message)),
        };
        for (key, value) in arguments.options {
            self.push(Directive::new(key, value, Origin::CommandLine));
        }
        for argument in arguments.positional {
            self.positional(argument);
        }
    }

    /// Everything that is done when all was read.
    fn finish(mut self) -> Reading {
        self.close_block();
        self.expand(0);
        self.inherit();
        self.declared_later();
        self.reading.strict = self.rules.strict;
        self.late_variables();
        self.reading.snapshot = self.window.snapshot();
        self.reading
    }

    /// `inherit`: the file's options follow all others, as in uWSGI; unlike there, their placeholders work.
    fn inherit(&mut self) {
        let (mut position, mut files) = (0, 0);
        while position < self.reading.directives.len() {
            let directive = self.reading.directives[position].clone();
            position += 1;
            if self.registry.find(&directive.key).is_none_or(|row| row.name != "inherit") {
                continue;
            }
            files += 1;
            if files > INHERITED_MAX {
                let text =
                    format!("configuration files name each other more than {INHERITED_MAX} times");
                return self.problem(Diagnostic::error(&directive, text));
            }
            let before = self.reading.directives.len();
            self.load_any(directive.text(), &directive);
            self.close_block();
            self.expand(before);
        }
    }

    /// Fills placeholders in from this directive on.
    fn expand(&mut self, from: usize) {
        expand::expand(&mut self.reading, &self.source, &self.window, from);
    }

    fn problem(&mut self, problem: Diagnostic) {
        self.reading.problems.push(problem);
    }

    /// Reads a directive: into the block it belongs to, or to the end of the list, where it does what it does
    /// at once.
    fn push(&mut self, directive: Directive) {
        if self.overflown {
            return;
        }
        let Some(mut directive) = self.collect(directive) else { return };
        if !self.is_allowed(&directive) {
            return;
        }
        if self.takes(1 + directive.text().len() / 1024, &directive) {
            return;
        }
        directive.consumed = self.registry.find(&directive.key).is_some_and(|row| row.immediate);
        let position = self.reading.directives.len();
        self.reading.add(directive.clone());
        if self.custom.contains_key(&directive.key) {
            self.reading.applied.insert(position);
            self.reading.placeholders.insert(directive.key.clone());
        }
        self.act(&directive);
    }

    /// Counts what is read; true where it is too much, and nothing more is read.
    fn takes(&mut self, amount: usize, directive: &Directive) -> bool {
        self.amount = self.amount.saturating_add(amount);
        if self.amount > DIRECTIVES_MAX {
            let text = format!(
                "more than {DIRECTIVES_MAX} options: are there loops or files that make ever more?"
            );
            self.stop(Diagnostic::error(directive, text));
        }
        self.overflown
    }

    /// Reads nothing more.
    fn stop(&mut self, problem: Diagnostic) {
        if !std::mem::replace(&mut self.overflown, true) {
            self.problem(problem);
        }
        self.block = None;
    }

    /// What a directive does at once.
    fn act(&mut self, directive: &Directive) {
        let Some(row) = self.registry.find(&directive.key) else {
            return self.apply_custom(directive);
        };
        match row.name {
            "set" => self.set(directive, true),
            "set-ph" => self.set(directive, false),
            "ienv" | "early-envdir" => self.set_variables(row.name, directive),
            "declare-option" => self.declare(directive),
            "profile" => self.profile(directive),
            "fallback-config" => self.reading.fallback = Some(directive.text().to_owned()),
            "iprint" => self.reading.notes.push(directive.text().to_owned()),
            "strict" | "blacklist" | "end-blacklist" | "whitelist" | "end-whitelist" => {
                self.rules.take(row.name, directive);
            }
            name => {
                if !self.load_named(name, directive) {
                    self.ask(name, directive);
                }
            }
        }
    }

    /// `set = key=value`: the pair follows as a directive of its own.
    fn set(&mut self, directive: &Directive, options_too: bool) {
        let Some((key, value)) = directive.text().split_once('=') else {
            return self.problem(Diagnostic::error(
                directive,
                "invalid placeholder/--set value; accepted: KEY=VALUE",
            ));
        };
        let pair = Directive::new(key, Some(value.to_owned()), directive.origin.clone());
        if options_too {
            return self.made_by(directive, |reader| reader.push(pair));
        }
        if self.registry.find(key).is_some() {
            let text = format!(
                "you cannot use {key} as a placeholder, it is already available as an option"
            );
            return self.problem(Diagnostic::error(directive, text));
        }
        // A placeholder is nothing unknown, whatever strict says.
        self.reading.placeholders.insert(key.to_owned());
        self.reading.add(Directive { consumed: true, ..pair });
    }
}
