//! Options that ask something instead of serving, or command another instance (behaviour note 2.7).

use super::{Diagnostic, Directive, Reader};
use uwsgi_plugin_api::settings::{flag_is_true, leading_number};

/// What is to be answered instead of serving.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `--help`, with the section or option it is about; empty for the short help.
    Help(String),
    /// `--version`.
    Version,
    /// `--exit`: end with this status.
    Exit(u8),
    /// A list or a fact, by the option's canonical name: `dump-options`, `python-version`.
    List(&'static str),
    /// A command to another instance.
    Command(Inquiry),
}

/// A command to another instance, by its option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inquiry {
    /// The option's canonical name: `reload`, `stop`, `ping`, ...
    pub name: &'static str,
    /// Its value.
    pub target: String,
}

/// Flags that ask for a list or a fact.
const LISTS: &[&str] = &["dump-options", "python-version"];

/// Options that command another instance; their value says which.
const COMMANDS: &[&str] = &[
    "reload",
    "stop",
    "pause",
    "connect-and-read",
    "extract",
    "signal",
    "ping",
    "sites",
    "cluster-reload",
    "cluster-log",
];

impl Reader<'_> {
    /// Notes the question, where `name` is one. The first counts.
    pub(super) fn ask(&mut self, name: &'static str, directive: &Directive) {
        let text = directive.value.as_deref().unwrap_or_default();
        let question = match name {
            "help" => Question::Help(match text {
                "1" | "true" => String::new(),
                text => text.to_owned(),
            }),
            "version" => Question::Version,
            "exit" => Question::Exit(match text {
                "" | "true" => 1,
                text => u8::try_from(leading_number(text) & 0xff).unwrap_or(1),
            }),
            name if LISTS.contains(&name) => Question::List(name),
            name if COMMANDS.contains(&name) => {
                Question::Command(Inquiry { name, target: text.to_owned() })
            }
            _ => return,
        };
        let flag = matches!(question, Question::Version | Question::List(_));
        if flag && !flag_is_true(directive.text()) {
            return;
        }
        if matches!(question, Question::Command(_)) && text.is_empty() {
            return self.problem(Diagnostic::error(directive, "a value is needed here"));
        }
        self.reading.question.get_or_insert(question);
    }
}
