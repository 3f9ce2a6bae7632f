//! `uwsgi explain OPTION|FILE`: what an option, or a whole file, does in plain words.

use std::ffi::OsString;
use std::path::Path;

use super::{EXIT_CONFIGURATION, Tools, answer_with};
use crate::config::{self, Source};
use crate::{explain, options};

const USAGE: &str = "\
Usage: uwsgi explain OPTION|FILE[:SECTION]...

Says what an option does, or what a configuration file makes the server do. An option is named with or without
its dashes; the name of a chapter (sockets, logging, ...) shows all options of it.
";

/// Answers and returns the exit status.
pub(super) fn run(args: &[OsString], tools: &Tools<'_>) -> i32 {
    let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
    if words.is_empty() || words.iter().any(|word| word == "-h" || word == "--help") {
        let status = if words.is_empty() { EXIT_CONFIGURATION } else { 0 };
        return answer_with(USAGE, status);
    }
    words.iter().fold(0, |status, word| one(word, tools).max(status))
}

fn one(word: &str, tools: &Tools<'_>) -> i32 {
    if let Some(text) = options::help_for(tools.registry, word) {
        return answer_with(&text, 0);
    }
    let file = word.rsplit_once(':').map_or(word, |(file, _)| file);
    if word.contains(['.', '/']) || Path::new(file).exists() {
        return file_explained(word, tools);
    }
    let near = tools.registry.nearest(word).map(|name| format!(" (did you mean {name}?)"));
    eprintln!("uwsgi explain: {word} is neither an option nor a file{}", near.unwrap_or_default());
    EXIT_CONFIGURATION
}

fn file_explained(file: &str, tools: &Tools<'_>) -> i32 {
    let Tools { registry, machine } = tools;
    let source = Source::here(vec![file.into()]);
    let reading = config::read(registry, &source, machine);
    let (config, problems) = match config::check(registry, machine, reading.clone()) {
        Ok(loaded) => (Some(loaded.config), loaded.warnings),
        Err(problems) => (None, problems),
    };
    let text = explain::configuration(registry, &reading, config.as_ref(), &problems);
    answer_with(&text, if config.is_some() { 0 } else { EXIT_CONFIGURATION })
}
