//! Collects the directives: environment, command line, then positional files; a file that is named by a
//! directive is read at its place.
//!
//! Options marked `immediate` act here; all others only take their place in the list.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use super::directive::{Directive, Origin};
use super::ini::{self, Ini};
use super::magic::{FileNames, Magic};
use super::{Diagnostic, argv, environment};
use crate::options::Registry;
use crate::sys::machine::Machine;

/// Files may name files this deep.
const FILES_DEPTH_MAX: usize = 32;
/// The section that is read where none is named.
const SECTION: &str = "uwsgi";
/// Files by extension that this server cannot read yet.
const OTHER_FORMATS: &[&str] = &["xml", "yaml", "yml", "json", "js"];

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
        let (_, value) = self.environment.iter().find(|(variable, _)| variable == name)?;
        Some(value.to_string_lossy().into_owned())
    }
}

/// A question that is answered instead of serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
}

/// Everything that was read, in its order.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// Options and placeholders.
    pub directives: Vec<Directive>,
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
    /// Keys that values refer to as placeholders; filled by the expansion.
    pub(super) referred: HashSet<String>,
    /// Keys that strict mode refused.
    pub(super) refused: HashSet<String>,
}

impl Reading {
    /// Whether `show-config` is on.
    pub(super) fn shows(&self, registry: &Registry) -> bool {
        let of_show = |directive: &&Directive| {
            registry.find(&directive.key).is_some_and(|row| row.name == "show-config")
        };
        let last = self.directives.iter().rev().find(of_show);
        last.is_some_and(|directive| uwsgi_plugin_api::settings::flag_is_true(directive.text()))
    }

    /// The directives as uWSGI shows them.
    pub(super) fn show(&self) -> Vec<String> {
        let mut lines =
            vec![String::new(), ";uWSGI instance configuration".into(), "[uwsgi]".into()];
        lines.extend(self.directives.iter().map(|directive| {
            format!("{} = {}", directive.key, directive.value.as_deref().unwrap_or("true"))
        }));
        lines.extend([";end of configuration".into(), String::new()]);
        lines
    }
}

/// Reads everything. Problems are collected, not returned: the checks after it find the others.
pub fn read(registry: &Registry, source: &Source, machine: &Machine) -> Reading {
    let mut reader = Reader {
        registry,
        machine,
        reading: Reading::default(),
        strict: false,
        files: Vec::new(),
        first: None,
    };
    reader.environment(source);
    reader.command_line(source);
    reader.reading
}

struct Reader<'a> {
    registry: &'a Registry,
    machine: &'a Machine,
    reading: Reading,
    /// `strict` was read.
    strict: bool,
    /// Files that are being read, the innermost last.
    files: Vec<FileNames>,
    /// The first file of all, for `%D` and its like.
    first: Option<FileNames>,
}

impl Reader<'_> {
    fn environment(&mut self, source: &Source) {
        for (variable, value) in &source.environment {
            let Some(variable) = variable.to_str() else { continue };
            let Some(key) = environment::option_name(variable) else { continue };
            let origin = Origin::Environment(variable.to_owned());
            match value.to_str() {
                Some(value) => self.push(key, Some(value.to_owned()), origin),
                None => {
                    let directive = Directive { key, value: None, origin };
                    self.problem(Diagnostic::error(&directive, "the value is not valid UTF-8"));
                }
            }
        }
    }

    fn command_line(&mut self, source: &Source) {
        let arguments = match argv::parse(self.registry, &source.args) {
            Ok(arguments) => arguments,
            Err(message) => return self.problem(Diagnostic::general(message)),
        };
        for (key, value) in arguments.options {
            self.push(key, value, Origin::CommandLine);
        }
        for argument in arguments.positional {
            self.positional(argument);
        }
    }

    /// Positional arguments come after all options; text in brackets is ignored, as by uWSGI.
    fn positional(&mut self, argument: String) {
        if argument.starts_with('[') {
            return;
        }
        let (file, _) = split_section(&argument);
        match file.rsplit_once('.').map(|(_, extension)| extension) {
            Some("ini") => {
                let (key, origin) = ("ini".to_owned(), Origin::CommandLine);
                let directive = Directive { key, value: Some(argument), origin };
                self.load_ini(directive.text(), &directive);
            }
            Some(extension) if OTHER_FORMATS.contains(&extension) => {
                self.problem(Diagnostic::general(format!(
                    "unable to load configuration from {argument}: {extension} files are not supported yet: \
                     write the configuration as an ini file"
                )));
            }
            _ => self.reading.arguments.push(argument),
        }
    }

    fn problem(&mut self, problem: Diagnostic) {
        self.reading.problems.push(problem);
    }

    /// Puts a directive at the end of the list and does what it does at once.
    fn push(&mut self, key: String, value: Option<String>, origin: Origin) {
        let directive = Directive { key, value, origin };
        self.reading.directives.push(directive.clone());
        let Some(row) = self.registry.find(&directive.key) else {
            if self.strict {
                let near = self.registry.nearest(&directive.key);
                let meant = near.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
                let text = format!("[strict-mode] unknown config directive{meant}");
                self.reading.refused.insert(directive.key.clone());
                self.problem(Diagnostic::error(&directive, text));
            }
            return;
        };
        match row.name {
            "ini" => self.load_ini(directive.text(), &directive),
            "set" => self.set(&directive, true),
            "set-ph" => self.set(&directive, false),
            "strict" => self.strict = uwsgi_plugin_api::settings::flag_is_true(directive.text()),
            "help" => self.ask(Question::Help),
            "version" => self.ask(Question::Version),
            _ => {}
        }
    }

    fn ask(&mut self, question: Question) {
        self.reading.question.get_or_insert(question);
    }

    /// `set = key=value`: the pair follows as a directive of its own.
    fn set(&mut self, directive: &Directive, options_too: bool) {
        let Some((key, value)) = directive.text().split_once('=') else {
            return self.problem(Diagnostic::error(
                directive,
                "invalid placeholder/--set value; accepted: KEY=VALUE",
            ));
        };
        if !options_too && self.registry.find(key).is_some() {
            let text = format!(
                "you cannot use {key} as a placeholder, it is already available as an option"
            );
            return self.problem(Diagnostic::error(directive, text));
        }
        self.push(key.to_owned(), Some(value.to_owned()), directive.origin.clone());
    }

    /// Reads a section of an ini file; `:section` alone is one of the file that is being read.
    fn load_ini(&mut self, target: &str, directive: &Directive) {
        let (file, section) = split_section(target);
        let file = match self.files.last() {
            Some(current) if file.is_empty() => current.given.clone(),
            _ => file.to_owned(),
        };
        if self.files.len() >= FILES_DEPTH_MAX {
            let text =
                format!("configuration files name each other more than {FILES_DEPTH_MAX} deep");
            return self.problem(Diagnostic::error(directive, text));
        }
        match content(&file) {
            Ok(text) => {
                self.reading.notes.push(format!("[uWSGI] getting INI configuration from {file}"));
                self.ini_text(&file, section, &text, directive);
            }
            Err(error) => {
                let text = format!("cannot read the configuration file {file}: {error}");
                self.problem(Diagnostic::error(directive, text));
            }
        }
    }

    fn ini_text(&mut self, file: &str, section: Option<&str>, text: &[u8], directive: &Directive) {
        let asked = section.unwrap_or_default();
        let names = match file {
            "-" => FileNames::standard_input(asked),
            _ => FileNames::new(file, asked, &self.machine.cwd),
        };
        let first = self.first.get_or_insert_with(|| names.clone());
        let section = section.unwrap_or(SECTION);
        let Ini { lines, section_found, undecodable } =
            ini::parse(text, section, &Magic::new(&names, first, self.machine));
        let shown: Arc<str> = Arc::from(file);
        if !section_found {
            self.reading.notes.push(format!(
                "*** WARNING: Can't find section \"{section}\" in INI configuration file {file} ***"
            ));
        }
        for number in undecodable {
            let origin = Origin::File(shown.clone(), number);
            let at = Directive { key: directive.key.clone(), value: None, origin };
            self.problem(Diagnostic::error(&at, "the line is not valid UTF-8"));
        }
        self.reading.files.push(PathBuf::from(file));
        self.files.push(names);
        for line in lines {
            self.push(line.key, Some(line.value), Origin::File(shown.clone(), line.number));
        }
        self.files.pop();
    }
}

/// `file:section`; a file without a section has none.
fn split_section(target: &str) -> (&str, Option<&str>) {
    match target.rsplit_once(':') {
        Some((file, section)) if !section.contains('/') => (file, Some(section)),
        _ => (target, None),
    }
}

/// The bytes of a file; `-` is standard input.
fn content(file: &str) -> std::io::Result<Vec<u8>> {
    if file != "-" {
        return std::fs::read(file);
    }
    let mut text = Vec::new();
    std::io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}
