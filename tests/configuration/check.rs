//! `uwsgi check` and `uwsgi explain`, as a user runs them.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

/// Runs the server's program in a folder with this file as `app.ini`.
fn uwsgi(args: &[&str], text: &str) -> (String, i32) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.ini");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_uwsgi"))
        .args(args)
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    (String::from_utf8(output.stdout).unwrap(), output.status.code().unwrap())
}

const TEN_MISTAKES: &str = "\
[uwsgi]
sokcet = 127.0.0.1:3031
processes = \"4\"
buffer-size = 32k
master = false # for now
chmod-socket = 6600
harakiri = -5
log-date = %Y-%m-%d
chdir = %(base)/app
threads = 2
threads = 4
uwsgi-socket = 0.0.0.0:3032
if-env = STAGING
logto = /no/such/folder/app.log
";

/// Line and begin of the message of each planted mistake.
const PLANTED: [(u64, &str, &str); 11] = [
    (2, "warning", "unknown option (did you mean socket?)"),
    (3, "warning", "is read as 0: quotes are part of the value; write 4"),
    (4, "warning", "is read as 32: units are not understood here; write 32768"),
    (5, "warning", "is read as true"),
    (6, "error", "invalid chmod value"),
    (7, "error", "must be > 0"),
    (8, "warning", "%Y is no variable and is replaced by nothing"),
    (9, "warning", "%(base) stays as it is"),
    (10, "warning", "has no effect: threads is given again in line 11"),
    (12, "warning", "the uwsgi protocol is open to every network"),
    (13, "warning", "the block is never closed"),
];

#[test]
fn planted_mistakes_are_found_at_their_lines() {
    let (text, status) = uwsgi(&["check", "--format", "json", "app.ini"], TEN_MISTAKES);
    assert_eq!(status, 2, "{text}");
    let report: serde_json::Value = serde_json::from_str(&text).unwrap();
    let problems = report["problems"].as_array().unwrap();
    for (line, severity, begin) in PLANTED {
        let found = problems.iter().any(|problem| {
            problem["line"] == line
                && problem["severity"] == severity
                && problem["message"].as_str().unwrap().starts_with(begin)
        });
        assert!(found, "line {line}: {begin}\n{text}");
    }
}

#[test]
fn the_caret_stands_below_the_value() {
    let (text, status) = uwsgi(&["check", "app.ini"], "[uwsgi]\n  processes = \"4\"\n");
    let expected =
        "app.ini:2:15: warning: processes: is read as 0: quotes are part of the value; write 4\n";
    assert!(text.contains(expected), "{text}");
    assert!(text.contains("    processes = \"4\"\n                ^^^\n"), "{text}");
    assert_eq!(status, 2, "processes = 0 is an error too: {text}");
}

const GOOD: &str = "\
[uwsgi]
socket = 127.0.0.1:0
master = true
processes = 2
die-on-term = true
need-app = true
harakiri = 30
buffer-size = 32768
vacuum = true
uid = 65534
gid = 65534
";

#[test]
fn a_good_file_has_nothing_to_say_and_exit_status_0() {
    let (text, status) = uwsgi(&["check", "app.ini"], GOOD);
    assert_eq!((text.as_str(), status), ("0 errors, 0 warnings, 0 hints\n", 0));
}

#[test]
fn variables_of_a_format_are_no_placeholders() {
    let text = format!("{GOOD}log-format = %(method) %(uri)\nchdir = %(nope)\n");
    let (text, _) = uwsgi(&["check", "app.ini"], &text);
    assert!(text.contains("%(nope) stays as it is") && !text.contains("%(method) stays"), "{text}");
}

#[test]
fn the_grade_decides_the_exit_status() {
    let hint = GOOD.replace("harakiri = 30\n", "");
    assert_eq!(uwsgi(&["check", "app.ini"], &hint).1, 0);
    let warning = GOOD.replace("die-on-term = true\n", "");
    assert_eq!(uwsgi(&["check", "app.ini"], &warning).1, 1);
    let error = format!("{GOOD}processes = -1\n");
    assert_eq!(uwsgi(&["check", "app.ini"], &error).1, 2);
}

#[test]
fn what_only_others_can_see_is_found_too() {
    let (text, status) = uwsgi(&["check", "app.ini"], &format!("{GOOD}mount = nothing\n"));
    assert_eq!(status, 2, "{text}");
    assert!(text.starts_with("app.ini: error: "), "{text}");
    let (text, status) = uwsgi(&["check", "app.ini:nope"], GOOD);
    assert!(text.contains("there is no section nope in app.ini"), "{text}");
    assert_eq!(status, 1, "{text}");
}

#[test]
fn options_beside_the_file_count() {
    let (text, status) = uwsgi(&["check", "app.ini", "--harakiri", "-1"], GOOD);
    assert!(text.contains("--harakiri -1: error: harakiri: must be > 0"), "{text}");
    assert_eq!(status, 2);
}

#[test]
fn a_file_is_explained_in_plain_words() {
    let (text, status) = uwsgi(&["explain", "app.ini"], GOOD);
    assert_eq!(status, 0);
    for part in [
        "serves the uwsgi protocol on 127.0.0.1:0",
        "runs 2 processes: as many requests at a time, watched by a master that replaces what dies",
        "ends a request after 30 seconds",
        "stops on SIGINT and SIGTERM",
        "\napp.ini\n   2  socket = 127.0.0.1:0\n",
        "   7  harakiri = 30\n      Longest time of a request",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn an_option_is_explained_by_name_alias_and_letter() {
    for word in ["processes", "--workers", "-p"] {
        let (text, status) = uwsgi(&["explain", word], "");
        assert_eq!(status, 0, "{word}");
        assert!(text.contains("Number of worker processes"), "{word}: {text}");
    }
}

#[test]
fn who_lets_others_load_applications_is_told_with_a_caret() {
    let text = "\
[uwsgi]
socket = /run/app.sock
chmod-socket = 666
dynamic-apps-from = unix, 10.0.0.0/8, user:no_such_user
";
    let (found, status) = uwsgi(&["check", "app.ini"], text);
    assert_eq!(status, 2, "{found}");
    for expected in [
        "app.ini:3:16: warning: chmod-socket: every local user may write to the socket and so have any Python code loaded",
        "chmod-socket = 666\n",
        "app.ini:4:21: error: dynamic-apps-from: user:no_such_user is no user of this machine; accepted: ",
        "app.ini:4:21: warning: dynamic-apps-from: peers of other machines may have any Python code loaded",
    ] {
        assert!(found.contains(expected), "{expected:?} is missing in {found}");
    }
    let safe = text.replace(", 10.0.0.0/8, user:no_such_user", "\ndynamic-apps-root = /");
    let (found, _) = uwsgi(&["check", "app.ini"], &safe);
    assert!(!found.contains("Python code"), "{found}");
}

const SITES: &str = "\
[uwsgi]
socket = 0.0.0.0:9090
vhost = true
app-isolation = process
site-option = harakiri = 20
site-option = a.example:threads = 4
dynamic-apps-from = 127.0.0.1
dynamic-apps-root = /
max-sites = 100
";

#[test]
fn contradictions_of_sites_are_found_at_their_lines() {
    for (change, expected) in [
        (
            "",
            "app.ini: error: app-isolation = process: only a master starts the processes of sites; add master",
        ),
        (
            "",
            "app.ini:6:15: warning: site-option: has no effect: without a master nobody starts processes for sites",
        ),
        (
            "dynamic-apps = false",
            "app.ini:7:21: warning: dynamic-apps-from: has no effect: app.ini:10: dynamic-apps: no request has an application loaded",
        ),
        (
            "dynamic-apps = false",
            "app.ini:8:21: warning: dynamic-apps-root: has no effect: app.ini:10: ",
        ),
        ("dynamic-apps = false", "app.ini:5:15: warning: site-option: has no effect: app.ini:10: "),
        (
            "dynamic-apps = false",
            "app.ini:4:17: warning: app-isolation: has no effect: app.ini:10: ",
        ),
        (
            "single-interpreter = true",
            "app.ini:10:22: warning: single-interpreter: contradicts app.ini:4: app-isolation: ",
        ),
    ] {
        let (found, status) = uwsgi(&["check", "app.ini"], &format!("{SITES}{change}\n"));
        assert!(found.contains(expected), "{expected:?} is missing in {found}");
        assert_eq!(status, 2, "{found}");
    }
    let (found, status) = uwsgi(&["check", "app.ini"], &format!("{SITES}master = true\n"));
    assert_eq!(status, 1, "{found}");
    for word in ["effect", "contradicts", "nobody"] {
        assert!(!found.contains(word), "{found}");
    }
}

#[test]
fn sites_are_explained_in_plain_words() {
    let explained = |text: &str| uwsgi(&["explain", "app.ini"], text).0;
    let text = explained(SITES);
    for part in [
        "  - runs no application but those that requests name: others are answered with 500\n",
        "  - chooses applications by the host of a request as well as by its path\n",
        "  - loads applications that requests of 127.0.0.1 name by UWSGI_SCRIPT and its like, from below /; answers others that do with 403\n",
        "  - runs each of them in processes of its own, with its own Python, user and limits: they start with its first request, and end when it is idle\n",
        "  - gives processes of all sites harakiri = 20\n",
        "  - gives processes of sites of a.example threads = 4\n",
        "  - counts up to 100 sites apart\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let text = explained("[uwsgi]\nsocket = :9090\nvhost-host = true\nsingle-interpreter = true\n");
    assert!(text.contains("by the Host header of a request"), "{text}");
    assert!(text.contains("requests of peers of this machine name by"), "{text}");
    assert!(text.contains("runs all of them in one interpreter"), "{text}");
    let text = explained("[uwsgi]\nsocket = :9090\nmodule = app\ndynamic-apps = false\n");
    assert!(text.contains("  - loads no application that a request names\n"), "{text}");
    let text = explained("[uwsgi]\nhttp-socket = :9090\nmodule = app\n");
    assert!(!text.contains("UWSGI_SCRIPT and") && !text.contains("sites apart"), "{text}");
}

#[test]
fn clusters_that_are_open_or_do_nothing_are_found() {
    let check = |text: &str| {
        let text = format!("[uwsgi]\nhttp-socket = 127.0.0.1:9090\nmodule = app\n{text}");
        uwsgi(&["check", "app.ini"], &text).0
    };
    const GROUP: &str = "cluster = 225.1.1.1:1717\n";
    const SECRET: &str = "cluster-secret = hidden from all\n";
    for (text, expected) in [
        (
            format!("{GROUP}{SECRET}"),
            "app.ini:5:1: warning: cluster-secret: everybody on this machine may read it",
        ),
        (
            format!("{GROUP}cluster-compat = true\n"),
            "app.ini:5:18: warning: cluster-compat: nothing is signed: everybody who reaches the group",
        ),
        (
            format!("{GROUP}cluster-compat = true\ncluster-quorum = 2\n"),
            "app.ini:6:18: warning: cluster-quorum: has no effect: app.ini:5: cluster-compat: ",
        ),
        (
            format!("{GROUP}{SECRET}cluster-nodes = 225.1.1.2:1717\n"),
            "app.ini:6:17: warning: cluster-nodes: has no effect: app.ini:4: cluster joins a cluster",
        ),
        (
            format!("{GROUP}{SECRET}cluster-state = /no/such/folder/state\n"),
            "app.ini:6:17: warning: cluster-state: there is no folder /no/such/folder on this machine",
        ),
        (
            "cluster-seed = 10.0.0.1\n".to_owned(),
            "app.ini:4:16: warning: cluster-seed: has no effect: no cluster is named; accepted: cluster = GROUP:PORT",
        ),
    ] {
        let found = check(&text);
        assert!(found.contains(expected), "{expected:?} is missing in {found}");
    }
    let found = check(&format!("{GROUP}cluster-secret-file = app.ini\ncluster-compat = false\n"));
    assert!(!found.contains("warning: cluster"), "{found}");
}
