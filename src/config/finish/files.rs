//! Static files: maps, expiry, compressed files.

use std::path::PathBuf;
use std::time::Duration;

use regex::Regex;

use super::SECONDS_MAX;
use crate::config::Directive;
use crate::config::model::files::{Coding, Expires, Gzip, Map, Sender, StaticFiles, Subject};
use crate::config::values::Values;

const EXPIRES: [(&str, Subject, bool); 8] = [
    ("static-expires", Subject::File, false),
    ("static-expires-mtime", Subject::File, true),
    ("static-expires-uri", Subject::Uri, false),
    ("static-expires-uri-mtime", Subject::Uri, true),
    ("static-expires-path-info", Subject::PathInfo, false),
    ("static-expires-path-info-mtime", Subject::PathInfo, true),
    ("static-expires-type", Subject::Type, false),
    ("static-expires-type-mtime", Subject::Type, true),
];

pub(super) fn static_files(values: &mut Values<'_>) -> StaticFiles {
    let mut maps = maps(values, "static-map", false);
    maps.extend(self::maps(values, "static-map2", true));
    StaticFiles {
        checks: texts(values, "check-static").into_iter().map(PathBuf::from).collect(),
        docroot: values.flag("check-static-docroot"),
        maps,
        index: texts(values, "static-index"),
        skip: texts(values, "static-skip-ext"),
        safe: texts(values, "static-safe").into_iter().map(PathBuf::from).collect(),
        expires: EXPIRES.iter().flat_map(|kind| expires(values, *kind)).collect(),
        gzip: Gzip {
            all: values.flag("static-gzip-all"),
            patterns: patterns(values, "static-gzip"),
            directories: texts(values, "static-gzip-dir"),
            suffixes: texts(values, "static-gzip-ext"),
        },
        codings: codings(values),
        mime_files: texts(values, "mime-file").into_iter().map(PathBuf::from).collect(),
        internal: self::maps(values, "static-internal", false),
        sender: sender(values),
    }
}

fn texts(values: &Values<'_>, name: &str) -> Vec<String> {
    values.all(name).iter().map(|directive| directive.text().to_owned()).collect()
}

fn maps(values: &mut Values<'_>, name: &str, whole: bool) -> Vec<Map> {
    let mut maps = Vec::new();
    for directive in values.all(name).to_vec() {
        let parts = directive.text().split_once('=');
        match parts.filter(|(mount, path)| mount.starts_with('/') && !path.is_empty()) {
            Some((mount, path)) => maps.push(Map {
                mount: mount.trim_end_matches('/').to_owned(),
                path: PathBuf::from(path),
                whole,
            }),
            None => values.error(
                directive,
                "no map; accepted: /MOUNT=PATH, with a directory, or for static-map a file",
            ),
        }
    }
    maps
}

/// uWSGI serves the file itself where it does not know the word, and nobody notices.
fn sender(values: &mut Values<'_>) -> Sender {
    const NAMES: [(&str, &str); 3] = [
        ("nginx", "X-Accel-Redirect"),
        ("x-accel-redirect", "X-Accel-Redirect"),
        ("x-sendfile", "X-Sendfile"),
    ];
    let Some(directive) = values.last("file-serve-mode") else { return Sender::Own };
    let name = directive.text();
    match NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((_, header)) => Sender::Front(header),
        None => {
            let text = "no way to send files; accepted: nginx, x-accel-redirect, x-sendfile";
            values.error(directive, text);
            Sender::Own
        }
    }
}

fn pattern(values: &mut Values<'_>, directive: &Directive, text: &str) -> Option<Regex> {
    match Regex::new(text) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            values.error(directive, format!("{text:?} is no regular expression: {error}"));
            None
        }
    }
}

fn patterns(values: &mut Values<'_>, name: &str) -> Vec<Regex> {
    let directives = values.all(name).to_vec();
    let pattern = |directive: &Directive| pattern(values, directive, directive.text());
    directives.into_iter().filter_map(pattern).collect()
}

fn expires(values: &mut Values<'_>, kind: (&str, Subject, bool)) -> Vec<Expires> {
    let (name, subject, since_change) = kind;
    let by_type = subject == Subject::Type;
    let mut found = Vec::new();
    for directive in values.all(name).to_vec() {
        let text = directive.text();
        // uWSGI takes a blank or an equals sign.
        let parts = text.rsplit_once([' ', '=']);
        let parts = parts.and_then(|(what, seconds)| Some((what.trim(), seconds.parse().ok()?)));
        let parts = parts.filter(|(what, seconds)| !what.is_empty() && *seconds <= SECONDS_MAX);
        let Some((what, seconds)) = parts else {
            let accepted = if by_type { "TYPE=SECONDS" } else { "REGEX SECONDS" };
            values.error(directive, format!("no time of expiry; accepted: {accepted}"));
            continue;
        };
        let whole = if by_type { format!("^{}$", regex::escape(what)) } else { what.to_owned() };
        if let Some(pattern) = pattern(values, directive, &whole) {
            let after = Duration::from_secs(seconds);
            found.push(Expires { subject, pattern, after, since_change });
        }
    }
    found
}

fn codings(values: &mut Values<'_>) -> Vec<Coding> {
    let mut codings = Vec::new();
    for directive in values.all("static-precompressed").to_vec() {
        for word in directive.text().split(',').map(str::trim) {
            match Coding::ALL.into_iter().find(|coding| coding.suffix()[1..] == *word) {
                Some(coding) => codings.push(coding),
                None => {
                    values.error(directive, format!("{word:?} is no coding; accepted: br, zst, gz"))
                }
            }
        }
    }
    codings
}
