//! Problems as text for people and editors, and as JSON for programs.

use std::fmt::Write;

use serde_json::json;

use crate::config::{Diagnostic, Mark, Severity};

/// Problems in the order in which they are shown: by file and line, those without a place last, errors first.
pub fn sorted(mut problems: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let key = |problem: &Diagnostic| {
        let place = problem.mark.as_ref().map(|mark| (mark.file.name.clone(), mark.at));
        (place.is_none(), place, std::cmp::Reverse(problem.severity))
    };
    problems.sort_by_key(key);
    problems.dedup();
    problems
}

/// How many problems of a severity there are.
pub fn count(problems: &[Diagnostic], severity: Severity) -> usize {
    problems.iter().filter(|problem| problem.severity == severity).count()
}

/// Each problem as `file:line:column: severity: option: message` with the line and a caret below, then a sum.
pub fn text(problems: &[Diagnostic]) -> String {
    let mut out = String::new();
    for problem in problems {
        one(&mut out, problem);
    }
    let sum = |severity, word| match count(problems, severity) {
        1 => format!("1 {word}"),
        number => format!("{number} {word}s"),
    };
    let (errors, warnings) = (sum(Severity::Error, "error"), sum(Severity::Warning, "warning"));
    let _ = writeln!(out, "{errors}, {warnings}, {}", sum(Severity::Hint, "hint")); // a String takes everything
    out
}

fn one(out: &mut String, problem: &Diagnostic) {
    let severity = problem.severity.word();
    let place = match &problem.mark {
        Some(Mark { file, at, .. }) => format!("{}:{}:{}", file.name, at.line, at.column),
        None if problem.place.is_empty() => "configuration".to_owned(),
        None => problem.place.clone(),
    };
    let option = match problem.option.as_str() {
        "" => String::new(),
        option => format!("{option}: "),
    };
    let _ = writeln!(out, "{place}: {severity}: {option}{}", problem.message);
    if let Some(mark) = &problem.mark {
        snippet(out, mark);
    }
}

/// The line and a caret below its text. What cannot be printed is a blank, so that the caret stands right.
fn snippet(out: &mut String, mark: &Mark) {
    let line = mark.file.line(mark.at.line);
    let shown: String = line
        .chars()
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    let before = mark.at.column as usize - 1;
    let rest = shown.chars().count().saturating_sub(before).max(1);
    let carets = "^".repeat(mark.length.min(rest));
    let _ = writeln!(out, "  {}\n  {}{carets}", shown.trim_end(), " ".repeat(before));
}

/// The problems as one JSON document.
pub fn json(problems: &[Diagnostic]) -> String {
    let list: Vec<_> = problems
        .iter()
        .map(|problem| {
            let mark = problem.mark.as_ref();
            json!({
                "severity": problem.severity.word(),
                "file": mark.map(|mark| &mark.file.name),
                "line": mark.map(|mark| mark.at.line),
                "column": mark.map(|mark| mark.at.column),
                "length": mark.map(|mark| mark.length),
                "place": problem.place,
                "option": problem.option,
                "message": problem.message,
            })
        })
        .collect();
    let document = json!({
        "errors": count(problems, Severity::Error),
        "warnings": count(problems, Severity::Warning),
        "hints": count(problems, Severity::Hint),
        "problems": list,
    });
    format!("{document:#}\n")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::{Directive, FileText, Origin, Position, Spot};

    fn problem() -> Diagnostic {
        let text = "[uwsgi]\n\tprocesses = \"4\"\n".to_owned();
        let file = Arc::new(FileText::new("a.ini", text));
        let at = |column| Position { line: 2, column };
        let origin = Origin::File(Spot { file, key: at(2), value: at(14) });
        let directive = Directive::new("processes", Some("\"4\"".to_owned()), origin);
        Diagnostic::warning(&directive, "is read as 0")
    }

    #[test]
    fn the_caret_stands_below_the_text() {
        assert_eq!(
            text(&[problem(), Diagnostic::general("no socket")]),
            "a.ini:2:14: warning: processes: is read as 0\n   processes = \"4\"\n               ^^^\n\
             configuration: error: no socket\n1 error, 1 warning, 0 hints\n"
        );
    }

    #[test]
    fn programs_get_every_field() {
        let document: serde_json::Value = serde_json::from_str(&json(&[problem()])).expect("JSON");
        assert_eq!(document["warnings"], 1);
        let found = &document["problems"][0];
        assert_eq!((&found["file"], &found["line"]), (&json!("a.ini"), &json!(2)));
        assert_eq!((&found["column"], &found["length"]), (&json!(14), &json!(3)));
    }

    #[test]
    fn problems_are_shown_by_place_and_once() {
        let general = Diagnostic::general("x");
        let found = sorted(vec![general.clone(), problem(), problem()]);
        assert_eq!(found, [problem(), general]);
    }
}
