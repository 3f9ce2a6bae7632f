//! From the command line to a checked configuration, or to an answer and an exit status.

mod answers;
mod check;
mod cluster;
mod explain;
mod gateway;
mod instance;
mod site;

use std::ffi::OsString;
use std::sync::Arc;

pub use answers::fall_back;
pub use site::{in_place_of, site};

use crate::config::{self, Config, Diagnostic, Outside, Reading, Snapshot, Source};
use crate::net::listen;
use crate::shm::ClusterMemory;
use crate::sys::machine::Machine;
use crate::{log, options, plugin};

/// Exit status of a configuration that cannot be served, as uWSGI's.
const EXIT_CONFIGURATION: i32 = 1;

/// What the process is to do.
#[derive(Debug)]
pub enum Command {
    /// It has answered, or said what is wrong: end with this status.
    Exit(i32),
    /// Serve, with what the reading saw where that was noted.
    Serve(Box<Config>, Option<Arc<Snapshot>>),
}

/// What answers need besides their arguments.
struct Tools<'a> {
    registry: &'a options::Registry,
    machine: &'a Machine,
}

/// Reads the arguments (the program's name first), the environment and what of the outside may be seen. Everything there is
/// to say is in the log when this returns, and the log's dates are set; only answers go to standard output. What a replayed
/// reading has to say was said by the first. `cluster`: what an earlier image shares with the node of the instance.
pub fn parse(
    args: impl IntoIterator<Item = OsString>,
    plugins: &plugin::Registry,
    outside: Outside,
    cluster: Option<&ClusterMemory>,
) -> Command {
    let args = args.into_iter().skip(1).collect();
    parse_all(Source { outside, ..Source::here(args) }, plugins, cluster)
}

fn parse_all(
    source: Source,
    plugins: &plugin::Registry,
    memory: Option<&ClusterMemory>,
) -> Command {
    let Source { args, outside, .. } = &source;
    let registry = options::Registry::new(&plugins.options());
    let machine = match outside {
        Outside::Replayed(snapshot) => snapshot.machine().clone(),
        _ => Machine::detect(),
    };
    let tools = Tools { registry: &registry, machine: &machine };
    match args.first().and_then(|first| first.to_str()) {
        Some("check") => return Command::Exit(check::run(&args[1..], plugins, &tools)),
        Some("cluster") => return Command::Exit(cluster::run(&args[1..], plugins, &tools)),
        Some("gateway") => return Command::Exit(gateway::run(&args[1..], plugins, memory)),
        Some("site") => return Command::Exit(site::refuse_alone()),
        Some("explain") => return Command::Exit(explain::run(&args[1..], &tools)),
        _ => {}
    }
    let replayed = matches!(outside, Outside::Replayed(_));
    let kept = cluster::kept(outside, memory, plugins);
    let mut reading = match &kept {
        Some(shared) => config::of_shared(&registry, &machine, shared),
        None => config::read(&registry, &source, &machine),
    };
    if let Some(question) = reading.question.take() {
        return Command::Exit(answers::answer(&question, &reading, plugins, &tools));
    }
    let completed = match kept {
        Some(_) => Ok(reading),
        None => cluster::completed(reading, outside, (plugins, &tools)),
    };
    match completed {
        Ok(reading) => serve(reading, plugins, &tools, replayed),
        Err(why) => refuse(&[Diagnostic::general(why)], None),
    }
}

fn serve(
    mut reading: Reading,
    plugins: &plugin::Registry,
    tools: &Tools<'_>,
    replayed: bool,
) -> Command {
    let membership = cluster::membership(&reading, plugins, tools.registry);
    let asks_others = cluster::asks_others(&reading, plugins, tools.registry);
    let snapshot = reading.snapshot.take();
    let say = |lines: &[String]| lines.iter().filter(|_| !replayed).for_each(|line| say(line));
    say(&std::mem::take(&mut reading.notes));
    let fallback = reading.fallback.clone();
    let lines = answers::lines(&reading, plugins, tools.registry);
    let asked = answers::asked_values(&reading, tools.registry);
    let shown = reading.shown(tools.registry).unwrap_or_default();
    let mut loaded = match config::check(tools.registry, tools.machine, reading) {
        Ok(loaded) => loaded,
        Err(problems) => return refuse(&problems, fallback),
    };
    loaded.config.cluster = membership;
    gateway::plan(&mut loaded.config, plugins);
    if let Some(text) = asked {
        return Command::Exit(answer_with(&text, 0));
    }
    let mut problems = beyond_options(&loaded.config, plugins);
    problems.extend(cluster::problems(&loaded.config, asks_others, plugins));
    if !problems.is_empty() {
        return refuse(&[loaded.warnings, problems].concat(), fallback);
    }
    log::configure(loaded.config.runtime.log_date.as_deref());
    say(&shown);
    say(&lines);
    say(&loaded.warnings.iter().map(Diagnostic::to_string).collect::<Vec<_>>());
    say(&cluster::remark(&loaded.config).map(str::to_owned).into_iter().collect::<Vec<_>>());
    Command::Serve(Box::new(loaded.config), snapshot)
}

fn say(line: &str) {
    log::line(format_args!("{line}"));
}

/// Problems that only others can see: addresses, arguments that nobody understands, values that a plugin refuses.
fn beyond_options(config: &Config, plugins: &plugin::Registry) -> Vec<Diagnostic> {
    let addresses =
        listen::check(config).into_iter().map(|error| Diagnostic::general(error.to_string()));
    let unclaimed = config.arguments.iter().filter(|argument| !plugins.claims_argument(argument));
    let unclaimed = unclaimed.map(|argument| {
        Diagnostic::general(format!(
            "unable to load configuration from {argument}: it is neither a configuration file (.ini, .xml, .yaml, \
             .yml, .json, .js, .toml) nor an application"
        ))
    });
    let refused = plugins.problems(&config.settings).into_iter();
    let refused = refused.map(|error| Diagnostic::general(error.to_string()));
    let refused = refused.chain(site::problems(config, plugins));
    addresses.chain(unclaimed).chain(refused).chain(unanswered(config, plugins)).collect()
}

/// Modifiers that sockets give their requests and no plugin answers: each request would be closed.
fn unanswered(config: &Config, plugins: &plugin::Registry) -> Vec<Diagnostic> {
    let routes = plugins.routes();
    let modifiers = &config.modifiers;
    let given = [
        ("http-modifier1", modifiers.router.0),
        ("http-socket-modifier1", modifiers.http.0),
        ("fastcgi-modifier1", modifiers.fastcgi.0),
        ("scgi-modifier1", modifiers.scgi.0),
        ("raw-modifier1", modifiers.raw.0),
    ];
    let lost = given
        .into_iter()
        .filter(|(_, modifier)| *modifier != 0 && routes[usize::from(*modifier)].is_none());
    let problem = |(option, modifier)| {
        Diagnostic::general(format!(
            "{option} = {modifier}: no plugin answers this modifier; accepted: 0 for Python (manage-script-name does \
             what modifier 30 is for)"
        ))
    };
    lost.map(problem).collect()
}

/// Writes an answer to standard output.
fn answer_with(text: &str, status: i32) -> i32 {
    use std::io::Write;
    // A closed standard output is the asker's wish.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    status
}

fn refuse(problems: &[Diagnostic], fallback: Option<String>) -> Command {
    for problem in problems {
        log::line(format_args!("{problem}"));
    }
    if let Some(file) = fallback {
        answers::fall_back(&file);
    }
    Command::Exit(EXIT_CONFIGURATION)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Command {
        // Whatever the environment of the tests has to say.
        let source = Source::of_args(args.iter().copied());
        parse_all(source, &plugin::Registry::new(Vec::new(), Vec::new()), None)
    }

    #[test]
    fn a_good_command_line_serves() {
        let Command::Serve(config, _) = parsed(&["-s", ":0", "-M"]) else { panic!("it serves") };
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
