//! All options that can be written, by name.

use std::collections::HashMap;

use uwsgi_plugin_api::{Argument, OptionRow, Status};

use super::CORE;
use super::nearest::nearest;

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
    rows: Vec<&'static OptionRow>,
    names: HashMap<&'static str, &'static OptionRow>,
    shorts: HashMap<char, &'static OptionRow>,
}

impl Registry {
    /// The core's rows with those of `plugins`. Where two rows claim a name, the first keeps it.
    pub fn new(plugins: &[&'static [OptionRow]]) -> Self {
        let rows: Vec<_> = CORE.iter().chain(plugins).copied().flatten().collect();
        let (mut by_name, mut shorts) = (HashMap::with_capacity(rows.len() * 2), HashMap::new());
        for &row in &rows {
            for name in names(row) {
                by_name.entry(name).or_insert(row);
            }
            if let Some(short) = row.short {
                shorts.entry(short).or_insert(row);
            }
        }
        Self { rows, names: by_name, shorts }
    }

    /// The option of a name or alias, without leading dashes.
    pub fn find(&self, name: &str) -> Option<&'static OptionRow> {
        self.names.get(name).copied()
    }

    /// The option of a letter.
    pub fn find_short(&self, short: char) -> Option<&'static OptionRow> {
        self.shorts.get(&short).copied()
    }

    /// What `text` stands for on the command line. Names that uWSGI has come before all others.
    pub fn complete(&self, text: &str) -> Abbreviation {
        if let Some((name, _)) = self.names.get_key_value(text) {
            return Abbreviation::Name(name);
        }
        let beginning = |stock: bool| {
            let rows = self.rows.iter().filter(move |row| row.stock == stock);
            let names = rows.flat_map(|row| names(row)).filter(|name| name.starts_with(text));
            names.collect::<Vec<_>>()
        };
        let mut found = beginning(true);
        if found.is_empty() {
            found = beginning(false);
        }
        match found.len() {
            0 => Abbreviation::Unknown,
            1 => Abbreviation::Name(found.remove(0)),
            _ => Abbreviation::Ambiguous(found),
        }
    }

    /// The option that works whose name looks most like `text`, where one looks like it at all; else any option.
    pub fn nearest(&self, text: &str) -> Option<&'static str> {
        let of = |works: bool| {
            let rows = self.rows.iter().filter(move |row| (row.status == Status::Works) == works);
            nearest(text, rows.flat_map(|row| names(row)))
        };
        of(true).or_else(|| of(false))
    }

    /// Whether the argument after `token` is the value of the option that `token` ends with.
    pub fn wants_next(&self, token: &str) -> bool {
        if let Some(name) = token.strip_prefix("--") {
            let Abbreviation::Name(full) = self.complete(name) else { return false };
            return self.find(full).is_some_and(|row| row.argument == Argument::Required);
        }
        let mut letters = token.trim_start_matches('-').chars();
        while let Some(row) = letters.next().and_then(|letter| self.find_short(letter)) {
            match row.argument {
                Argument::None => {}
                Argument::Optional => return false,
                Argument::Required => return letters.as_str().is_empty(),
            }
        }
        false
    }

    /// All options in the order of the table.
    pub fn rows(&self) -> &[&'static OptionRow] {
        &self.rows
    }

    /// All names and aliases in the order of the table.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.rows.iter().flat_map(|row| names(row))
    }
}

/// A row's name and then its aliases.
pub fn names(row: &'static OptionRow) -> impl Iterator<Item = &'static str> {
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
        for row in registry().rows() {
            for name in names(row) {
                assert!(names_seen.insert(name), "{name} stands twice");
            }
            if let Some(short) = row.short {
                assert!(shorts_seen.insert(short), "-{short} stands twice");
            }
        }
    }

    #[test]
    fn names_have_legal_characters_only() {
        for name in registry().names() {
            let legal = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_')
            };
            assert!(!name.is_empty() && name.bytes().all(legal), "{name}");
            assert!(!name.starts_with('-') && !name.ends_with('-'), "{name}");
        }
    }

    #[test]
    fn every_value_has_a_metavariable_and_no_flag_has_one() {
        for row in registry().rows() {
            assert_eq!(row.kind.is_flag(), row.metavar.is_empty(), "{}", row.name);
        }
    }

    #[test]
    fn every_option_says_what_it_does() {
        for row in registry().rows() {
            assert!(row.help.len() > 10, "{}", row.name);
            assert!(row.help.ends_with('.'), "{}: a sentence", row.name);
            if let Status::NoEffect(text) | Status::Missing(text) | Status::Unsupported(text) =
                row.status
            {
                assert!(
                    text.len() > 3 && !text.ends_with('.'),
                    "{}: {text}: part of a sentence",
                    row.name
                );
            }
            assert!(!row.help.contains("  "), "{}: two blanks", row.name);
        }
    }

    #[test]
    fn implied_options_exist_and_are_flags() {
        let registry = registry();
        for row in registry.rows() {
            for implied in row.implies {
                let found = registry.find(implied).expect("implied option exists");
                assert_eq!(found.name, *implied, "{} implies by canonical name", row.name);
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
        assert_eq!(names[..3], ["processes", "procname-prefix", "procname-prefix-spaced"]);
    }

    #[test]
    fn options_say_whether_their_value_comes_next() {
        let registry = registry();
        for (token, next) in [
            ("--processes", true),
            ("--processes=4", false),
            ("--proce", true),
            ("--master", false),
            ("-p", true),
            ("-p4", false),
            ("-Mp", true),
            ("-C", false),
            ("--nothing-like-it", false),
            ("-?", false),
        ] {
            assert_eq!(registry.wants_next(token), next, "{token}");
        }
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
