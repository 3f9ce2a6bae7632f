//! The command line, by getopt_long's rules, through clap.
//!
//! clap's `Command` is built from the rows that the arguments can mean (of more than a thousand, so that a start does
//! not pay for them all): every name is an argument of its own, so that an alias keeps the name it was written with,
//! and an abbreviation is an alias of the one name it stands for. The order across options is rebuilt from
//! clap's indices. clap cannot do one rule: an optional value glued to a letter
//! (`-C660`). Such a token is spelled out before (`--chmod-socket=660`).
//! Beyond getopt, a flag may have a value here (`--master=false`), as it may in a file.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command, builder::OsStringValueParser};
use uwsgi_plugin_api::{Argument, OptionRow};

use crate::options::{Abbreviation, Registry, names};

/// Stands for "no value": no argument of a process can hold a NUL.
const NO_VALUE: &str = "\0";
/// Not a name of an option.
const POSITIONAL: &str = "[argument]";

/// The command line in its order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Arguments {
    /// Full name and value.
    pub options: Vec<(String, Option<String>)>,
    /// Everything that is no option.
    pub positional: Vec<String>,
}

/// Reads `args` (without the program's name).
///
/// # Errors
/// The first rule that is broken, as a sentence for the user.
pub(super) fn parse(registry: &Registry, args: &[OsString]) -> Result<Arguments, String> {
    let spelled = args.iter().flat_map(|arg| spell_out(registry, arg));
    let matches = command(registry, args).try_get_matches_from(spelled);
    let matches = matches.map_err(|error| explain(registry, &error))?;

    let mut found: Vec<(usize, String, Option<String>)> = Vec::new();
    let mut parsed = Arguments::default();
    for id in matches.ids().map(clap::Id::as_str) {
        let indices = matches.indices_of(id).into_iter().flatten();
        let values = matches.get_many::<OsString>(id).into_iter().flatten();
        for (index, value) in indices.zip(values) {
            let text = value.to_str().ok_or_else(|| {
                format!("the value of {id} is not valid UTF-8: {}", value.to_string_lossy())
            })?;
            if id == POSITIONAL {
                parsed.positional.push(text.to_owned());
            } else {
                found.push((index, id.to_owned(), (text != NO_VALUE).then(|| text.to_owned())));
            }
        }
    }
    found.sort_by_key(|(index, ..)| *index);
    parsed.options = found.into_iter().map(|(_, name, value)| (name, value)).collect();
    Ok(parsed)
}

fn command(registry: &Registry, args: &[OsString]) -> Command {
    let written = written_names(registry, args);
    let mut command = Command::new("uwsgi")
        .no_binary_name(true)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .arg(value(Arg::new(POSITIONAL)).num_args(0..));
    for row in registry.rows() {
        for (position, name) in names(row).enumerate() {
            let short = row.short.filter(|_| position == 0);
            let beginnings = written.get(name);
            if short.is_some() || beginnings.is_some() {
                let beginnings = beginnings.into_iter().flatten().cloned();
                command = command.arg(argument(row, name, short).aliases(beginnings));
            }
        }
    }
    command
}

/// Names of options that the arguments may mean, each with the beginnings by which it is written.
fn written_names(registry: &Registry, args: &[OsString]) -> HashMap<&'static str, Vec<String>> {
    let mut written: HashMap<&'static str, Vec<String>> = HashMap::new();
    for arg in args.iter().filter_map(|arg| arg.to_str()?.strip_prefix("--")) {
        let text = arg.split('=').next().unwrap_or_default();
        if let Abbreviation::Name(name) = registry.complete(text) {
            let beginnings = written.entry(name).or_default();
            if text != name && !beginnings.iter().any(|known| known == text) {
                beginnings.push(text.to_owned());
            }
        }
    }
    // The tokens that `spell_out` makes.
    for row in registry.rows().iter().filter(|row| row.argument == Argument::Optional) {
        if row.short.is_some() {
            written.entry(row.name).or_default();
        }
    }
    written
}

fn argument(row: &OptionRow, name: &'static str, short: Option<char>) -> Arg {
    let arg = value(Arg::new(name).long(name).short(short));
    if row.argument == Argument::Required {
        arg.num_args(1).allow_hyphen_values(true)
    } else {
        arg.num_args(0..=1).require_equals(true).default_missing_value(NO_VALUE)
    }
}

fn value(arg: Arg) -> Arg {
    arg.action(ArgAction::Append).value_parser(OsStringValueParser::new())
}

/// Splits a cluster of letters before one that has an optional value with a value behind it.
fn spell_out(registry: &Registry, arg: &OsString) -> Vec<OsString> {
    let whole = || vec![arg.clone()];
    let Some(cluster) = arg.as_bytes().strip_prefix(b"-").filter(|rest| !rest.starts_with(b"-"))
    else {
        return whole();
    };
    for (position, &letter) in cluster.iter().enumerate() {
        let Some(row) = registry.find_short(char::from(letter)) else { return whole() };
        let rest = &cluster[position + 1..];
        match row.argument {
            Argument::None => {}
            Argument::Optional if !rest.is_empty() => {
                let mut spelled = Vec::new();
                if position > 0 {
                    spelled.push(OsString::from_vec([b"-", &cluster[..position]].concat()));
                }
                spelled.push(OsString::from_vec([b"--", row.name.as_bytes(), b"=", rest].concat()));
                return spelled;
            }
            _ => return whole(),
        }
    }
    whole()
}

/// clap's error in getopt's words, with what was probably meant.
fn explain(registry: &Registry, error: &clap::Error) -> String {
    let written = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.split([' ', '=']).next().unwrap_or_default(),
        _ => "",
    };
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let name = written.trim_start_matches('-');
            if let Abbreviation::Ambiguous(names) = registry.complete(name)
                && written.starts_with("--")
            {
                let names: Vec<_> = names.iter().map(|name| format!("'--{name}'")).collect();
                return format!(
                    "option '{written}' is ambiguous; possibilities: {}",
                    names.join(" ")
                );
            }
            match registry.nearest(name) {
                Some(near) => format!("unrecognized option '{written}' (did you mean --{near}?)"),
                None => format!("unrecognized option '{written}'"),
            }
        }
        ErrorKind::InvalidValue | ErrorKind::WrongNumberOfValues | ErrorKind::TooFewValues => {
            format!("option '{written}' requires an argument")
        }
        _ => error.to_string().trim_start_matches("error: ").trim_end().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        Registry::new(&[])
    }

    fn parsed(args: &[&str]) -> Arguments {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        parse(&registry(), &args).expect("arguments are good")
    }

    fn refused(args: &[&str]) -> String {
        let args: Vec<_> = args.iter().map(OsString::from).collect();
        parse(&registry(), &args).expect_err("arguments are bad")
    }

    fn written(args: &[&str]) -> Vec<String> {
        let text = |(name, value): (String, Option<String>)| match value {
            Some(value) => format!("{name}={value}"),
            None => name,
        };
        parsed(args).options.into_iter().map(text).collect()
    }

    #[test]
    fn values_come_glued_detached_and_after_an_equals_sign() {
        assert_eq!(written(&["-p4"]), ["processes=4"]);
        assert_eq!(written(&["-p", "4"]), ["processes=4"]);
        assert_eq!(written(&["--processes", "4"]), ["processes=4"]);
        assert_eq!(written(&["--workers=4"]), ["workers=4"]);
        assert_eq!(
            written(&["-Mp4", "-LM"]),
            ["master", "processes=4", "disable-logging", "master"]
        );
    }

    #[test]
    fn the_order_across_options_is_kept() {
        assert_eq!(
            written(&[
                "-s", ":1", "--http", ":2", "-s", ":3", "--master", "--http", ":4", "-p2", "-s:5"
            ]),
            ["socket=:1", "http=:2", "socket=:3", "master", "http=:4", "processes=2", "socket=:5"]
        );
    }

    #[test]
    fn optional_values_are_glued_or_absent() {
        assert_eq!(written(&["-C"]), ["chmod-socket"]);
        assert_eq!(written(&["-C660"]), ["chmod-socket=660"]);
        assert_eq!(written(&["-MC660"]), ["master", "chmod-socket=660"]);
        assert_eq!(written(&["--chmod-socket=660"]), ["chmod-socket=660"]);
        let separate = parsed(&["-C", "660"]);
        assert_eq!(separate.options, [("chmod-socket".to_owned(), None)]);
        assert_eq!(separate.positional, ["660"]);
    }

    #[test]
    fn a_needed_value_may_look_like_anything() {
        assert_eq!(written(&["-s", "-p4"]), ["socket=-p4"]);
        assert_eq!(written(&["--env", "--", "-M"]), ["env=--", "master"]);
        assert_eq!(written(&["--set", "a=b=c"]), ["set=a=b=c"]);
        assert_eq!(written(&["-p", "-1"]), ["processes=-1"]);
    }

    #[test]
    fn positionals_may_stand_anywhere() {
        let found = parsed(&["a.ini", "-M", "b.py", "-p", "4", "c", "--", "-d", "--x"]);
        assert_eq!(found.positional, ["a.ini", "b.py", "c", "-d", "--x"]);
        assert_eq!(found.options.len(), 2);
    }

    #[test]
    fn unambiguous_beginnings_are_completed() {
        assert_eq!(
            written(&["--vacu", "--proce=3", "--http", ":1"]),
            ["vacuum", "processes=3", "http=:1"]
        );
        assert!(
            refused(&["--proc", "3"])
                .contains("'--proc' is ambiguous; possibilities: '--processes'")
        );
    }

    #[test]
    fn errors_name_the_option() {
        assert_eq!(refused(&["--foobar"]), "unrecognized option '--foobar'");
        assert_eq!(
            refused(&["--deamonize=/x"]),
            "unrecognized option '--deamonize' (did you mean --daemonize?)"
        );
        assert_eq!(refused(&["-Z"]), "unrecognized option '-Z'");
        assert_eq!(refused(&["--processes"]), "option '--processes' requires an argument");
        assert_eq!(refused(&["-p"]), "option '--processes' requires an argument");
    }

    #[test]
    fn flags_may_have_a_value() {
        assert_eq!(written(&["--master=false"]), ["master=false"]);
    }
}
