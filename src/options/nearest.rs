//! "Did you mean": the name that takes the fewest typing errors.

/// The candidate nearest to `text`, where it is near at all: one error in short names, one in four
/// letters in longer ones, or a missing end.
pub(super) fn nearest(
    text: &str,
    candidates: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let text = text.trim_start_matches('-').replace('_', "-").to_ascii_lowercase();
    if text.len() < 3 {
        return None;
    }
    let allowed = (text.len() / 4).max(1);
    candidates
        .map(|name| (distance(&text, name), name))
        .map(
            |(errors, name)| {
                if is_beginning(&text, name) { (errors.min(1), name) } else { (errors, name) }
            },
        )
        .filter(|(errors, _)| *errors <= allowed)
        .min_by_key(|(errors, _)| *errors)
        .map(|(_, name)| name)
}

/// A name that was not written to its end (`chmod-sock`).
fn is_beginning(text: &str, name: &str) -> bool {
    text.len() >= 4 && text.len() * 2 >= name.len() && name.starts_with(text)
}

/// Number of letters to insert, drop, replace or swap with their neighbour (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &left) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &right) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(left != right);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && left == b[j - 1] && a[i - 1] == right {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::distance;

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
            assert_eq!(distance(a, b), errors, "{a} {b}");
            assert_eq!(distance(b, a), errors, "{b} {a}");
        }
    }
}
