//! The script for zsh.

use uwsgi_plugin_api::{Argument, OptionRow};

use super::super::words::{argument, metavar};
use super::{Values, quoted, summary, topics, working};
use crate::options::{Registry, names};

const APOSTROPHE: &str = "'\\''";

/// The script, to be put as `_uwsgi` into a folder of `fpath`.
pub fn zsh_completion(registry: &Registry) -> String {
    let lines = |of_row: fn(&'static OptionRow) -> Vec<String>| {
        let lines = working(registry).flat_map(of_row).map(|text| format!("        {text}"));
        lines.collect::<Vec<_>>().join("\n")
    };
    include_str!("frame.zsh")
        .replace("@NAMES@", &lines(described))
        .replace("@TOPICS@", &topics(registry).join(" "))
        .replace("@OPTIONS@", &lines(specifications))
}

/// `'name:what it does'` for each name.
fn described(row: &'static OptionRow) -> Vec<String> {
    let text = summary(row);
    names(row).map(|name| quoted(&format!("{name}:{text}"), APOSTROPHE)).collect()
}

/// A specification of `_arguments` for each name and the letter. Each excludes the others, but for lists.
fn specifications(row: &'static OptionRow) -> Vec<String> {
    let long = names(row).map(|name| (format!("--{name}"), ["", "=-", "="]));
    let short = row.short.map(|letter| (format!("-{letter}"), ["", "-", "+"]));
    let forms: Vec<_> = short.into_iter().chain(long).collect();
    let all: Vec<_> = forms.iter().map(|(form, _)| form.as_str()).collect();
    let before = match (row.kind.is_list(), all.as_slice()) {
        (true, _) => "*".to_owned(),
        (false, [_]) => String::new(),
        (false, all) => format!("({})", all.join(" ")),
    };
    let text = escaped(summary(row), &['[', ']', '\\']);
    let form = |(name, [none, optional, required]): &(String, [&str; 3])| {
        let sign = match argument(row) {
            Argument::None => none,
            Argument::Optional => optional,
            Argument::Required => required,
        };
        quoted(&format!("{before}{name}{sign}[{text}]{}", value(row)), APOSTROPHE)
    };
    forms.iter().map(form).collect()
}

/// `:message:action`, with two colons where it may be left out.
fn value(row: &OptionRow) -> String {
    if row.name == "help" {
        return "::topic:_uwsgi_topics".to_owned();
    }
    let colon = match argument(row) {
        Argument::None => return String::new(),
        Argument::Optional => "::",
        Argument::Required => ":",
    };
    let action = match Values::of(row) {
        Values::Files => "_files".to_owned(),
        Values::Folders => "_files -/".to_owned(),
        Values::Users => "_users".to_owned(),
        Values::Groups => "_groups".to_owned(),
        Values::Words(words) => format!("({})", words.join(" ")),
        Values::Unknown => " ".to_owned(), // the message is shown, nothing is offered
    };
    format!("{colon}{}:{action}", escaped(metavar(row), &[':', '\\']))
}

fn escaped(text: &str, special: &[char]) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        if special.contains(&character) {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::super::samples::row;
    use super::*;

    #[test]
    fn names_of_one_option_exclude_each_other() {
        assert_eq!(
            specifications(row("sample-flag")),
            ["'(-7 --sample-flag)-7[Do it]'", "'(-7 --sample-flag)--sample-flag[Do it]'"]
        );
        assert_eq!(
            specifications(row("sample-file")),
            [
                "'(-8 --sample-file)-8-[What to read]::FILE:_files'",
                "'(-8 --sample-file)--sample-file=-[What to read]::FILE:_files'",
            ]
        );
        let set = specifications(row("chown-socket"));
        assert!(set[0].ends_with(r":USER[\:GROUP]:_users'"), "{set:?}");
        assert!(specifications(row("socket")).iter().all(|text| text.starts_with("'*-")));
    }

    #[test]
    fn text_is_quoted() {
        let wait = specifications(row("sample-wait")).remove(0);
        assert!(wait.contains(r#"[Wait \[so long\]; it'\''s "quoted", a\\b|c]"#), "{wait}");
    }
}
