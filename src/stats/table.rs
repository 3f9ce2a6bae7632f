//! Sites as a table for people.

use crate::shm::SiteFigures;

/// Rows at most: the answer has to fit into the buffer of a socket that nobody reads from yet.
const ROWS_MAX: usize = 400;

/// The table, the busiest site first. `now` is Unix time in seconds.
pub fn sites(sites: &[SiteFigures], now: u64) -> String {
    if sites.is_empty() {
        return "no site was asked for yet\n".to_owned();
    }
    let heads = ["requests", "errors", "avg ms", "sent", "memory", "last", "pid", "site"]
        .map(str::to_owned);
    let rows: Vec<[String; 8]> =
        [heads].into_iter().chain(sites.iter().take(ROWS_MAX).map(|site| row(site, now))).collect();
    let widths: [usize; 7] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].len()).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(widths) {
            text.push_str(&format!("{cell:>width$}  "));
        }
        text.push_str(&row[7]);
        text.push('\n');
    }
    if let Some(more @ 1..) = sites.len().checked_sub(ROWS_MAX) {
        text.push_str(&format!("and {more} more, which stats shows\n"));
    }
    text
}

fn row(site: &SiteFigures, now: u64) -> [String; 8] {
    let average_us = site.running_us.checked_div(site.requests).unwrap_or(0);
    let memory = match site.rss_bytes {
        0 => "-".to_owned(),
        bytes => size(bytes),
    };
    [
        site.requests.to_string(),
        site.errors.to_string(),
        format!("{}.{}", average_us / 1000, average_us / 100 % 10),
        size(site.tx_bytes),
        memory,
        age(now.saturating_sub(site.last_unix)),
        if site.pid > 0 { site.pid.to_string() } else { "-".to_owned() },
        site.name.clone(),
    ]
}

fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut number, mut unit) = (bytes, 0);
    while number >= 10_000 && unit + 1 < UNITS.len() {
        (number, unit) = (number / 1000, unit + 1);
    }
    format!("{number} {}", UNITS[unit])
}

/// So long ago.
fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{}m", seconds / 60),
        7_200..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(name: &str, requests: u64) -> SiteFigures {
        SiteFigures {
            name: name.to_owned(),
            requests,
            running_us: 2_550 * requests,
            tx_bytes: 12_345,
            last_unix: 1_000,
            ..SiteFigures::default()
        }
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let table = sites(
            &[site("a.example|/", 123_456_789), SiteFigures { pid: 17, ..site("b|", 1) }],
            1_130,
        );
        let expected = [
            " requests  errors  avg ms   sent  memory  last  pid  site",
            "123456789       0     2.5  12 kB       -    2m    -  a.example|/",
            "        1       0     2.5  12 kB       -    2m   17  b|",
        ];
        assert!(table.lines().eq(expected), "{table}");
    }

    #[test]
    fn what_does_not_fit_is_said() {
        let many: Vec<_> = (0..ROWS_MAX as u64 + 3).map(|number| site("x", number)).collect();
        assert!(sites(&many, 0).ends_with("\nand 3 more, which stats shows\n"));
        assert_eq!(sites(&many[..ROWS_MAX], 0).lines().count(), ROWS_MAX + 1);
        assert_eq!(sites(&[], 0), "no site was asked for yet\n");
    }
}
