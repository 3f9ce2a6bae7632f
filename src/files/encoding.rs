//! Which content coding a client takes (RFC 9110, 12.5.3).

use uwsgi_protocol::http1::coding_weight;

use crate::config::model::files::Coding;

/// Those of `offered` that the client takes, the one that it likes best first.
pub(super) fn accepted(header: &[u8], offered: &[Coding]) -> Vec<Coding> {
    let weight = |coding: &Coding| coding_weight(header, coding.name());
    let mut taken: Vec<_> = offered.iter().copied().filter(|coding| weight(coding) > 0).collect();
    // Stable: of equal ones, ours counts.
    taken.sort_by_key(|coding| std::cmp::Reverse(weight(coding)));
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_count_and_then_the_order_here() {
        let all = Coding::ALL;
        let names = |header: &str| -> Vec<&str> {
            accepted(header.as_bytes(), &all).into_iter().map(Coding::name).collect()
        };
        assert_eq!(names("gzip, deflate, br"), ["br", "gzip"]);
        assert_eq!(names("gzip;q=1.0, br;q=0.5"), ["gzip", "br"]);
        assert_eq!(names("gzip;q=0, *"), ["br", "zstd"]);
        assert_eq!(names("GZIP; q=0.1"), ["gzip"]);
        assert!(
            names("identity").is_empty() && names("").is_empty() && names("gzip;q=x").is_empty()
        );
    }
}
