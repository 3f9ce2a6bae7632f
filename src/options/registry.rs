//! All options that can be written, by name.

use std::collections::HashMap;

use uwsgi_plugin_api::OptionRow;

use super::nearest::nearest;
use super::{CORE, NO_EFFECT, UNSUPPORTED};

/// What becomes of an option that is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It works.
    Full,
    /// It is accepted; the reason why it changes nothing is logged.
    NoEffect(&'static str),
    /// It is refused; the text says what to do instead.
    Unsupported(&'static str),
}

/// An option of the registry.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// How it is written.
    pub row: &'static OptionRow,
    /// What becomes of it.
    pub standing: Standing,
}

/// What the beginning of a name stands for, by getopt_long's rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Abbreviation {
    /// Exactly one name: the text itself or the only name it begins.
    Name(&'static str),
    /// It begins several names, given in the order of the table.
    Ambiguous(Vec<&'static str>),
    /// It begins none.
    Unknown,
}

/// The core's rows and those of the plugins.
#[derive(Clone, Debug)]
pub struct Registry {
    entries: Vec<Entry>,
    names: HashMap<&'static str, usize>,
    shorts: HashMap<char, usize>,
}

impl Registry {
    /// The core's rows with those of `plugins`. Where two rows claim a name, the first keeps it.
    pub fn new(plugins: &[&'static [OptionRow]]) -> Self {
        let mut registry =
            Self { entries: Vec::new(), names: HashMap::new(), shorts: HashMap::new() };
        for row in CORE.iter().chain(plugins).copied().flatten() {
            registry.add(row, Standing::Full);
        }
        for known in NO_EFFECT {
            registry.add(&known.row, Standing::NoEffect(known.reason));
        }
        for known in UNSUPPORTED {
            registry.add(&known.row, Standing::Unsupported(known.reason));
        }
        registry
    }

    fn add(&mut self, row: &'static OptionRow, standing: Standing) {
        let position = self.entries.len();
        self.entries.push(Entry { row, standing });
        for name in names(row) {
            self.names.entry(name).or_insert(position);
        }
        if let Some(short) = row.short {
            self.shorts.entry(short).or_insert(position);
        }
    }

    /// The option of a name or alias, without leading dashes.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.names.get(name).map(|&position| &self.entries[position])
    }

    /// The option of a letter.
    pub fn find_short(&self, short: char) -> Option<&Entry> {
        self.shorts.get(&short).map(|&position| &self.entries[position])
    }

    /// What `text` stands for on the command line.
    pub fn complete(&self, text: &str) -> Abbreviation {
        if let Some((name, _)) = self.names.get_key_value(text) {
            return Abbreviation::Name(name);
        }
        let mut found: Vec<_> = self.names().filter(|name| name.starts_with(text)).collect();
        match found.len() {
            0 => Abbreviation::Unknown,
            1 => Abbreviation::Name(found.remove(0)),
            _ => Abbreviation::Ambiguous(found),
        }
    }

    /// The working option whose name looks most like `text`, where one looks like it at all.
    pub fn nearest(&self, text: &str) -> Option<&'static str> {
        let working = self.entries.iter().filter(|entry| entry.standing == Standing::Full);
        nearest(text, working.flat_map(|entry| names(entry.row)))
    }

    /// All options in the order of the table.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// All names and aliases in the order of the table.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.entries.iter().flat_map(|entry| names(entry.row))
    }
}

/// A row's name and then its aliases.
pub(super) fn names(row: &'static OptionRow) -> impl Iterator<Item = &'static str> {
    std::iter::once(row.name).chain(row.aliases.iter().copied())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn registry() -> Registry {
        Registry::new(&[])
    }

    #[test]
    fn names_and_letters_are_unique() {
        let (mut names_seen, mut shorts_seen) = (HashSet::new(), HashSet::new());
        for entry in registry().entries() {
            for name in names(entry.row) {
                assert!(names_seen.insert(name), "{name} stands twice");
            }
            if let Some(short) = entry.row.short {
                assert!(shorts_seen.insert(short), "-{short} stands twice");
            }
        }
    }

    #[test]
    fn names_have_legal_characters_only() {
        for name in registry().names() {
            let legal =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            assert!(!name.is_empty() && name.bytes().all(legal), "{name}");
            assert!(!name.starts_with('-') && !name.ends_with('-'), "{name}");
        }
    }

    #[test]
    fn every_value_has_a_metavariable_and_no_flag_has_one() {
        use uwsgi_plugin_api::OptionKind::{Flag, NegativeFlag};
        for Entry { row, .. } in registry().entries() {
            let flag = matches!(row.kind, Flag | NegativeFlag);
            assert_eq!(flag, row.metavar.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn every_option_says_what_it_does() {
        for Entry { row, standing } in registry().entries() {
            assert!(row.help.len() > 10, "{}", row.name);
            if *standing == Standing::Full {
                assert!(row.help.ends_with('.'), "{}: a sentence", row.name);
            }
            assert!(!row.help.contains("  "), "{}: two blanks", row.name);
        }
    }

    #[test]
    fn implied_options_exist_and_are_flags() {
        let registry = registry();
        for Entry { row, .. } in registry.entries() {
            for implied in row.implies {
                let found = registry.find(implied).expect("implied option exists");
                assert_eq!(found.row.name, *implied, "{} implies by canonical name", row.name);
            }
        }
    }

    #[test]
    fn the_shortest_unambiguous_beginning_is_enough() {
        let registry = registry();
        assert_eq!(registry.complete("vacu"), Abbreviation::Name("vacuum"));
        assert_eq!(registry.complete("http"), Abbreviation::Name("http"));
        assert_eq!(registry.complete("nothing-like-it"), Abbreviation::Unknown);
        let Abbreviation::Ambiguous(names) = registry.complete("proc") else { panic!() };
        assert_eq!(names, ["processes", "procname-prefix", "procname-prefix-spaced"]);
    }

    #[test]
    fn a_typing_error_finds_its_option() {
        let registry = registry();
        assert_eq!(registry.nearest("deamonize"), Some("daemonize"));
        assert_eq!(registry.nearest("chmod-sock"), Some("chmod-socket"));
        assert_eq!(registry.nearest("proceses"), Some("processes"));
        assert_eq!(registry.nearest("disable-write-exceptions"), Some("disable-write-exception"));
        assert_eq!(registry.nearest("showconfig"), Some("show-config"));
        assert_eq!(registry.nearest("my-own-placeholder"), None);
        assert_eq!(registry.nearest("x"), None);
    }
}
