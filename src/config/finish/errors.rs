//! `error-page` and its like, `request-id`.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::config::model::errors::{ErrorPage, Errors};
use crate::config::values::Values;

/// Statuses of errors.
const STATUSES: RangeInclusive<u16> = 400..=599;

pub(super) fn errors(values: &mut Values<'_>) -> Errors {
    let mut pages = Vec::new();
    for (name, status) in
        [("error-page-403", 403), ("error-page-404", 404), ("error-page-500", 500)]
    {
        pages.extend(values.all(name).iter().map(|directive| ErrorPage {
            status,
            file: PathBuf::from(directive.text()),
            origin: directive.place(),
        }));
    }
    for directive in values.all("error-page").to_vec() {
        let words = directive.text().trim().rsplit_once(char::is_whitespace);
        let statuses = words.and_then(|(statuses, file)| Some((statuses_of(statuses)?, file)));
        match statuses {
            Some((statuses, file)) => pages.extend(statuses.into_iter().map(|status| ErrorPage {
                status,
                file: PathBuf::from(file),
                origin: directive.place(),
            })),
            None => values.error(
                directive,
                "no page of an error; accepted: one status or several from 400 to 599, and a file, such as 502 503 /srv/down.html",
            ),
        }
    }
    Errors { pages, request_ids: values.flag("request-id") }
}

fn statuses_of(words: &str) -> Option<Vec<u16>> {
    let status = |word: &str| word.parse().ok().filter(|status| STATUSES.contains(status));
    words.split_whitespace().map(status).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_those_of_errors() {
        assert_eq!(statuses_of("500 502\t503"), Some(vec![500, 502, 503]));
        for words in ["399", "600", "500 x", "5xx", "-500"] {
            assert_eq!(statuses_of(words), None, "{words}");
        }
    }
}
