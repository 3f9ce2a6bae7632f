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
mod profile;
mod questions;
mod rules;

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::PathBuf;

pub use open::read as read_target;
pub use questions::{Inquiry, Question};

use super::directive::{Directive, Origin};
use super::magic::FileNames;
use super::{Diagnostic, argv, environment, expand, plugins};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// More options than this are a loop that went wrong.
const DIRECTIVES_MAX: usize = 100_000;

/// What a process is given to find its configuration.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Command line without the program's name.
    pub args: Vec<OsString>,
    /// Environment in its order.
    pub environment: Vec<(OsString, OsString)>,
}

impl Source {
    /// The source of this process.
    pub fn of_process() -> Self {
        Self {
            args: std::env::args_os().skip(1).collect(),
            environment: std::env::vars_os().collect(),
        }
    }

    /// A command line without an environment.
    pub fn of_args<S: Into<OsString>>(args: impl IntoIterator<Item = S>) -> Self {
        Self { args: args.into_iter().map(Into::into).collect(), environment: Vec::new() }
    }

    /// A variable of the environment.
    pub(super) fn variable(&self, name: &str) -> Option<String> {
        let (_, value) = self.environment.iter().rev().find(|(variable, _)| variable == name)?;
        Some(value.to_string_lossy().into_owned())
    }
}

/// Everything that was read, in its order.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Options and placeholders.
    pub directives: Vec<Directive>,
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
    /// The first question.
    pub question: Option<Question>,
    /// `fallback-config`: the configuration to start with where this one ends with exit status 1.
    pub fallback: Option<String>,
    /// Keys that values refer to as placeholders, and those that were declared.
    pub(super) referred: HashSet<String>,
    /// Keys that strict mode refused.
    pub(super) refused: HashSet<String>,
    /// Positions of directives whose meaning is among `early`.
    applied: HashSet<usize>,
    /// Declared options at the end of the reading.
    declared: HashMap<String, custom::Template>,
}

impl Reading {
    /// All directives in the order in which they count: for single values the last one wins.
    pub fn effective(&self) -> impl Iterator<Item = &Directive> {
        self.early.iter().chain(&self.directives)
    }

    /// Whether `show-config` is on.
    pub(super) fn shows(&self, registry: &Registry) -> bool {
        let of_show = |directive: &&Directive| {
            registry.find(&directive.key).is_some_and(|row| row.name == "show-config")
        };
        let last = self.directives.iter().rev().find(of_show);
        last.is_some_and(|directive| {
            uwsgi_plugin_api::settings::flag_is_true(directive.text())
        })
    }

    /// The directives as uWSGI shows them.
    pub(super) fn show(&self) -> Vec<String> {
        let mut lines =
            vec![String::new(), ";uWSGI instance configuration".into(), "[uwsgi]".into()];
        let written = self.directives.iter().filter(|directive| !directive.derived);
        lines.extend(written.map(|directive| {
            format!("{} = {}", directive.key, directive.value.as_deref().unwrap_or("true"))
        }));
        lines.extend([";end of configuration".into(), String::new()]);
        lines
    }

    /// First value of a key as it was written (aliases are other keys); a flag of the command line is `true`.
    pub(super) fn first(&self, key: &str) -> Option<String> {
        let found = self.directives.iter().find(|directive| directive.key == key)?;
        Some(found.value.clone().unwrap_or_else(|| "true".to_owned()))
    }
}

/// Reads everything. Problems are collected, not returned: the checks after it find the others.
pub fn read(registry: &Registry, source: &Source, machine: &Machine) -> Reading {
    let mut reader = Reader {
        registry,
        machine,
        source: source.clone(),
        reading: Reading::default(),
        rules: rules::Rules::default(),
        custom: HashMap::new(),
        custom_depth: 0,
        block: None,
        block_depth: 0,
        overflown: false,
        inject: files::Injected::default(),
        files: Vec::new(),
        first: None,
    };
    reader.environment();
    reader.command_line();
    reader.finish()
}

struct Reader<'a> {
    registry: &'a Registry,
    machine: &'a Machine,
    /// What the process was given; `ienv` changes the environment.
    source: Source,
    reading: Reading,
    rules: rules::Rules,
    /// Options declared so far.
    custom: HashMap<String, custom::Template>,
    custom_depth: usize,
    /// The block that is being collected.
    block: Option<logic::Block>,
    /// Blocks whose lines are being read.
    block_depth: usize,
    /// There were too many directives.
    overflown: bool,
    /// Files that are put around every file.
    inject: files::Injected,
    /// Files that are being read, the innermost last.
    files: Vec<FileNames>,
    /// The first file of all, for `%D` and its like.
    first: Option<FileNames>,
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
        expand::expand(&mut self.reading, &self.source, 0);
        self.inherit();
        self.reading.declared = std::mem::take(&mut self.custom);
        custom::declared_later(&mut self.reading, self.registry);
        self.reading
    }

    /// `inherit`: the file's options follow all others, as in uWSGI; unlike there, their placeholders work.
    fn inherit(&mut self) {
        let mut position = 0;
        while position < self.reading.directives.len() {
            let directive = self.reading.directives[position].clone();
            let row = self.registry.find(&directive.key);
            if row.is_some_and(|row| row.name == "inherit") {
                let before = self.reading.directives.len();
                self.load_any(directive.text(), &directive);
                self.close_block();
                expand::expand(&mut self.reading, &self.source, before);
            }
            position += 1;
            if position > DIRECTIVES_MAX {
                return;
            }
        }
    }

    fn problem(&mut self, problem: Diagnostic) {
        self.reading.problems.push(problem);
    }

    /// Reads a directive: into the block it belongs to, or to the end of the list, where it does what it does
    /// at once.
    fn push(&mut self, directive: Directive) {
        let Some(directive) = self.collect(directive) else { return };
        if self.overflown || !self.is_allowed(&directive) {
            return;
        }
        let position = self.reading.directives.len();
        self.reading.directives.push(directive.clone());
        if self.custom.contains_key(&directive.key) {
            self.reading.applied.insert(position);
            self.reading.referred.insert(directive.key.clone());
        }
        self.act(&directive);
    }

    /// What a directive does at once.
    fn act(&mut self, directive: &Directive) {
        let Some(row) = self.registry.find(&directive.key) else {
            return self.apply_custom(directive);
        };
        match row.name {
            "set" => self.set(directive, true),
            "set-ph" => self.set(directive, false),
            "ienv" => self.set_variable(directive),
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
        let pair = Directive {
            derived: directive.derived,
            ..Directive::new(key, Some(value.to_owned()), directive.origin.clone())
        };
        if options_too {
            return self.push(pair);
        }
        if self.registry.find(key).is_some() {
            let text = format!(
                "you cannot use {key} as a placeholder, it is already available as an option"
            );
            return self.problem(Diagnostic::error(directive, text));
        }
        // A placeholder is nothing unknown, whatever strict says.
        self.reading.referred.insert(key.to_owned());
        self.reading.directives.push(pair);
    }

    /// `ienv`: what is read later sees the variable.
    fn set_variable(&mut self, directive: &Directive) {
        if let Some((name, value)) = directive.text().split_once('=') {
            self.source.environment.push((name.into(), value.into()));
        }
    }
}
