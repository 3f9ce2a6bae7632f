//! What `--help` prints: the options that most people use, a section, everything, or one option in full.

use uwsgi_plugin_api::{OptionRow, Section};

use super::layout::{LINE_WIDTH, columns, option, wrap};
use super::words::{self, Standing, chapter, chapters};
use crate::options::{Registry, names};

/// The options of the short help in its order, by canonical names. All of them work.
pub const COMMON: &[&str] = &[
    "http-socket",
    "socket",
    "chmod-socket",
    "http-keepalive",
    "buffer-size",
    "listen",
    "module",
    "wsgi-file",
    "callable",
    "mount",
    "home",
    "pythonpath",
    "chdir",
    "env",
    "master",
    "processes",
    "threads",
    "lazy-apps",
    "need-app",
    "harakiri",
    "max-requests",
    "worker-reload-mercy",
    "die-on-term",
    "limit-post",
    "disable-logging",
    "log-5xx",
    "log-slow",
    "logto",
    "daemonize",
    "pidfile",
    "vacuum",
    "uid",
    "gid",
    "ini",
    "strict",
];

const USAGE: &str = "\
Usage: uwsgi [options] [FILE[:SECTION] | APPLICATION]
       uwsgi check FILE...            say what is wrong with configuration files, without serving
       uwsgi explain OPTION | FILE    say what an option does, or what each line of a file does

Options may be abbreviated, and stand in configuration files as \"name = value\".
";
const SECTION_COLUMN: usize = 20;
const FACT_COLUMN: usize = 14;

/// The text of `--help`: usage, the options of [`COMMON`], and how to find all others.
pub fn help(registry: &Registry) -> String {
    let mut out = format!("{USAGE}\nOften used:\n");
    let rows = COMMON.iter().filter_map(|name| registry.find(name)); // a build without Python lacks its rows
    out.extend(rows.map(option));
    out.push_str(&format!(
        "\nMore:\n      --help OPTION                   One option in full; so does uwsgi explain OPTION.\n      \
         --help all                      All {} options.\n      \
         --help SECTION                  All options of a section:\n\n",
        registry.rows().len()
    ));
    for (section, rows) in chapters(registry) {
        let title = format!("{} ({})", section.title(), rows.len());
        out.push_str(&columns(&format!("  {}", section.name()), &title, SECTION_COLUMN));
    }
    out
}

/// The text of `--help WORD`, where it is a section's name, `all`, or an option's name, alias or letter. What begins
/// with a dash is an option: some sections (`http`) are called like one of theirs.
pub fn help_for(registry: &Registry, word: &str) -> Option<String> {
    if word == "all" {
        return Some(help_all(registry));
    }
    if let Some(section) = Section::ALL.into_iter().find(|section| section.name() == word) {
        return Some(help_section(registry, section));
    }
    let name = word.trim_start_matches('-');
    let mut letters = name.chars();
    let by_letter = match (letters.next(), letters.next()) {
        (Some(letter), None) => registry.find_short(letter),
        _ => None,
    };
    registry.find(name).or(by_letter).map(help_option)
}

/// All sections.
pub fn help_all(registry: &Registry) -> String {
    let sections = chapters(registry).map(|(section, _)| help_section(registry, section));
    sections.fold(USAGE.to_owned(), |text, section| text + "\n" + &section)
}

/// The options of a section: those that work, those without an effect, those that are not supported.
pub fn help_section(registry: &Registry, section: Section) -> String {
    let rows = chapter(registry, section);
    let blocks = Standing::ALL.into_iter().filter_map(|standing| {
        let rows = rows.iter().filter(|row| Standing::of(row) == standing);
        let options: String = rows.map(|row| option(row)).collect();
        (!options.is_empty()).then(|| format!("{}:\n{options}", heading(section, standing)))
    });
    blocks.collect::<Vec<_>>().join("\n")
}

/// The section's title, and what is special about these options of it.
fn heading(section: Section, standing: Standing) -> String {
    match standing {
        Standing::Works => section.title().to_owned(),
        other => {
            let text = format!("{}: {}", section.title(), other.meaning());
            wrap(&text, LINE_WIDTH - 1).join("\n") // a colon follows
        }
    }
}

/// Everything that the table knows of an option.
pub fn help_option(row: &'static OptionRow) -> String {
    let fact = |name: &str, text: &str| columns(&format!("    {name}"), text, FACT_COLUMN);
    let mut out = format!("--{}{}\n\n", row.name, words::value(row));
    out.push_str(&columns("", row.help, 4));
    out.push('\n');
    out.push_str(&fact("status", &status(row)));
    let names: Vec<_> = names(row).map(|name| format!("--{name}")).collect();
    let short = row.short.map(|letter| format!(", -{letter}")).unwrap_or_default();
    out.push_str(&fact("names", &(names.join(", ") + &short)));
    out.push_str(&fact("value", &words::kind(row)));
    if let Some(unit) = words::unit(row) {
        out.push_str(&fact("unit", unit));
    }
    let value = if row.metavar.is_empty() { "true" } else { row.metavar };
    out.push_str(&fact("in files", &format!("{} = {value}", row.name)));
    if !row.implies.is_empty() {
        let implied: Vec<_> = row.implies.iter().map(|name| format!("--{name}")).collect();
        out.push_str(&fact("implies", &implied.join(", ")));
    }
    out.push_str(&fact("change", &format!("needs {}", words::change(row.reload))));
    out.push_str(&fact("section", &format!("{} ({})", row.section.name(), row.section.title())));
    out
}

fn status(row: &OptionRow) -> String {
    let standing = Standing::of(row);
    match row.status.remark() {
        None => standing.label().to_owned(),
        Some(remark) if standing == Standing::Unsupported => {
            format!("{remark} (the start is refused)")
        }
        Some(remark) => remark,
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{registry, row};
    use super::*;

    #[test]
    fn common_options_are_canonical_and_work() {
        let registry = registry();
        // The Python plugin's are looked at in tests/golden.rs, with the full table.
        for row in COMMON.iter().filter_map(|name| registry.find(name)) {
            assert!(COMMON.contains(&row.name), "{} by its canonical name", row.name);
            assert_eq!(Standing::of(row), Standing::Works, "{}", row.name);
        }
    }

    #[test]
    fn all_options_are_in_help_all_and_it_keeps_its_width() {
        let registry = registry();
        let text = help_all(&registry);
        for row in registry.rows() {
            assert!(text.contains(&format!("--{}", row.name)), "{}", row.name);
        }
        let short = help(&registry);
        for line in text.lines().chain(short.lines()) {
            assert!(line.len() <= LINE_WIDTH, "{line}");
        }
    }

    #[test]
    fn a_section_shows_what_does_not_work_apart() {
        let text = help_section(&registry(), Section::Languages);
        let place = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part} is in {text}"));
        assert!(place("--sample-wait") < place("accepted, and nothing has to be done:"));
        assert!(place("nothing has to be done:") < place("--sample-dirs"));
        assert!(place("[has no effect here: it looks everywhere]") < place("starts without it:"));
        assert!(place("--sample-later") < place("the start is refused:"));
        assert!(place("the start is refused:") < place("--sample-mode"));
    }

    #[test]
    fn a_word_is_a_section_everything_or_an_option() {
        let registry = registry();
        let beginning = |word: &str| {
            help_for(&registry, word).map(|text| text.lines().next().unwrap_or_default().to_owned())
        };
        assert_eq!(beginning("http").as_deref(), Some("HTTP:"));
        assert_eq!(beginning("--http").as_deref(), Some("--http ADDRESS"));
        assert_eq!(beginning("workers").as_deref(), Some("--processes N|auto"));
        assert_eq!(beginning("-p").as_deref(), Some("--processes N|auto"));
        assert_eq!(help_for(&registry, "all"), Some(help_all(&registry)));
        assert_eq!(help_for(&registry, "no-such-thing"), None);
        assert_eq!(help_for(&registry, ""), None);
    }

    #[test]
    fn one_option_in_full() {
        let expected = "\
--sample-mode fast|slow

    How to do it.

    status    is not supported: use sample-flag (the start is refused)
    names     --sample-mode
    value     text
    in files  sample-mode = fast|slow
    change    needs a new master, as a reload by SIGHUP brings
    section   languages (Other languages)
";
        assert_eq!(help_option(row("sample-mode")), expected);
        let flag = help_option(row("sample-flag"));
        assert!(flag.contains("    implies   --master\n"), "{flag}");
        assert!(flag.contains("    names     --sample-flag, -7\n"), "{flag}");
        assert!(help_option(row("sample-wait")).contains("    unit      seconds\n"));
    }
}
