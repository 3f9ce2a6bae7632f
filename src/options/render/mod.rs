//! What is written from the option table, a file each: what the server prints, and the pages, the schema and the
//! completions that are kept in the repository (`tests/golden.rs` holds them to the table).
//!
//! Everything here turns a [`Registry`](super::Registry) into text; nothing is printed, and no file is touched.

mod completion;
mod dump;
mod help;
mod layout;
mod man;
mod markdown;
mod schema;
mod words;

pub use completion::{bash_completion, fish_completion, zsh_completion};
pub use dump::dump;
pub use help::{COMMON, help, help_all, help_for, help_option, help_section};
pub use man::man_page;
pub use markdown::markdown;
pub use schema::json_schema;

/// The text of `--version`, without a line break.
pub fn version() -> &'static str {
    concat!("uwsgi-rs ", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn version_is_the_packages() {
        assert!(version().starts_with("uwsgi-rs 0."));
    }
}

/// Rows for the tests of this folder: one of each sort that is written differently.
#[cfg(test)]
mod samples {
    use uwsgi_plugin_api::option::{chapter, flag, integer, list, optional_text, text};
    use uwsgi_plugin_api::{Argument, OptionRow, Section};

    use crate::options::Registry;

    #[rustfmt::skip] // a table
    const ROWS: &[OptionRow] = &chapter(
        Section::Languages,
        [
            flag("sample-flag", "Do it.").short('7').implies(&["master"]),
            integer("sample-wait", "SECONDS", "Wait [so long]; it's \"quoted\", a\\b|c.").aliases(&["sample-pause"]),
            text("sample-mode", "fast|slow", "How to do it.").unsupported("use sample-flag"),
            optional_text("sample-file", "FILE", "What to read. The rest is more.").short('8'),
            list("sample-dirs", "DIR", "Where to look.").no_effect("it looks everywhere"),
            flag("sample-later", "Do it later.").missing("start it at once"),
            flag("sample-often", "Do it often.").argument(Argument::Optional),
            flag("sample-must", "Do it or not.").argument(Argument::Required),
        ],
    );

    /// The server's table and these rows, which are all of their section.
    pub(super) fn registry() -> Registry {
        Registry::new(&[ROWS])
    }

    /// One of these rows, or of the server's.
    pub(super) fn row(name: &str) -> &'static OptionRow {
        registry().find(name).expect("the row of a test is there")
    }
}
