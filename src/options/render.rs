//! What is printed from the table: the help and the version.

use std::fmt::Write;

use uwsgi_plugin_api::{Argument, OptionRow, Section, Status};

use super::Registry;

const TEXT_COLUMN: usize = 38;
const LINE_WIDTH: usize = 100;

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
    for section in Section::ALL {
        let working = registry.rows().iter().filter(|row| row.status == Status::Works);
        let rows: Vec<_> = working.filter(|row| row.section == section).collect();
        if !rows.is_empty() {
            out.push_str(&format!("\n{}:\n", section.title()));
            rows.iter().for_each(|row| option(&mut out, row));
        }
    }
    out.push_str("\nAccepted without an effect:\n");
    for row in registry.rows().iter().filter(|row| matches!(row.status, Status::NoEffect(_))) {
        option(&mut out, row);
    }
    out
}

fn option(out: &mut String, row: &OptionRow) {
    let mut left = match row.short {
        Some(short) => format!("  -{short}, --{}", row.name),
        None => format!("      --{}", row.name),
    };
    left.push_str(&match row.argument {
        Argument::None => String::new(),
        Argument::Optional => format!("[={}]", row.metavar),
        Argument::Required => format!(" {}", row.metavar),
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
        for row in registry.rows().iter().filter(|row| row.status == Status::Works) {
            assert!(text.contains(&format!("--{}", row.name)), "{}", row.name);
        }
        assert!(text.lines().all(|line| line.len() <= LINE_WIDTH));
    }

    #[test]
    fn version_is_the_packages() {
        assert!(version().starts_with("uwsgi-rs 0."));
    }
}
pub fn help_for(_: &Registry, _: &str) -> Option<String> { None }
pub fn dump(_: &Registry) -> String { String::new() }
