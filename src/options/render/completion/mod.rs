//! Completions for bash, zsh and fish. Only options that work are offered.
//!
//! The scripts' fixed parts are the files `frame.*` beside this one; `@NAME@` in them is filled in from the table.
//! clap's generator is not used: it writes a branch for every single name, and cannot know what a metavariable says.

mod bash;
mod fish;
mod zsh;

use uwsgi_plugin_api::{OptionRow, Section};

pub use bash::bash_completion;
pub use fish::fish_completion;
pub use zsh::zsh_completion;

use super::words::{Standing, chapters, metavar};
use crate::options::Registry;

/// What a value can be completed to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Values {
    Files,
    Folders,
    Users,
    Groups,
    /// One of these words.
    Words(Vec<&'static str>),
    /// Nobody can know.
    Unknown,
}

impl Values {
    /// By the metavariable's first word, or its alternatives (`uwsgi|http`).
    fn of(row: &OptionRow) -> Self {
        let metavar = metavar(row);
        let word = metavar.split(|c: char| !c.is_ascii_uppercase()).next().unwrap_or_default();
        match word {
            "FILE" | "PATH" => Self::Files,
            "DIR" => Self::Folders,
            "USER" => Self::Users,
            "GROUP" => Self::Groups,
            "" if metavar.contains('|') && metavar.bytes().all(is_of_alternatives) => {
                Self::Words(metavar.split('|').collect())
            }
            _ => Self::Unknown,
        }
    }
}

const fn is_of_alternatives(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'|' | b'-' | b'_')
}

/// The rows that are offered, in the order of the table.
fn working(registry: &Registry) -> impl Iterator<Item = &'static OptionRow> {
    registry.rows().iter().copied().filter(|row| Standing::of(row) == Standing::Works)
}

/// The words that `--help` takes beside options.
fn topics(registry: &Registry) -> Vec<&'static str> {
    let sections: Vec<Section> = chapters(registry).map(|(section, _)| section).collect();
    std::iter::once("all").chain(sections.into_iter().map(Section::name)).collect()
}

/// What there is room for beside a name: the first sentence, without its dot.
fn summary(row: &OptionRow) -> &'static str {
    let sentence = row.help.split(". ").next().unwrap_or(row.help);
    sentence.strip_suffix('.').unwrap_or(sentence)
}

/// `text` as one word of a shell, by the quoting that `'` needs there.
fn quoted(text: &str, apostrophe: &str) -> String {
    format!("'{}'", text.replace('\'', apostrophe))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{registry, row};
    use super::*;

    #[test]
    fn metavariables_say_what_values_are() {
        assert_eq!(Values::of(row("sample-file")), Values::Files);
        assert_eq!(Values::of(row("sample-dirs")), Values::Folders);
        assert_eq!(Values::of(row("sample-mode")), Values::Words(vec!["fast", "slow"]));
        assert_eq!(Values::of(row("sample-wait")), Values::Unknown);
        assert_eq!(Values::of(row("sample-must")), Values::Words(vec!["true", "false"]));
        assert_eq!(Values::of(row("chown-socket")), Values::Users);
        assert_eq!(Values::of(row("ini")), Values::Files);
    }

    #[test]
    fn summaries_are_a_sentence() {
        assert_eq!(summary(row("sample-file")), "What to read");
        assert_eq!(summary(row("sample-flag")), "Do it");
    }

    #[test]
    fn nothing_is_offered_that_does_not_work_and_no_mark_is_left() {
        let registry = registry();
        for script in [bash_completion, zsh_completion, fish_completion] {
            let text = script(&registry);
            for name in ["sample-mode", "sample-dirs", "sample-later"] {
                assert!(!text.contains(name), "{name}");
            }
            for name in ["sample-flag", "sample-wait", "sample-pause", "sample-file"] {
                assert!(text.contains(name), "{name}");
            }
            for mark in ["@OPTIONS@", "@TOPICS@", "@VALUES@", "@NAMES@"] {
                assert!(!text.contains(mark), "{mark}");
            }
        }
    }
}
