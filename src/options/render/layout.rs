//! Lines for a terminal: 100 columns, options on the left and what they do on the right.

use uwsgi_plugin_api::OptionRow;

use super::words;

/// No line is longer, where it can be broken at all.
pub(super) const LINE_WIDTH: usize = 100;
const TEXT_COLUMN: usize = 38;

/// One option on a few lines: its names and value, what it does, and why it does not.
pub(super) fn option(row: &OptionRow) -> String {
    let mut text = row.help.to_owned();
    if !row.aliases.is_empty() {
        let aliases: Vec<_> = row.aliases.iter().map(|alias| format!("--{alias}")).collect();
        text.push_str(&format!(" [also {}]", aliases.join(", ")));
    }
    if let Some(remark) = row.status.remark() {
        text.push_str(&format!(" [{remark}]"));
    }
    columns(&option_head(row), &text, TEXT_COLUMN)
}

/// `  -s, --socket ADDRESS`.
fn option_head(row: &OptionRow) -> String {
    let value = words::value(row);
    match row.short {
        Some(short) => format!("  -{short}, --{}{value}", row.name),
        None => format!("      --{}{value}", row.name),
    }
}

/// `left`, and beside it `text` from column `column` on. What is too long for the left gets a line of its own.
pub(super) fn columns(left: &str, text: &str, column: usize) -> String {
    let indent = " ".repeat(column);
    let lines = wrap(text, LINE_WIDTH - column);
    let mut out = if left.chars().count() + 2 > column {
        format!("{left}\n{indent}")
    } else {
        format!("{left:column$}")
    };
    out.push_str(&lines.join(&format!("\n{indent}")));
    out.push('\n');
    out
}

/// `text` in lines of at most `width` characters, broken at blanks. There is at least one line.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::super::samples::row;
    use super::*;

    #[test]
    fn lines_are_broken_at_blanks() {
        assert_eq!(wrap("a bb ccc dddd", 4), ["a bb", "ccc", "dddd"]);
        assert_eq!(wrap("unbreakable", 4), ["unbreakable"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn a_long_left_side_has_its_own_line() {
        assert_eq!(columns("ab", "text", 4), "ab  text\n");
        assert_eq!(columns("abc", "text", 4), "abc\n    text\n");
    }

    #[test]
    fn an_option_says_why_it_does_nothing() {
        assert_eq!(
            option(row("sample-dirs")),
            "      --sample-dirs DIR               Where to look. [has no effect here: it looks everywhere]\n"
        );
    }
}
