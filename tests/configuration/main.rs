//! The effective list of options (`show-config`) of many configurations, ours and uWSGI's.
//!
//! `cases/*.txt` hold the configurations with the list that uWSGI 2.0.31 shows for each (how they are written: see
//! `case.rs`). Ours must show the same; a case that differs on purpose says why. Where `UWSGI_ORIGINAL` names the
//! original, what was recorded of it is checked too. `UPDATE_GOLDEN=1` records again.
#![allow(clippy::unwrap_used)] // panicking is how a test fails

mod answers;
mod case;
mod check;
mod properties;
mod show;

use std::path::Path;

use case::{Case, Corpus};

fn corpora() -> Vec<Corpus> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configuration/cases");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(Corpus::read).collect()
}

fn original() -> Option<String> {
    std::env::var("UWSGI_ORIGINAL").ok()
}

/// Differences between what is shown and what is recorded, as text.
fn compare(program: &str, expected: impl Fn(&Case) -> Vec<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for corpus in corpora() {
        for case in &corpus.cases {
            let (shown, expected) = (show::shown(program, case), expected(case));
            if shown != expected {
                wrong.push(format!(
                    "--- {}: {}\nshown:\n{}\nexpected:\n{}\n",
                    corpus.name(),
                    case.title,
                    shown.join("\n"),
                    expected.join("\n")
                ));
            }
        }
    }
    wrong
}

#[test]
fn the_effective_list_is_uwsgis() {
    let wrong = compare(env!("CARGO_BIN_EXE_uwsgi"), |case| {
        case.ours.clone().unwrap_or_else(|| case.shown.clone())
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_recorded_of_the_original_is_true() {
    let Some(program) = original() else {
        return println!("skipped: UWSGI_ORIGINAL does not name the original uwsgi");
    };
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for mut corpus in corpora() {
            for case in &mut corpus.cases {
                case.shown = show::shown(&program, case);
                if case.differs.is_some() {
                    case.ours = Some(show::shown(env!("CARGO_BIN_EXE_uwsgi"), case));
                }
            }
            corpus.write();
        }
    }
    let wrong = compare(&program, |case| case.shown.clone());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_difference_has_a_reason_and_is_one() {
    let mut number = 0;
    for corpus in corpora() {
        for case in &corpus.cases {
            number += 1;
            assert_eq!(case.differs.is_some(), case.ours.is_some(), "{}", case.title);
            assert_ne!(case.ours.as_ref(), Some(&case.shown), "{}: no difference", case.title);
        }
    }
    assert!(number >= 60, "{number} cases");
}
