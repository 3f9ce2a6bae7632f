//! "Did you mean": the name that takes the fewest typing errors.

/// The candidate nearest to `text`, where it is near at all: one error in short names, one in four
/// letters in longer ones, or a missing end.
pub(super) fn nearest(
    text: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let text = text.trim_start_matches('-').replace('_', "-").to_ascii_lowercase();
    if text.len() < 4 {
        return None;
    }
    let allowed = (text.len() / 4).max(1);
    let mut rows = Rows::default();
    candidates
        .filter_map(|name| {
            let errors = match is_beginning(&text, name) {
                true => 1,
                false if text.len().abs_diff(name.len()) > allowed => return None,
                false => distance(&text, name, &mut rows),
            };
            (errors <= allowed).then_some((errors, name))
        })
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, name)| name)
}

/// Rows of the table of distances, kept from one name to the next.
#[derive(Default)]
struct Rows {
    before_last: Vec<usize>,
    last: Vec<usize>,
    row: Vec<usize>,
}

/// A name that was not written to its end (`chmod-sock`).
fn is_beginning(text: &str, name: &str) -> bool {
    text.len() >= 4 && text.len() * 2 >= name.len() && name.starts_with(text)
}

/// Number of letters to insert, drop, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str, rows: &mut Rows) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let Rows { before_last, last, row } = rows;
    last.clear();
    last.extend(0..=b.len());
    for (i, &left) in a.iter().enumerate() {
        row.clear();
        row.push(i + 1);
        for (j, &right) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(left != right);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left == b[j - 1] && a[i - 1] == right {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        std::mem::swap(before_last, last);
        std::mem::swap(last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{Rows, distance};

    #[test]
    fn distances_count_typing_errors() {
        for (a, b, errors) in [
            ("", "", 0),
            ("a", "", 1),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "xbc", 1),
            ("kitten", "sitting", 3),
        ] {
            let rows = &mut Rows::default();
            assert_eq!(distance(a, b, rows), errors, "{a} {b}");
            assert_eq!(distance(b, a, rows), errors, "{b} {a}");
        }
    }
}
