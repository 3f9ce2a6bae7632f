//! From the command line to a checked configuration, or to an answer and an exit status.

use std::ffi::OsString;
use std::time::Duration;

use crate::config::{self, Config, Diagnostic, Question, Source};
use crate::net::listen;
use crate::sys::machine::Machine;
use crate::{control, log, options, plugin};

/// Exit status of a configuration that cannot be served, as uWSGI's.
const EXIT_CONFIGURATION: i32 = 1;

/// What the process is to do.
#[derive(Debug)]
pub enum Command {
    /// It has answered, or said what is wrong: end with this status.
    Exit(i32),
    /// Serve.
    Serve(Box<Config>),
}

/// Reads the arguments (the program's name first), the environment and all files. Everything there is to say
/// is in the log when this returns, and the log's dates are set; only answers go to standard output.
pub fn parse(args: impl IntoIterator<Item = OsString>, plugins: &plugin::Registry) -> Command {
    let source = Source {
        args: args.into_iter().skip(1).collect(),
        environment: std::env::vars_os().collect(),
    };
    let rows: Vec<_> = plugins.iter().map(|plugin| plugin.options()).collect();
    let registry = options::Registry::new(&rows);
    let machine = Machine::detect();

    let mut reading = config::read(&registry, &source, &machine);
    match reading.question {
        Some(Question::Help(_)) => return answer(&options::help(&registry)),
        Some(Question::Version) => return answer(&format!("{}\n", options::version())),
        Some(Question::Command(ref inquiry)) => {
            let timeouts = reading.effective().filter(|directive| directive.key == "ping-timeout");
            let seconds = timeouts.last().and_then(|directive| directive.text().parse().ok());
            return Command::Exit(control::run(inquiry, seconds.map(Duration::from_secs)));
        }
        Some(_) => todo!(),
        None => {}
    }
    for note in std::mem::take(&mut reading.notes) {
        log::line(format_args!("{note}"));
    }
    let loaded = match config::check(&registry, &machine, reading) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(&problems),
    };
    let problems = beyond_options(&loaded.config, plugins);
    if !problems.is_empty() {
        return refuse(&[loaded.warnings, problems].concat());
    }
    log::configure(loaded.config.runtime.log_date.as_deref());
    for line in loaded.shown.into_iter().flatten() {
        log::line(format_args!("{line}"));
    }
    for warning in &loaded.warnings {
        log::line(format_args!("{warning}"));
    }
    Command::Serve(Box::new(loaded.config))
}

/// Problems that only other rooms can see: addresses, and arguments that nobody understands.
fn beyond_options(config: &Config, plugins: &plugin::Registry) -> Vec<Diagnostic> {
    let addresses =
        listen::check(config).into_iter().map(|error| Diagnostic::general(error.to_string()));
    let unclaimed = config.arguments.iter().filter(|argument| !plugins.claims_argument(argument));
    let unclaimed = unclaimed.map(|argument| {
        Diagnostic::general(format!(
            "unable to load configuration from {argument}: it is neither an ini file nor an application"
        ))
    });
    addresses.chain(unclaimed).collect()
}

fn answer(text: &str) -> Command {
    use std::io::Write;
    // A closed standard output is the asker's wish.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Command::Exit(0)
}

fn refuse(problems: &[Diagnostic]) -> Command {
    for problem in problems {
        log::line(format_args!("{problem}"));
    }
    Command::Exit(EXIT_CONFIGURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Command {
        let args = std::iter::once("uwsgi").chain(args.iter().copied());
        parse(args.map(OsString::from), &plugin::Registry::new(Vec::new()))
    }

    #[test]
    fn a_good_command_line_serves() {
        let Command::Serve(config) = parsed(&["-s", ":0", "-M"]) else { panic!("it serves") };
        assert!(config.processes.master);
    }

    #[test]
    fn answers_end_with_0_and_mistakes_with_1() {
        for (args, status) in [
            (&["--version"][..], 0),
            (&["--help", "--no-such-option-at-all"], 1),
            (&["--no-such-option-at-all"], 1),
            (&["-p", "-1"], 1),
            (&["-s", "127.0.0.1:http"], 1),
            (&["-s", ":0", "what.is-this"], 1),
            (&["no-such.ini"], 1),
        ] {
            let Command::Exit(found) = parsed(args) else { panic!("{args:?} ends") };
            assert_eq!(found, status, "{args:?}");
        }
    }
}
