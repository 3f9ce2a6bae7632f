//! docs/options.md: does my option work here, and what does it do?
//!
//! Anchors do not change with headings: `#section-sockets` for a section, `#option-chmod-socket` for an option.

use uwsgi_plugin_api::{Argument, OptionRow, Section};

use super::words::{self, Standing, chapters};
use crate::options::{COMPATIBLE_WITH, Registry, names};

/// The page.
pub fn markdown(registry: &Registry) -> String {
    let mut out = format!(
        "# Options\n\n\
         Every option of uWSGI {COMPATIBLE_WITH}, and what becomes of it here. Search this page for a name, or \
         ask the server: `uwsgi explain NAME`. Names that stand together mean the same. Options stand on the \
         command line as `--name VALUE`, in ini files as `name = VALUE`, in the environment as `UWSGI_NAME`.\n\n\
         This page is written from the option table (`make golden`); change the table, not the page.\n\n"
    );
    out.push_str(&counts(registry));
    out.push_str(&contents(registry));
    for (section, rows) in chapters(registry) {
        out.push_str(&heading(section));
        out.push_str("| option | value | status | what it does |\n|---|---|---|---|\n");
        out.extend(rows.into_iter().map(line));
    }
    out
}

/// How many options there are of each status.
fn counts(registry: &Registry) -> String {
    let mut out = "| status | options | names | what it means |\n|---|--:|--:|---|\n".to_owned();
    for standing in Standing::ALL {
        let rows = registry.rows().iter().filter(|row| Standing::of(row) == standing);
        let (options, names) =
            rows.fold((0, 0), |(options, all), row| (options + 1, all + names(row).count()));
        let (label, meaning) = (standing.label(), standing.meaning());
        out.push_str(&format!("| {label} | {options} | {names} | {meaning} |\n"));
    }
    let (options, names) = (registry.rows().len(), registry.names().count());
    out + &format!("| all | {options} | {names} | |\n")
}

/// The sections, with links and numbers.
fn contents(registry: &Registry) -> String {
    let labels: Vec<_> = Standing::ALL.into_iter().map(Standing::label).collect();
    let mut out = format!("\n| section | {} |\n|---|--:|--:|--:|--:|\n", labels.join(" | "));
    for (section, rows) in chapters(registry) {
        let count = |standing| rows.iter().filter(|row| Standing::of(row) == standing).count();
        let counts = Standing::ALL.map(|standing| match count(standing) {
            0 => String::new(),
            some => some.to_string(),
        });
        let (title, name) = (section.title(), section.name());
        out.push_str(&format!("| [{title}](#section-{name}) | {} |\n", counts.join(" | ")));
    }
    out
}

fn heading(section: Section) -> String {
    format!("\n<a id=\"section-{}\"></a>\n\n## {}\n\n", section.name(), section.title())
}

/// An option as a row of its section's table.
fn line(row: &'static OptionRow) -> String {
    let mut option = format!("<a id=\"option-{}\"></a>{}", row.name, code(row.name));
    let short = row.short.map(|letter| code(&format!("-{letter}")));
    let aliases = row.aliases.iter().map(|alias| code(alias));
    for other in short.into_iter().chain(aliases) {
        option.push_str(&format!(", {other}"));
    }
    let value = match words::argument(row) {
        Argument::None => String::new(),
        Argument::Optional => code(&format!("[{}]", words::metavar(row))),
        Argument::Required => code(words::metavar(row)),
    };
    let standing = Standing::of(row);
    let status = match standing {
        Standing::Works => standing.label().to_owned(),
        _ => format!("**{}**", standing.label()),
    };
    let remark = words::remark_sentence(row);
    let remark = remark.map(|text| format!(" *{}*", escape(&text))).unwrap_or_default();
    format!("| {option} | {value} | {status} | {}{remark} |\n", escape(row.help))
}

/// `text` as code in a cell: nothing but the cell's own end needs care.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

/// `text` in a cell as it is. What Markdown reads as text anyway stays legible in the source: an underscore within
/// a word, a bracket that begins no link.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut before, mut rest) = (' ', text.chars());
    while let Some(character) = rest.next() {
        let next = rest.clone().next().unwrap_or(' ');
        match character {
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '\\' | '|' | '`' | '*' => out.extend(['\\', character]),
            '_' if !(before.is_alphanumeric() && next.is_alphanumeric()) => out.push_str("\\_"),
            ']' if next == '(' => out.push_str("\\]"),
            '~' if next == '~' => out.push_str("\\~"),
            _ => out.push(character),
        }
        before = character;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::samples::{registry, row};
    use super::*;

    #[test]
    fn options_say_what_becomes_of_them() {
        assert_eq!(
            line(row("sample-mode")),
            "| <a id=\"option-sample-mode\"></a>`sample-mode` | `fast\\|slow` | **start refused** | \
             How to do it. *It is not supported: use sample-flag.* |\n"
        );
        assert_eq!(
            line(row("sample-flag")),
            "| <a id=\"option-sample-flag\"></a>`sample-flag`, `-7` |  | works | Do it. |\n"
        );
        let wait = line(row("sample-wait"));
        assert!(wait.contains(r#"Wait [so long]; it's "quoted", a\\b\|c."#), "{wait}");
        assert!(wait.contains("`sample-wait`, `sample-pause` | `SECONDS` |"), "{wait}");
    }

    #[test]
    fn only_what_would_be_markup_is_escaped() {
        assert_eq!(escape("SO_REUSEPORT [IPV6]:PORT ~/x"), "SO_REUSEPORT [IPV6]:PORT ~/x");
        assert_eq!(escape("_x_ [a](b) *.py <b> & ~~"), r"\_x\_ [a\](b) \*.py &lt;b> &amp; \~~");
    }

    #[test]
    fn counts_add_up() {
        let registry = registry();
        let text = counts(&registry);
        let number = |line: &str| -> usize {
            let cell = line.split(" | ").nth(1).expect("a cell");
            cell.parse().expect("a number")
        };
        let numbers: Vec<_> = text.lines().skip(2).map(number).collect();
        let [parts @ .., all] = numbers.as_slice() else { panic!("{text}") };
        assert_eq!(parts.iter().sum::<usize>(), *all);
        assert_eq!(*all, registry.rows().len());
    }

    #[test]
    fn links_lead_somewhere() {
        let text = markdown(&registry());
        let links = text.split("](#").skip(1).filter_map(|rest| rest.split(')').next());
        for link in links {
            assert!(text.contains(&format!("<a id=\"{link}\">")), "{link}");
        }
    }
}
