//! Configuration kept in directories and databases instead of files.

use uwsgi_plugin_api::option::{chapter, flag, text};
use uwsgi_plugin_api::{OptionRow, Section};

const INI_ONLY: &str = "write the configuration as an ini file";
const SCHEMA: &str = "options are not read from LDAP; write the configuration as an ini file";

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Configuration,
    [
        text("sqlite3", "FILE:QUERY",
            "Read the configuration from an SQLite database; the query gives option and value.").aliases(&["sqlite"]).immediate().extra()
            .unsupported(INI_ONLY),
        text("ldap", "URL",
            "Read the configuration from an LDAP server.").immediate().extra()
            .unsupported(INI_ONLY),
        flag("ldap-schema",
            "Print the LDAP schema of the options and exit.").immediate().extra()
            .unsupported(SCHEMA),
        flag("ldap-schema-ldif",
            "Print the LDAP schema of the options in LDIF and exit.").immediate().extra()
            .unsupported(SCHEMA),
    ],
);
