//! Numbers with a unit: `10M`, `30s`. Accepted in TOML files and on options that uWSGI does not have; everywhere
//! else a number is what C's `atoi` makes of it.

use uwsgi_plugin_api::OptionRow;

/// Suffixes and how many of the smallest unit they are.
const BYTES: &[(&str, u64)] = &[
    ("", 1),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("b", 1),
];
const MILLISECONDS: &[(&str, u64)] =
    &[("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// What a metavariable counts: the suffixes, and the size of the option's own unit.
fn unit(metavar: &str) -> Option<(&'static [(&'static str, u64)], u64)> {
    Some(match metavar {
        "BYTES" => (BYTES, 1),
        "KIBIBYTES" => (BYTES, 1 << 10),
        "MEBIBYTES" => (BYTES, 1 << 20),
        "MILLISECONDS" => (MILLISECONDS, 1),
        "SECONDS" => (MILLISECONDS, 1000),
        _ => return None,
    })
}

/// The value of an option as a bare number in the option's own unit; other values stay as they are.
///
/// # Errors
/// What is accepted, where the option is a number and the value is none, or not a whole number of its unit.
pub(super) fn number(row: &OptionRow, value: &str) -> Result<String, String> {
    let text = value.trim();
    let placeholder = ["%(", "$(", "@("].iter().any(|opening| text.contains(opening));
    let word = row.takes_auto() && text == "auto";
    if !row.kind.is_number()
        || word
        || placeholder
        || text.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Ok(value.to_owned());
    }
    let Some((suffixes, own)) = unit(row.metavar) else {
        let signed = row.kind == uwsgi_plugin_api::OptionKind::SignedInteger;
        if signed && text.strip_prefix('-').is_some_and(|digits| digits.parse::<u64>().is_ok()) {
            return Ok(value.to_owned());
        }
        return Err("accepted: a whole number".to_owned());
    };
    let accepted = || {
        let example = if suffixes[0].0.is_empty() { "10M, 64K, 1G" } else { "30s, 5m, 1h, 500ms" };
        format!("accepted: a number of {}, or with a unit: {example}", row.metavar.to_lowercase())
    };
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at(digits);
    // A size may be written 10M or 10m; 10M of a duration could be anything.
    let suffix = suffix.trim();
    let small =
        if suffixes[0].0.is_empty() { suffix.to_ascii_lowercase() } else { suffix.to_owned() };
    let factor = suffixes.iter().find(|(name, _)| *name == small).map(|(_, factor)| *factor);
    let sum = factor.zip(number.parse::<u64>().ok()).and_then(|(f, n)| n.checked_mul(f));
    let sum = sum.ok_or_else(accepted)?;
    if sum % own != 0 {
        return Err(format!("is no whole number of {}", row.metavar.to_lowercase()));
    }
    Ok((sum / own).to_string())
}

#[cfg(test)]
mod tests {
    use uwsgi_plugin_api::option::{flag, integer, megabytes, text, unsigned64};

    use super::number;

    #[test]
    fn units_become_the_options_own() {
        let (bytes, mebi) = (unsigned64("a", "BYTES", "."), megabytes("a", "MEBIBYTES", "."));
        let (seconds, millis) = (integer("a", "SECONDS", "."), integer("a", "MILLISECONDS", "."));
        for (row, value, expected) in [
            (&bytes, "10M", "10485760"),
            (&bytes, "64 KiB", "65536"),
            (&bytes, "1kB", "1000"),
            (&bytes, "512", "512"),
            (&mebi, "1G", "1024"),
            (&mebi, "512", "512"),
            (&seconds, "30s", "30"),
            (&seconds, "5m", "300"),
            (&seconds, "2000ms", "2"),
            (&millis, "2s", "2000"),
            (&bytes, "%(x)", "%(x)"),
            (&text("a", "NAME", "."), "10M", "10M"),
            (&flag("a", "."), "true", "true"),
        ] {
            assert_eq!(number(row, value).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn what_is_no_number_of_the_unit_is_refused() {
        let (seconds, count) = (integer("a", "SECONDS", "."), integer("a", "N", "."));
        for (row, value) in [
            (&seconds, "30x"),
            (&seconds, "500ms"),
            (&seconds, "s"),
            (&seconds, "99999999999999999999s"),
            (&count, "4 workers"),
            (&count, "10M"),
        ] {
            assert!(number(row, value).is_err(), "{value}");
        }
        assert_eq!(
            number(&seconds, "30x").unwrap_err(),
            "accepted: a number of seconds, or with a unit: 30s, 5m, 1h, 500ms"
        );
    }
}
