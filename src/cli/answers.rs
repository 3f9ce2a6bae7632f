//! Answers to the options that ask instead of serving.

use std::os::unix::process::CommandExt;
use std::time::Duration;

use super::{EXIT_CONFIGURATION, Tools, answer_with, cluster};
use crate::config::{self, BUILT_IN, Question, Reading};
use crate::{control, log, options, plugin};
use uwsgi_plugin_api::Settings;
use uwsgi_plugin_api::settings::flag_is_true;

/// Set for the process that a `fallback-config` starts, so that a bad fallback does not start itself for ever.
const FALLEN_BACK: &str = "UWSGI_RS_FALLBACK";

/// Answers, and returns the exit status. What is wrong with the rest of the configuration does not matter here.
pub(super) fn answer(
    question: &Question,
    reading: &Reading,
    plugins: &plugin::Registry,
    tools: &Tools<'_>,
) -> i32 {
    match question {
        Question::Help(word) => {
            let word = match word.as_str() {
                "" => reading.arguments.first().map(String::as_str).unwrap_or_default(),
                word => word,
            };
            help(word, tools)
        }
        Question::Version => answer_with(&format!("{}\n", options::version()), 0),
        Question::Exit(status) => i32::from(*status),
        Question::List("python-version") => {
            version_of(&config::settings(reading, tools.registry), plugins)
        }
        Question::List(_) => answer_with(&options::dump(tools.registry), 0),
        Question::Command(inquiry) if inquiry.name.starts_with("cluster-") => {
            cluster::command(inquiry, reading, plugins, tools)
        }
        Question::Command(inquiry) => {
            let seconds = config::settings(reading, tools.registry).number("ping-timeout");
            control::run(inquiry, seconds.map(Duration::from_secs))
        }
    }
}

fn help(word: &str, tools: &Tools<'_>) -> i32 {
    if word.is_empty() {
        return answer_with(&options::help(tools.registry), 0);
    }
    match options::help_for(tools.registry, word) {
        Some(text) => answer_with(&text, 0),
        None => {
            let sections: Vec<_> =
                uwsgi_plugin_api::Section::ALL.iter().map(|section| section.name()).collect();
            log::line(format_args!(
                "error: there is no help for {word}; accepted: an option, all, {}",
                sections.join(", ")
            ));
            EXIT_CONFIGURATION
        }
    }
}

/// `python-version`: of the interpreter that would be loaded.
fn version_of(settings: &Settings, plugins: &plugin::Registry) -> i32 {
    let found = plugins.iter().find_map(|plugin| plugin.language_version(settings));
    match found {
        Some(Ok(version)) => answer_with(&format!("{version}\n"), 0),
        Some(Err(error)) => {
            log::line(format_args!("error: {error}"));
            EXIT_CONFIGURATION
        }
        None => {
            log::line(format_args!("error: this program was built without Python"));
            EXIT_CONFIGURATION
        }
    }
}

/// Lines that options write to the log at the start: `print`, `plugins-list`.
pub(super) fn lines(
    reading: &Reading,
    plugins: &plugin::Registry,
    registry: &options::Registry,
) -> Vec<String> {
    let mut lines = Vec::new();
    for directive in reading.effective() {
        match registry.find(&directive.key).map(|row| row.name) {
            Some("print") => lines.push(directive.text().to_owned()),
            Some("plugins-list") if flag_is_true(directive.text()) => {
                plugin_list(plugins, &mut lines)
            }
            _ => {}
        }
    }
    lines
}

/// In uWSGI's form.
fn plugin_list(plugins: &plugin::Registry, lines: &mut Vec<String>) {
    lines.extend(["", "*** uWSGI loaded generic plugins ***"].map(str::to_owned));
    lines.extend(BUILT_IN.iter().map(|name| (*name).to_owned()));
    lines.extend(["", "*** uWSGI loaded request plugins ***"].map(str::to_owned));
    for plugin in plugins.iter() {
        lines.extend(
            plugin.modifiers().iter().map(|modifier| format!("{modifier}: {}", plugin.name())),
        );
    }
    lines.extend(["100: ping", "--- end of plugins list ---", ""].map(str::to_owned));
}

/// The values that `get` asks for, a line each; `None` where it does not stand anywhere.
pub(super) fn asked_values(reading: &Reading, registry: &options::Registry) -> Option<String> {
    let asks = |key: &str| registry.find(key).is_some_and(|row| row.name == "get");
    let mut asked = reading.effective().filter(|directive| asks(&directive.key)).peekable();
    asked.peek()?;
    let values = asked.filter_map(|directive| reading.first(directive.text()));
    Some(values.map(|value| format!("{value}\n")).collect())
}

/// Starts the program again with another configuration (`fallback-config`) and nothing else. Returns where that is
/// impossible.
pub fn fall_back(file: &str) {
    if std::env::var_os(FALLEN_BACK).is_some() {
        return log::line(format_args!(
            "error: the fallback configuration cannot be served either"
        ));
    }
    log::line(format_args!("starting with the fallback configuration {file}"));
    let program = std::env::current_exe().unwrap_or_else(|_| "uwsgi".into());
    let error = std::process::Command::new(program).arg(file).env(FALLEN_BACK, "1").exec();
    log::line(format_args!("error: fallback-config {file}: {error}"));
}
