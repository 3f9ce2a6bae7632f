//! The script for fish.

use uwsgi_plugin_api::{Argument, OptionRow};

use super::super::words::argument;
use super::{Values, quoted, summary, topics, working};
use crate::options::{Registry, names};

/// The script, to be put as `uwsgi.fish` into a folder of `fish_complete_path`.
pub fn fish_completion(registry: &Registry) -> String {
    let all: Vec<_> = working(registry).flat_map(names).collect();
    let topics = topics(registry).join(" ");
    let options: Vec<_> = working(registry).map(|row| command(row, &topics)).collect();
    include_str!("frame.fish")
        .replace("@NAMES@", &all.join(" "))
        .replace("@OPTIONS@", &options.join("\n"))
}

fn command(row: &'static OptionRow, topics: &str) -> String {
    let mut out = "complete -c uwsgi".to_owned();
    if let Some(letter) = row.short {
        out.push_str(&format!(" -s {letter}"));
    }
    out.extend(names(row).map(|name| format!(" -l {name}")));
    out.push_str(&value(row, topics));
    let text = summary(row).replace('\\', "\\\\");
    out + " -d " + &quoted(&text, "\\'")
}

/// `-r` demands a value, `-x` one that is no file. A value that may be left out cannot be said.
fn value(row: &OptionRow, topics: &str) -> String {
    if row.name == "help" {
        return format!(" -x -a '{topics}'");
    }
    match (argument(row), Values::of(row)) {
        (Argument::None | Argument::Optional, _) => String::new(),
        (_, Values::Files) => " -r -F".to_owned(),
        (_, Values::Folders) => " -x -a '(__fish_complete_directories)'".to_owned(),
        (_, Values::Users) => " -x -a '(__fish_complete_users)'".to_owned(),
        (_, Values::Groups) => " -x -a '(__fish_complete_groups)'".to_owned(),
        (_, Values::Words(words)) => format!(" -x -a '{}'", words.join(" ")),
        (_, Values::Unknown) => " -x".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::row;
    use super::command;

    #[test]
    fn each_option_is_a_command() {
        assert_eq!(
            command(row("sample-wait"), ""),
            "complete -c uwsgi -l sample-wait -l sample-pause -x \
             -d 'Wait [so long]; it\\'s \"quoted\", a\\\\b|c'"
        );
        assert_eq!(
            command(row("uid"), ""),
            "complete -c uwsgi -l uid -x -a '(__fish_complete_users)' \
             -d 'User to run as, by name or number; needs root'"
        );
        assert!(
            command(row("help"), "all http").contains(" -l help -l usage -x -a 'all http' -d ")
        );
    }
}
