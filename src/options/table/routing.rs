//! Rules that a request passes before the application, before the head of the answer, for errors, after the answer.

use uwsgi_plugin_api::Reload::Workers;
use uwsgi_plugin_api::option::{chapter, flag, list, text};
use uwsgi_plugin_api::{OptionRow, Section, Status};

const BEFORE: Status = Status::Unsupported(
    "let the front end do it (nginx: location, rewrite, return, auth_basic), or a WSGI middleware",
);
const ANSWER: Status = Status::Unsupported(
    "let the front end do it (nginx: add_header, uwsgi_hide_header), or a WSGI middleware",
);
const FAULT: Status = Status::Unsupported(
    "let the front end do it (nginx: error_page with uwsgi_intercept_errors on)",
);
const AFTER: Status = Status::Missing(
    "let the application do it in close() of the body it returns, or a program that reads the log",
);
const GEOIP: &str =
    "let the front end look the address up and pass the result (nginx: geoip2 with uwsgi_param)";

/// The rows of one chain; `"-status"` follows where there is an answer to look at.
macro_rules! chain {
    ($chain:literal, $when:literal $(, $status:literal)?) => {
        [
            chain!(rule $chain, "", "REGEX ACTION", $when, "where the path (PATH_INFO) matches"),
            chain!(rule $chain, "-uri", "REGEX ACTION", $when, "where REQUEST_URI matches"),
            chain!(rule $chain, "-qs", "REGEX ACTION", $when, "where the query string matches"),
            chain!(rule $chain, "-host", "REGEX ACTION", $when, "where the Host header matches"),
            chain!(rule $chain, "-remote-addr", "REGEX ACTION", $when, "where the client's address matches"),
            chain!(rule $chain, "-remote-user", "REGEX ACTION", $when, "where REMOTE_USER matches"),
            chain!(rule $chain, "-user-agent", "REGEX ACTION", $when, "where the User-Agent header matches"),
            chain!(rule $chain, "-referer", "REGEX ACTION", $when, "where the Referer header matches"),
            $(chain!(rule $chain, $status, "STATUS ACTION", $when, "where the answer has this status"),)?
            chain!(rule $chain, "-if", "CONDITION ACTION", $when, "where the condition holds (exists, equal, contains, ...)"),
            chain!(rule $chain, "-if-not", "CONDITION ACTION", $when, "where the condition does not hold"),
            chain!(rule $chain, "-run", "ACTION", $when, "whatever the request is"),
            list(concat!($chain, "route-label"), "NAME",
                concat!("Name this place among the rules that run ", $when, ", for the action goto.")).reload(Workers),
        ]
    };
    (rule $chain:literal, $subject:literal, $values:literal, $when:literal, $where:literal) => {
        list(concat!($chain, "route", $subject), $values,
            concat!("Run an action ", $when, ", ", $where, ".")).reload(Workers)
    };
}

/// The rows of one chain, none of which is there.
const fn absent<const N: usize>(status: Status, mut rows: [OptionRow; N]) -> [OptionRow; N] {
    let mut position = 0;
    while position < N {
        rows[position].status = status;
        position += 1;
    }
    chapter(Section::Routing, rows)
}

pub(super) const REQUEST: &[OptionRow] = &absent(BEFORE, chain!("", "before the application"));
pub(super) const RESPONSE: &[OptionRow] =
    &absent(ANSWER, chain!("response-", "before the head of the answer is sent", "-status"));
pub(super) const ERROR: &[OptionRow] =
    &absent(FAULT, chain!("error-", "when the server itself answers with an error", "-status"));
pub(super) const FINAL: &[OptionRow] =
    &absent(AFTER, chain!("final-", "after the answer is sent", "-status"));

#[rustfmt::skip] // a table
pub(super) const ROWS: &[OptionRow] = &chapter(
    Section::Routing,
    [
        list("error-page-403", "FILE",
            "HTML file that is the body of answers 403 of the server itself (clients that prefer JSON get a problem document); of several files the first that can be read counts.").reload(Workers),
        list("error-page-404", "FILE",
            "HTML file that is the body of answers 404 of the server itself (clients that prefer JSON get a problem document); of several files the first that can be read counts.").reload(Workers),
        list("error-page-500", "FILE",
            "HTML file that is the body of answers 500 of the server itself (clients that prefer JSON get a problem document); of several files the first that can be read counts.").reload(Workers),
        list("error-page", "STATUS[ STATUS] FILE",
            "HTML file that is the body of the server's own answers with these statuses, from 400 to 599.").reload(Workers).extra(),
        text("geoip-country", "FILE",
            "GeoIP database of countries for ${geoip[...]} in routing rules.").reload(Workers).extra()
            .missing(GEOIP),
        text("geoip-city", "FILE",
            "GeoIP database of cities for ${geoip[...]} in routing rules.").reload(Workers).extra()
            .missing(GEOIP),
        flag("geoip-use-disk",
            "Read the GeoIP databases from disk for each look-up instead of keeping them in memory.").reload(Workers).extra()
            .missing(GEOIP),
        flag("router-list",
            "List the actions that routing rules may name.").aliases(&["routers-list"])
            .no_effect("there are no routing rules, so that no action is listed"),
    ],
);
