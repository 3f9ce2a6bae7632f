//! A row's properties in words, the same ones wherever they are written.

use uwsgi_plugin_api::{Argument, OptionKind, OptionRow, Reload, Section, Status};

use crate::options::Registry;

/// A [`Status`] without its text, in the order in which readers want the options.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Works,
    NoEffect,
    Missing,
    Unsupported,
}

impl Standing {
    pub(super) const ALL: [Self; 4] =
        [Self::Works, Self::NoEffect, Self::Missing, Self::Unsupported];

    pub(super) const fn of(row: &OptionRow) -> Self {
        match row.status {
            Status::Works => Self::Works,
            Status::NoEffect(_) => Self::NoEffect,
            Status::Missing(_) => Self::Missing,
            Status::Unsupported(_) => Self::Unsupported,
        }
    }

    /// In one or two words, for a column of a table.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::NoEffect => "no effect",
            Self::Missing => "not supported",
            Self::Unsupported => "start refused",
        }
    }

    /// What that means for whoever gives such an option.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Works => "it does what is said here",
            Self::NoEffect => "accepted, and nothing has to be done",
            Self::Missing => "not supported: the server warns and starts without it",
            Self::Unsupported => {
                "not supported, and nothing right could be served without it: the start is refused"
            }
        }
    }
}

/// The sections that have options, each with its rows: working ones first, in the table's order.
pub(super) fn chapters(
    registry: &Registry,
) -> impl Iterator<Item = (Section, Vec<&'static OptionRow>)> {
    let chapters = Section::ALL.into_iter().map(|section| (section, chapter(registry, section)));
    chapters.filter(|(_, rows)| !rows.is_empty())
}

/// The rows of one section, sorted as [`chapters`] has them.
pub(super) fn chapter(registry: &Registry, section: Section) -> Vec<&'static OptionRow> {
    let mut rows: Vec<_> =
        registry.rows().iter().copied().filter(|row| row.section == section).collect();
    rows.sort_by_key(|row| Standing::of(row)); // stable
    rows
}

/// [`Status::remark`] as a sentence.
pub(super) fn remark_sentence(row: &OptionRow) -> Option<String> {
    row.status.remark().map(|text| format!("It {text}."))
}

/// Whether a value is worth showing. Any flag may have one (`--need-app=false`); those that may be left out are
/// flags to a reader.
pub(super) const fn argument(row: &OptionRow) -> Argument {
    match row.argument {
        Argument::Optional if row.kind.is_flag() => Argument::None,
        argument => argument,
    }
}

/// How the value is called; a flag whose value must be there has no metavariable of its own.
pub(super) const fn metavar(row: &OptionRow) -> &'static str {
    if row.metavar.is_empty() { "true|false" } else { row.metavar }
}

/// How the value follows a long name: nothing, `[=MODE]` or ` ADDRESS`.
pub(super) fn value(row: &OptionRow) -> String {
    match argument(row) {
        Argument::None => String::new(),
        Argument::Optional => format!("[={}]", metavar(row)),
        Argument::Required => format!(" {}", metavar(row)),
    }
}

/// What values the option takes.
pub(super) fn kind(row: &OptionRow) -> String {
    let what = match row.kind {
        OptionKind::Flag => "on or off; off are false, off, no and 0",
        OptionKind::NegativeFlag => "on or off, where on switches something off",
        OptionKind::Integer => "a whole number, 0 or more",
        OptionKind::SignedInteger => "a whole number, also below 0",
        OptionKind::Unsigned64 => "a whole number, 0 or more, of up to 64 bits",
        OptionKind::Unsigned16 => "a whole number from 0 to 65535",
        OptionKind::Megabytes => "a whole number, 0 or more, of mebibytes",
        OptionKind::Text | OptionKind::OptionalText => "text",
        OptionKind::TextList => "text; each time it is given adds one",
        OptionKind::KeyValueList => "key=value,key=value; each time it is given adds one",
    };
    match (row.argument, row.kind.is_number()) {
        (Argument::Optional, true) => format!("{what}; 1 where none is given"),
        (Argument::Optional, false) if !row.kind.is_flag() => format!("{what}; may be left out"),
        _ => what.to_owned(),
    }
}

/// What the number counts, where the metavariable is a unit.
pub(super) fn unit(row: &OptionRow) -> Option<&'static str> {
    let unit = match row.metavar {
        "BYTES" => "bytes",
        "KIBIBYTES" => "kibibytes",
        "MEBIBYTES" => "mebibytes",
        "SECONDS" => "seconds",
        "MILLISECONDS" => "milliseconds",
        _ => return None,
    };
    Some(unit)
}

/// What a changed value needs.
pub(super) const fn change(reload: Reload) -> &'static str {
    match reload {
        Reload::Live => "nothing, it is taken over at once",
        Reload::Workers => "new workers",
        Reload::Exec => "a new master, as a reload by SIGHUP brings",
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{registry, row};
    use super::*;

    #[test]
    fn rows_of_a_chapter_stand_by_what_becomes_of_them() {
        let rows = chapter(&registry(), Section::Languages);
        let samples: Vec<_> =
            rows.iter().map(|row| row.name).filter(|name| name.starts_with("sample")).collect();
        assert_eq!(
            samples,
            [
                "sample-flag",
                "sample-wait",
                "sample-file",
                "sample-often",
                "sample-must",
                "sample-dirs",
                "sample-later",
                "sample-mode"
            ]
        );
    }

    #[test]
    fn every_row_is_in_a_chapter() {
        let registry = registry();
        let count: usize = chapters(&registry).map(|(_, rows)| rows.len()).sum();
        assert_eq!(count, registry.rows().len());
    }

    #[test]
    fn values_are_described() {
        assert_eq!(value(row("sample-wait")), " SECONDS");
        assert_eq!(value(row("sample-file")), "[=FILE]");
        assert_eq!(value(row("sample-flag")), "");
        assert_eq!(value(row("sample-often")), "");
        assert_eq!(value(row("sample-must")), " true|false");
        assert_eq!(unit(row("sample-wait")), Some("seconds"));
        assert_eq!(kind(row("sample-file")), "text; may be left out");
        assert_eq!(
            remark_sentence(row("sample-mode")).as_deref(),
            Some("It is not supported: use sample-flag.")
        );
        assert_eq!(remark_sentence(row("sample-flag")), None);
    }
}
