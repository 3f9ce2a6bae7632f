//! What is printed from the table: the help and the version.

use std::fmt::Write;

use uwsgi_plugin_api::{OptionKind, OptionRow, Section};

use super::{Registry, Standing};

const TEXT_COLUMN: usize = 38;
const LINE_WIDTH: usize = 100;

/// Chapters of the help in their order.
const SECTIONS: &[(Section, &str)] = &[
    (Section::Sockets, "Sockets"),
    (Section::Http, "HTTP"),
    (Section::Python, "Python"),
    (Section::Processes, "Processes"),
    (Section::Limits, "Limits"),
    (Section::Logging, "Logging"),
    (Section::Paths, "Files and environment"),
    (Section::Configuration, "Configuration"),
];

/// The text of `--version`, without a line break.
pub fn version() -> &'static str {
    concat!("uwsgi-rs ", env!("CARGO_PKG_VERSION"))
}

/// The text of `--help`: all working options by chapter, then those without an effect.
pub fn help(registry: &Registry) -> String {
    let mut out = String::from(
        "Usage: uwsgi [options] [FILE.ini[:SECTION] | APPLICATION]\n\nOptions may be abbreviated, and stand \
         in ini files as \"name = value\".\n",
    );
    for (section, title) in SECTIONS {
        let rows = registry.entries().iter().filter(|entry| entry.standing == Standing::Full);
        let rows: Vec<_> =
            rows.map(|entry| entry.row).filter(|row| row.section == *section).collect();
        if !rows.is_empty() {
            out.push_str(&format!("\n{title}:\n"));
            rows.iter().for_each(|row| option(&mut out, row));
        }
    }
    out.push_str("\nAccepted without an effect:\n");
    for entry in registry.entries() {
        if let Standing::NoEffect(_) = entry.standing {
            option(&mut out, entry.row);
        }
    }
    out
}

fn option(out: &mut String, row: &OptionRow) {
    let mut left = match row.short {
        Some(short) => format!("  -{short}, --{}", row.name),
        None => format!("      --{}", row.name),
    };
    left.push_str(&match row.kind {
        OptionKind::Flag | OptionKind::NegativeFlag => String::new(),
        OptionKind::OptionalText => format!("[={}]", row.metavar),
        _ => format!(" {}", row.metavar),
    });
    let mut text = row.help.to_owned();
    if !row.aliases.is_empty() {
        let aliases: Vec<_> = row.aliases.iter().map(|alias| format!("--{alias}")).collect();
        let _ = write!(text, " [also {}]", aliases.join(", ")); // a String takes everything
    }
    out.push_str(&left);
    if left.len() + 2 > TEXT_COLUMN {
        out.push('\n');
        left.clear();
    }
    let mut column = left.len();
    for (number, line) in wrap(&text, LINE_WIDTH - TEXT_COLUMN).into_iter().enumerate() {
        if number > 0 {
            out.push('\n');
            column = 0;
        }
        out.extend(std::iter::repeat_n(' ', TEXT_COLUMN - column));
        out.push_str(&line);
    }
    out.push('\n');
}

/// `text` in lines of at most `width` characters, broken at blanks.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("lines begins with one line and only grows");
        if !line.is_empty() && line.len() + 1 + word.len() > width {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_is_as_recorded() {
        let text = help(&Registry::new(&[]));
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/options/help.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &text).expect("golden file is written");
        }
        let recorded = std::fs::read_to_string(path).expect("golden file is there");
        assert_eq!(text, recorded, "run with UPDATE_GOLDEN=1 where the change is meant");
    }

    #[test]
    fn help_names_every_option_and_keeps_its_width() {
        let registry = Registry::new(&[]);
        let text = help(&registry);
        for entry in registry.entries().iter().filter(|entry| entry.standing == Standing::Full) {
            assert!(text.contains(&format!("--{}", entry.row.name)), "{}", entry.row.name);
        }
        assert!(text.lines().all(|line| line.len() <= LINE_WIDTH));
    }

    #[test]
    fn every_section_has_a_title() {
        for entry in Registry::new(&[]).entries() {
            assert!(SECTIONS.iter().any(|(section, _)| *section == entry.row.section));
        }
    }

    #[test]
    fn version_is_the_packages() {
        assert!(version().starts_with("uwsgi-rs 0."));
    }
}
