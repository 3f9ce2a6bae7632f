//! The manual page uwsgi(1), in the man macros. What is no list of options is written by hand in `before.roff` and
//! `after.roff`.

use uwsgi_plugin_api::{Argument, OptionRow};

use super::layout::wrap;
use super::version;
use super::words::{self, Standing, chapters};
use crate::options::Registry;

/// When what is written by hand was last changed; a date of the build would change the page with every build.
const DATE: &str = "2026-11-26";
/// Width of the source's lines.
const SOURCE_WIDTH: usize = 100;

/// The page. Options that work are described, of all others there are the names.
pub fn man_page(registry: &Registry) -> String {
    let title = format!(".TH UWSGI 1 {DATE} \"{}\" \"User commands\"\n", escape(version()));
    let mut out = title + include_str!("before.roff");
    for (section, rows) in chapters(registry) {
        let mut working =
            rows.into_iter().filter(|row| Standing::of(row) == Standing::Works).peekable();
        if working.peek().is_some() {
            out.push_str(&format!(".SS {}\n", quoted(section.title())));
            out.extend(working.map(option));
        }
    }
    out.push_str(&others(registry, "Accepted without an effect", &[Standing::NoEffect]));
    out.push_str(&others(registry, "Not supported", &[Standing::Missing, Standing::Unsupported]));
    out + include_str!("after.roff")
}

/// An option with its names on one line and what it does below.
fn option(row: &OptionRow) -> String {
    let mut head: Vec<_> =
        row.short.map(|letter| bold(&format!("-{letter}"))).into_iter().collect();
    head.push(bold(&format!("--{}", row.name)));
    head.extend(row.aliases.iter().map(|alias| bold(&format!("--{alias}"))));
    let metavar = format!("\\fI{}\\fR", escape(words::metavar(row)));
    let value = match words::argument(row) {
        Argument::None => String::new(),
        Argument::Optional => format!("[={metavar}]"),
        Argument::Required => format!(" {metavar}"),
    };
    format!(".TP\n{}{value}\n{}", head.join(", "), paragraph(row.help))
}

/// The names of options that do nothing.
fn others(registry: &Registry, title: &str, standings: &[Standing]) -> String {
    let rows = registry.rows().iter().filter(|row| standings.contains(&Standing::of(row)));
    let names: Vec<_> = rows.map(|row| row.name).collect();
    if names.is_empty() {
        return String::new();
    }
    format!(".SS {}\n{}", quoted(title), paragraph(&(names.join(", ") + ".")))
}

/// Lines of text, none of which is taken for a macro.
fn paragraph(text: &str) -> String {
    wrap(text, SOURCE_WIDTH).iter().map(|line| guarded(&escape(line)) + "\n").collect()
}

/// A line that begins with a dot or an apostrophe would be a request.
fn guarded(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}

fn bold(text: &str) -> String {
    format!("\\fB{}\\fR", escape(text))
}

/// `text` as one argument of a macro.
fn quoted(text: &str) -> String {
    format!("\"{}\"", escape(text).replace('"', "\\(dq"))
}

/// Backslashes, and the characters that roff replaces by typographic ones: hyphens, accents, tildes and apostrophes
/// are to be found by whoever searches the page for an option.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '\'' => out.push_str("\\(aq"),
            '`' => out.push_str("\\(ga"),
            '^' => out.push_str("\\(ha"),
            '~' => out.push_str("\\(ti"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::samples::{registry, row};
    use super::*;

    #[test]
    fn an_option_is_a_tagged_paragraph() {
        assert_eq!(
            option(row("sample-file")),
            ".TP\n\\fB\\-8\\fR, \\fB\\-\\-sample\\-file\\fR[=\\fIFILE\\fR]\nWhat to read. The rest is more.\n"
        );
        let wait = option(row("sample-wait"));
        assert!(wait.contains("\\fB\\-\\-sample\\-pause\\fR \\fISECONDS\\fR\n"), "{wait}");
        assert!(wait.ends_with("it\\(aqs \"quoted\", a\\eb|c.\n"), "{wait}");
    }

    #[test]
    fn text_is_never_a_request() {
        assert_eq!(paragraph(".so file"), "\\&.so file\n");
        let long = format!("{} .py", "x".repeat(SOURCE_WIDTH));
        assert!(paragraph(&long).ends_with("\n\\&.py\n"));
        assert_eq!(quoted("a \"b\""), "\"a \\(dqb\\(dq\"");
    }

    #[test]
    fn what_does_nothing_is_named_only() {
        let text = man_page(&registry());
        let (before, after) = text.split_once(".SS \"Not supported\"").expect("there are such");
        assert!(!before.contains("sample\\-mode") && after.contains("sample\\-mode"));
        assert!(!text.contains("How to do it."));
    }
}
