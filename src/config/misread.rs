//! Values that mean something else than they seem to say: uWSGI's readers are those of C, and a mistake is silent
//! there (behaviour note 2.2). Here it is read the same and said.

use uwsgi_plugin_api::OptionRow;
use uwsgi_plugin_api::settings::leading_number;

use super::directive::Origin;
use super::{Diagnostic, Directive, units};

/// Values of a flag that mean true and say so.
const TRUE: &[&str] = &["", "true", "1", "yes", "on"];
/// All values of a flag that mean false.
const FALSE: &[&str] = &["false", "0", "no", "off"];
/// Metavariables of texts in which quotes and `#` are common.
const FREE_TEXT: &[&str] =
    &["FORMAT", "COMMAND", "TEXT", "REGEX", "ACTION", "EXPRESSION", "HEADER", "HOOK"];
/// Letters behind `%` that uWSGI replaces (behaviour note 2.3).
const MAGIC: &str = "oOpPdDsSnNeEcCxXiIjJvVhkuUgGbtT[%(0123456789";

/// What is misread in a value, where anything is.
pub(super) fn misread(row: &OptionRow, directive: &Directive) -> Option<Diagnostic> {
    let value = directive.value.as_deref()?;
    let message = if row.kind.is_flag() {
        flag(value)
    } else if row.kind.is_number() {
        number(row, value)
    } else {
        text(row, value)
    };
    message.map(|message| Diagnostic::warning(directive, message))
}

fn flag(value: &str) -> Option<String> {
    let is = |words: &[&str], text: &str| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    let meant = value.split_whitespace().next().unwrap_or_default();
    let as_meant = is(TRUE, meant) || is(FALSE, value) || value.contains("%(");
    (!as_meant).then(|| {
        "is read as true; accepted: true, 1, yes, on, false, 0, no, off, with nothing behind it"
            .to_owned()
    })
}

/// A comment behind a value that is read as it is meant all the same.
pub fn comment_behind(row: &OptionRow, directive: &Directive) -> Option<Diagnostic> {
    let value = directive.value.as_deref()?.trim();
    let rest = match row.kind {
        kind if kind.is_flag() => value.split_once([' ', '\t'])?.1,
        kind if kind.is_number() => value.trim_start_matches(|c: char| c.is_ascii_digit()),
        _ => return None,
    };
    let comment = rest.trim_start();
    let harmless = comment.len() < value.len() && comment.starts_with(['#', ';']);
    (harmless && misread(row, directive).is_none()).then(|| {
        let text = format!(
            "\"{comment}\" is part of the value, which is read as it is meant all the same"
        );
        Diagnostic::hint(directive, text)
    })
}

fn number(row: &OptionRow, value: &str) -> Option<String> {
    let text = value.trim();
    if row.takes_auto() && text == "auto" {
        return None;
    }
    let read = leading_number(text);
    let rest = text.trim_start_matches(['+', '-']).trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest.trim();
    if rest.is_empty() {
        return None;
    }
    if text.starts_with(['"', '\'']) {
        let inner = text.trim_matches(['"', '\'']);
        return Some(format!("is read as 0: quotes are part of the value; write {inner}"));
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) && rest.starts_with(['#', ';']) {
        return None; // see comment_behind
    }
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        let meant = units::number(row, text).ok().filter(|meant| *meant != text);
        let meant = meant.map(|meant| format!("; write {meant}")).unwrap_or_default();
        return Some(format!("is read as {read}: units are not understood here{meant}"));
    }
    let placeholder = ["%(", "$("].iter().any(|opening| text.contains(opening));
    (!placeholder).then(|| "is read as 0: no number is there".to_owned())
}

fn text(row: &OptionRow, value: &str) -> Option<String> {
    if FREE_TEXT.iter().any(|free| row.metavar.contains(free)) {
        return None;
    }
    let quoted =
        |quote: char| value.len() > 1 && value.starts_with(quote) && value.ends_with(quote);
    if quoted('"') || quoted('\'') {
        let inner = &value[1..value.len() - 1];
        return Some(format!("the quotes are part of the value; write {inner}"));
    }
    let comment = value.find(" #").or_else(|| value.find(" ;").filter(|_| !row.kind.is_list()))?;
    Some(format!(
        "\"{}\" is part of the value: comments need a line of their own",
        value[comment..].trim_start()
    ))
}

/// A placeholder that nothing replaced. Formats have variables of the same form, which are filled in later.
pub(super) fn unresolved(row: Option<&OptionRow>, directive: &Directive) -> Option<Diagnostic> {
    let value = directive.value.as_deref()?;
    if row.is_some_and(|row| row.metavar.contains("FORMAT")) {
        return None;
    }
    if ["set", "set-ph", "set-placeholder", "declare-option"].contains(&directive.key.as_str()) {
        return None; // what they make is looked at
    }
    let late = "this option acts where it stands, before placeholders are replaced";
    let (opening, missing) = [
        ("%(", "no option or placeholder of this name stands anywhere"),
        ("$(", "the environment has no such variable"),
    ]
    .into_iter()
    .find(|(opening, _)| value.contains(opening))?;
    let from = value.find(opening)?;
    let name = &value[from..=from + value[from..].find(')')?];
    let why = if directive.consumed { late } else { missing };
    Some(Diagnostic::warning(directive, format!("{name} stays as it is: {why}")))
}

/// A `%` and a letter that no magic variable has, in the line as it was written: it was replaced by nothing.
pub(super) fn lost_letters(directive: &Directive) -> Option<Diagnostic> {
    let Origin::File(spot) = &directive.origin else { return None };
    let line = spot.file.line(spot.key.line);
    let mut characters = line.chars().skip(spot.key.column as usize - 1);
    while let Some(character) = characters.next() {
        if character != '%' {
            continue;
        }
        let letter = characters.next()?;
        if !MAGIC.contains(letter) {
            let text = format!(
                "%{letter} is no variable and is replaced by nothing; a percent sign is written %%{letter}"
            );
            return Some(Diagnostic::warning(directive, text));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use uwsgi_plugin_api::option::{flag, integer, list, text, unsigned64};

    use super::*;

    fn said(row: &OptionRow, value: &str) -> Option<String> {
        let directive = Directive::new("x", Some(value.to_owned()), Origin::CommandLine);
        misread(row, &directive).map(|problem| problem.message)
    }

    #[test]
    fn what_is_read_differently_is_said() {
        let (bytes, count, on) =
            (unsigned64("a", "BYTES", "."), integer("a", "N", "."), flag("a", "."));
        let path = text("a", "PATH", ".");
        for (row, value, begin) in [
            (&count, "\"4\"", "is read as 0: quotes are part of the value; write 4"),
            (&bytes, "10M", "is read as 10: units are not understood here; write 10485760"),
            (&count, "true", "is read as 0: no number is there"),
            (&count, "four", "is read as 0: no number is there"),
            (&count, "10x", "is read as 10: units"),
            (&on, "false # off", "is read as true"),
            (&on, "\"false\"", "is read as true"),
            (&on, "none", "is read as true"),
            (&path, "\"/srv/x\"", "the quotes are part of the value; write /srv/x"),
            (&path, "/srv/x # here", "\"# here\" is part of the value"),
        ] {
            let found = said(row, value).unwrap_or_default();
            assert!(found.starts_with(begin), "{value}: {found}");
        }
    }

    #[test]
    fn comments_that_do_no_harm_are_told_apart() {
        let (count, on, path) = (integer("a", "N", "."), flag("a", "."), text("a", "PATH", "."));
        for (row, value, harmless) in [
            (&count, "4 # four", true),
            (&count, "4;four", true),
            (&on, "true  ; on", true),
            (&on, "false # off", false),
            (&on, "true", false),
            (&count, "# four", false),
            (&path, "/x # y", false),
        ] {
            let directive = Directive::new("x", Some(value.to_owned()), Origin::CommandLine);
            assert_eq!(comment_behind(row, &directive).is_some(), harmless, "{value}");
            let silent = said(row, value).is_none();
            assert_eq!(silent, harmless || value == "true", "{value}");
        }
    }

    #[test]
    fn what_is_meant_as_it_is_read_is_silent() {
        let (count, on, path) = (integer("a", "N", "."), flag("a", "."), list("a", "PATH", "."));
        for (row, value) in [
            (&count, "4"),
            (&count, " 4 "),
            (&count, "-1"),
            (&count, ""),
            (&count, "%(n)"),
            (&on, "TRUE"),
            (&on, ""),
            (&on, "off"),
            (&path, "/srv/#x"),
            (&path, "\""),
            (&text("a", "FORMAT", "."), "\"%(uri)\" # x"),
        ] {
            assert_eq!(said(row, value), None, "{value}");
        }
    }
}
