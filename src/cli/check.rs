//! `uwsgi check FILE...`: reads configurations as the server would and says what is wrong with them.

use std::ffi::OsString;

use super::{Tools, answer_with, cluster};
use crate::config::{self, Diagnostic, Severity, Source};
use crate::lint::{self, report};
use crate::plugin;

/// Exit status where there is an error.
const EXIT_ERRORS: i32 = 2;
/// Exit status where there is no error, but a warning.
const EXIT_WARNINGS: i32 = 1;

const USAGE: &str = "\
Usage: uwsgi check [--format text|json] FILE[:SECTION]... [OPTION...]

Reads each file as the server would and reports what is wrong, with file, line and column. Options of the server
that are given count as if they stood on its command line. A file may be - for standard input.
Without a file the options and the environment alone are checked.

Exit status: 0 nothing or hints only, 1 warnings, 2 errors.
";

/// What was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    json: bool,
    help: bool,
    /// Arguments that name a file.
    files: Vec<OsString>,
    /// All others.
    options: Vec<OsString>,
}

impl Request {
    fn parse(args: &[OsString], tools: &Tools<'_>) -> Result<Self, String> {
        let mut request = Self::default();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let text = arg.to_string_lossy();
            match text.as_ref() {
                "-h" | "--help" => request.help = true,
                "--format" => match args.next() {
                    Some(format) => request.format(&format.to_string_lossy())?,
                    None => return Err("--format needs a value; accepted: text, json".to_owned()),
                },
                "-" => request.files.push(arg.clone()),
                text if text.starts_with("--format=") => {
                    request.format(&text["--format=".len()..])?
                }
                text if text.starts_with('-') => {
                    request.options.push(arg.clone());
                    if tools.registry.wants_next(text) {
                        request.options.extend(args.next().cloned());
                    }
                }
                _ => request.files.push(arg.clone()),
            }
        }
        Ok(request)
    }

    fn format(&mut self, format: &str) -> Result<(), String> {
        match format {
            "text" => self.json = false,
            "json" => self.json = true,
            _ => return Err(format!("there is no format {format}; accepted: text, json")),
        }
        Ok(())
    }

    /// One command line for each file, with the file's name.
    fn command_lines(&self) -> Vec<(Vec<OsString>, String)> {
        let line = |file: &OsString| {
            let name = file.to_string_lossy().into_owned();
            let file =
                if file == "-" { vec!["--ini".into(), file.clone()] } else { vec![file.clone()] };
            ([self.options.clone(), file].concat(), name)
        };
        match self.files.is_empty() {
            true => vec![(self.options.clone(), String::new())],
            false => self.files.iter().map(line).collect(),
        }
    }
}

/// Answers and returns the exit status.
pub(super) fn run(args: &[OsString], plugins: &plugin::Registry, tools: &Tools<'_>) -> i32 {
    let request = match Request::parse(args, tools) {
        Ok(request) => request,
        Err(message) => {
            eprintln!("uwsgi check: {message}");
            return EXIT_ERRORS;
        }
    };
    if request.help {
        return answer_with(USAGE, 0);
    }
    let mut problems = Vec::new();
    for (args, file) in request.command_lines() {
        let source = Source::here(args);
        let mut found = check(&source, plugins, tools);
        let nowhere =
            |problem: &&mut Diagnostic| problem.mark.is_none() && problem.place.is_empty();
        found.iter_mut().filter(nowhere).for_each(|problem| problem.place.clone_from(&file));
        problems.extend(found);
    }
    let problems = report::sorted(problems);
    let status = match problems.iter().map(|problem| problem.severity).max() {
        Some(Severity::Error) => EXIT_ERRORS,
        Some(Severity::Warning) => EXIT_WARNINGS,
        Some(Severity::Hint) | None => 0,
    };
    let text = if request.json { report::json(&problems) } else { report::text(&problems) };
    answer_with(&text, status)
}

fn check(source: &Source, plugins: &plugin::Registry, tools: &Tools<'_>) -> Vec<Diagnostic> {
    let Tools { registry, machine } = tools;
    let reading = config::read(registry, source, machine);
    let checked = config::check(registry, machine, reading.clone());
    // What a cluster would tell is not asked for.
    let asks_others = cluster::asks_others(&reading, plugins, tools.registry);
    let (config, mut problems) = match checked {
        Ok(loaded) => {
            let mut problems = super::beyond_options(&loaded.config, plugins);
            problems.extend(cluster::problems(&loaded.config, asks_others, plugins));
            (Some(loaded.config), [loaded.warnings, problems].concat())
        }
        Err(problems) => (None, problems),
    };
    problems.extend(reading.missing.iter().cloned());
    if asks_others {
        return problems;
    }
    // What could not be read lacks everything; saying so would not help.
    if !reading.files.is_empty() || problems.iter().all(|problem| !problem.is_error()) {
        problems.extend(lint::lint(registry, machine, &reading, config.as_ref()));
    }
    problems
}
