//! Which content coding a client takes (RFC 9110, 12.5.3).

use crate::config::model::files::Coding;

/// The first of `offered` that is not refused.
pub(super) fn accepted(header: &[u8], offered: &[Coding]) -> Vec<Coding> {
    let header = String::from_utf8_lossy(header);
    let quality = |name: &str| {
        let mut any = None;
        for item in header.split(',') {
            let mut parts = item.split(';').map(str::trim);
            let Some(coding) = parts.next() else { continue };
            let weight = parts.find_map(|part| part.strip_prefix("q="));
            let weight = weight.map_or(1.0, |text| text.parse::<f32>().unwrap_or(0.0));
            if coding.eq_ignore_ascii_case(name) {
                return weight;
            }
            if coding == "*" {
                any = Some(weight);
            }
        }
        any.unwrap_or(0.0)
    };
    let mut taken: Vec<_> = offered
        .iter()
        .map(|coding| (*coding, quality(coding.name())))
        .filter(|(_, weight)| *weight > 0.0)
        .collect();
    // Stable: of equal ones, ours counts.
    taken.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    taken.into_iter().map(|(coding, _)| coding).collect()
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
