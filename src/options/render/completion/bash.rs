//! The script for bash.

use std::collections::BTreeMap;

use uwsgi_plugin_api::{Argument, OptionRow};

use super::super::words::argument;
use super::{Values, topics, working};
use crate::options::{Registry, names};

/// The script, to be sourced or put into `/usr/share/bash-completion/completions/uwsgi`.
pub fn bash_completion(registry: &Registry) -> String {
    let rows: Vec<_> = working(registry).collect();
    let all: Vec<_> =
        rows.iter().flat_map(|row| names(row)).map(|name| format!("--{name}")).collect();
    include_str!("frame.bash")
        .replace("@NAMES@", &all.join("\n"))
        .replace("@VALUES@", &values(&rows, &topics(registry).join(" ")))
}

/// The branches of the `case` over options that take a value, one for all options with the same values.
fn values(rows: &[&'static OptionRow], topics: &str) -> String {
    let mut branches = BTreeMap::<String, Vec<String>>::new();
    let valued = rows.iter().filter(|row| argument(row) != Argument::None && row.name != "help");
    for &row in valued {
        branches.entry(command(&Values::of(row))).or_default().extend(patterns(row));
    }
    let help = format!("        -h|--help|--help=) _uwsgi_words '{topics}' \"$2\" ;;");
    let branch = |(command, patterns): (String, Vec<String>)| {
        format!("        {}) {command} ;;", patterns.join("|"))
    };
    std::iter::once(help).chain(branches.into_iter().map(branch)).collect::<Vec<_>>().join("\n")
}

/// The words before a value: `--name=`, and where it must follow, `--name` and the letter too.
fn patterns(row: &'static OptionRow) -> Vec<String> {
    let mut found = Vec::new();
    if argument(row) == Argument::Required {
        found.extend(row.short.map(|letter| format!("-{letter}")));
        found.extend(names(row).map(|name| format!("--{name}")));
    }
    found.extend(names(row).map(|name| format!("--{name}=")));
    found
}

fn command(values: &Values) -> String {
    match values {
        Values::Files => "_uwsgi_files -f \"$2\"".to_owned(),
        Values::Folders => "_uwsgi_files -d \"$2\"".to_owned(),
        Values::Users => "mapfile -t COMPREPLY < <(compgen -u -- \"$2\")".to_owned(),
        Values::Groups => "mapfile -t COMPREPLY < <(compgen -g -- \"$2\")".to_owned(),
        Values::Words(words) => format!("_uwsgi_words '{}' \"$2\"", words.join(" ")),
        Values::Unknown => ":".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::super::samples::{registry, row};
    use super::*;

    #[test]
    fn optional_values_follow_an_equals_sign_only() {
        assert_eq!(patterns(row("sample-file")), ["--sample-file="]);
        assert_eq!(patterns(row("uid")), ["--uid", "--uid="]);
    }

    /// What bash offers for the last word, in the folder of this package.
    fn completed(words: &[&str]) -> Vec<String> {
        const ASK: &str = "eval \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _uwsgi; printf '%s\\n' \"${COMPREPLY[@]}\"";
        let mut bash = Command::new("bash");
        bash.args(["-c", ASK, &bash_completion(&registry())]).args(words);
        let output = bash.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("bash runs");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("names are text");
        text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn bash_completes() {
        for (words, expected) in [
            (&["uwsgi", "--sample-f"][..], &["--sample-flag", "--sample-file"][..]),
            (&["uwsgi", "--sample-file", "=", "Cargo.t"], &["Cargo.toml"]),
            (&["uwsgi", "--sample-flag", "Cargo.t"], &["Cargo.toml"]),
            (&["uwsgi", "--ini", "Cargo.t"], &["Cargo.toml"]),
            (&["uwsgi", "--chdir", "plug"], &["plugins"]),
            (&["uwsgi", "--uid", "roo"], &["root"]),
            (&["uwsgi", "--sample-wait", ""], &[]),
            (&["uwsgi", "--help", "sock"], &["sockets"]),
            (&["uwsgi", "--help", "=", "al"], &["all"]),
            (&["uwsgi", "che"], &["check"]),
            (&["uwsgi", "check", "Cargo.t"], &["Cargo.toml"]),
            (&["uwsgi", "explain", "sample-w"], &["sample-wait"]),
            (&["uwsgi", "explain", "Cargo.t"], &["Cargo.toml"]),
        ] {
            assert_eq!(completed(words), expected, "{words:?}");
        }
    }
}
