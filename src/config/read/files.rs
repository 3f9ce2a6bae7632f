//! Configuration files: which format, which section, what is put around them.

use std::path::PathBuf;
use std::sync::Arc;

use super::{Diagnostic, Directive, Origin, Reader, open};
use crate::config::directive::{FileText, Position, Spot};
use crate::config::format::{Format, Parsed};
use crate::config::magic::{FileNames, Magic};
use crate::config::units;

/// Files may name files this deep.
const FILES_DEPTH_MAX: usize = 32;
/// The section that is read where none is named.
const SECTION: &str = "uwsgi";

/// Files that `inject-before` and `inject-after` put around every file.
#[derive(Debug, Default)]
pub(super) struct Injected {
    before: Vec<Arc<FileText>>,
    after: Vec<Arc<FileText>>,
}

/// The text of a configuration and of what was injected, with the line of the whole where each begins.
struct Composed {
    bytes: Vec<u8>,
    parts: Vec<(Arc<FileText>, u32)>,
}

impl Composed {
    fn new(injected: &Injected, file: &Arc<FileText>, text: &[u8]) -> Self {
        let mut composed = Self { bytes: Vec::with_capacity(text.len()), parts: Vec::new() };
        injected.before.iter().for_each(|part| composed.add(part, part.text.as_bytes()));
        composed.add(file, text);
        injected.after.iter().for_each(|part| composed.add(part, part.text.as_bytes()));
        composed
    }

    fn add(&mut self, file: &Arc<FileText>, text: &[u8]) {
        if !self.bytes.is_empty() && self.bytes.last() != Some(&b'\n') {
            self.bytes.push(b'\n');
        }
        let line = self.bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.parts.push((file.clone(), u32::try_from(line).unwrap_or(u32::MAX)));
        self.bytes.extend_from_slice(text);
    }

    /// The file of a place in the whole, and the place in it.
    fn locate(&self, at: Position) -> (&Arc<FileText>, Position) {
        let holds = |(_, before): &&(Arc<FileText>, u32)| *before < at.line;
        let (file, before) = self.parts.iter().rev().find(holds).unwrap_or(&self.parts[0]);
        (file, Position { line: at.line - before, ..at })
    }
}

impl Reader<'_> {
    /// Positional arguments come after all options; text in brackets is ignored, as by uWSGI.
    pub(super) fn positional(&mut self, argument: String) {
        if argument.starts_with('[') {
            return;
        }
        match Format::of(split_section(&argument).0) {
            Some(format) => {
                let directive =
                    Directive::new(format.option(), Some(argument), Origin::CommandLine);
                self.load(format, directive.text(), &directive);
            }
            None => self.reading.arguments.push(argument),
        }
    }

    /// Options that name a file to read or to inject; `false` for all others.
    pub(super) fn load_named(&mut self, name: &str, directive: &Directive) -> bool {
        match name {
            "include" | "config" => self.load_any(directive.text(), directive),
            "inject-before" | "inject-after" => self.injected(name, directive),
            name => match Format::ALL.iter().find(|format| format.option() == name) {
                Some(format) => self.load(*format, directive.text(), directive),
                None => return false,
            },
        }
        true
    }

    fn injected(&mut self, name: &str, directive: &Directive) {
        let target = directive.text();
        match self.window.content(target) {
            Ok(bytes) => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let file = Arc::new(FileText::new(target, text));
                match name {
                    "inject-before" => self.inject.before.push(file),
                    _ => self.inject.after.push(file),
                }
            }
            Err(error) => {
                let text = format!("cannot read the file {target}: {error}");
                self.problem(Diagnostic::error(directive, text));
            }
        }
    }

    /// Reads a file in the format that its extension says; `:section` is one of the file that is being read.
    pub(super) fn load_any(&mut self, target: &str, directive: &Directive) {
        let (file, _) = split_section(target);
        let given = match self.files.last() {
            Some(current) if file.is_empty() => current.given.clone(),
            _ => file.to_owned(),
        };
        match Format::of(&given) {
            Some(format) => self.load(format, target, directive),
            None => {
                let text = format!(
                    "unable to load configuration from {target}; accepted: a file that ends in {}",
                    Format::EXTENSIONS.join(", ")
                );
                self.problem(Diagnostic::error(directive, text));
            }
        }
    }

    /// Reads a section of a file; `:section` alone is one of the file that is being read.
    fn load(&mut self, format: Format, target: &str, directive: &Directive) {
        let (file, section) = split_section(target);
        let file = match self.files.last() {
            Some(current) if file.is_empty() => current.given.clone(),
            _ => file.to_owned(),
        };
        if self.files.len() >= FILES_DEPTH_MAX {
            let text =
                format!("configuration files name each other more than {FILES_DEPTH_MAX} deep");
            return self.stop(Diagnostic::error(directive, text));
        }
        match self.window.content(&file) {
            Ok(text) if self.takes(text.len() / 1024, directive) => {}
            Ok(text) => {
                let title = format.title();
                self.reading
                    .notes
                    .push(format!("[uWSGI] getting {title} configuration from {file}"));
                self.parse(format, &file, section, &text, directive);
            }
            Err(error) => {
                let text = format!("cannot read the configuration file {file}: {error}");
                self.problem(Diagnostic::error(directive, text));
            }
        }
    }

    /// What uWSGI does about a section that is not there depends on the format: with JSON and XML it does not start.
    pub(super) fn parse(
        &mut self,
        format: Format,
        file: &str,
        section: Option<&str>,
        text: &[u8],
        directive: &Directive,
    ) {
        let asked = section.unwrap_or_default();
        let names = match file {
            "-" => FileNames::nameless(file, asked),
            _ if open::scheme(file).is_some() => FileNames::nameless(file, asked),
            _ => match self.window.place(file, &self.machine.cwd) {
                Ok(place) => FileNames::new(file, asked, place),
                Err(message) => return self.problem(Diagnostic::error(directive, message)),
            },
        };
        let shown = String::from_utf8_lossy(text).into_owned();
        let whole = Arc::new(FileText::new(file, shown));
        let composed = Composed::new(&self.inject, &whole, text);
        let first = self.first.get_or_insert_with(|| names.clone());
        let magic = Magic::new(&names, first, self.machine, self.began);
        let section = section.unwrap_or(SECTION);
        let Parsed { lines, section_found, problems } =
            format.parse(&composed.bytes, section, &magic);
        if !section_found && problems.is_empty() && matches!(format, Format::Json | Format::Xml) {
            let text = format!("there is no section {section} in {file}");
            self.problem(Diagnostic::error(directive, text));
        } else if !section_found && problems.is_empty() {
            let text = format!("there is no section {section} in {file}");
            self.reading.missing.push(Diagnostic::warning(directive, text));
            self.reading.notes.push(format!(
                "*** WARNING: Can't find section \"{section}\" in {} configuration file {file} ***",
                format.title()
            ));
        }
        for problem in problems {
            let (file, at) = composed.locate(problem.at);
            self.problem(Diagnostic::in_file(problem.severity, file, at, problem.message));
        }
        self.reading.files.push(PathBuf::from(file));
        self.files.push(names);
        for line in lines {
            let (file, key) = composed.locate(line.key_at);
            let (_, value) = composed.locate(line.value_at);
            let origin = Origin::File(Spot { file: file.clone(), key, value });
            let mut directive = Directive::new(line.key, Some(line.value), origin);
            if format == Format::Toml {
                self.convert_units(&mut directive);
            }
            self.push(directive);
        }
        self.files.pop();
    }

    /// Sizes and durations with a unit (`10M`, `30s`), which only TOML and our own options have.
    fn convert_units(&mut self, directive: &mut Directive) {
        let Some(row) = self.registry.find(&directive.key) else { return };
        match units::number(row, directive.text()) {
            Ok(number) => directive.value = Some(number),
            Err(message) => self.problem(Diagnostic::error(directive, message)),
        }
    }
}

/// `file:section`; a file without a section has none, nor one with an empty name.
fn split_section(target: &str) -> (&str, Option<&str>) {
    match target.rsplit_once(':') {
        Some((file, section)) if !section.contains('/') => {
            (file, Some(section).filter(|section| !section.is_empty()))
        }
        _ => (target, None),
    }
}
