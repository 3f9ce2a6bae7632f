//! PAM sessions.

use uwsgi_plugin_api::option::{chapter, text};
use uwsgi_plugin_api::{OptionRow, Section};

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Isolation,
    [
        text("pam", "SERVICE",
            "Open a session of this PAM service for the user before privileges are dropped.").extra()
            .unsupported("let systemd open the session (PAMName= and User= in the service)"),
        text("pam-user", "USER",
            "User that the session of pam is for, where it is not that of uid.").extra()
            .unsupported("let systemd open the session (PAMName= and User= in the service)"),
    ],
);
