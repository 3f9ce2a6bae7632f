//! Options that ask something, as a user runs them.

use std::process::{Command, Output};

fn uwsgi(args: &[&str], files: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_uwsgi"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.args(args).current_dir(folder.path()).env_clear().env("PATH", path);
    command.output().unwrap()
}

#[track_caller]
fn answered(args: &[&str], files: &[(&str, &str)]) -> String {
    let output = uwsgi(args, files);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn log(args: &[&str], files: &[(&str, &str)]) -> String {
    String::from_utf8(uwsgi(args, files).stderr).unwrap()
}

#[test]
fn get_prints_first_values_in_the_order_of_asking() {
    let file = ("a.ini", "[uwsgi]\na = 1\na = 2\nb =\nc = %(a)x\nmaster = true\nget = c\n");
    let args = ["--ini", "a.ini", "--get", "a", "--get", "nope", "--get", "b", "--get", "master"];
    assert_eq!(answered(&args, &[file]), "1x\n1\n\ntrue\n");
}

#[test]
fn help_is_short_by_section_and_of_one_option() {
    assert!(answered(&["--help"], &[]).contains("uwsgi explain"));
    let section = answered(&["--help", "limits"], &[]);
    assert!(section.contains("--buffer-size") || section.contains("--limit-post"), "{section}");
    assert!(answered(&["--help=processes"], &[]).contains("--processes"));
    let output = uwsgi(&["--help", "no-such-thing"], &[]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        said.contains("there is no help for no-such-thing; accepted: an option, all"),
        "{said}"
    );
}

/// Some sections are called like one of their options, which dashes tell apart.
#[test]
fn explain_tells_options_and_sections_apart() {
    for (word, begin) in
        [("--http", "--http"), ("-s", "--socket"), ("s", "--socket"), ("harakiri", "--harakiri")]
    {
        let text = answered(&["explain", word], &[]);
        assert!(text.starts_with(&format!("{begin} ")), "{word}: {text}");
    }
    let section = answered(&["explain", "http"], &[]);
    assert!(!section.starts_with("--") && section.contains("--http-keepalive"), "{section}");
    assert_eq!(
        uwsgi(&["explain", "--logging"], &[]).status.code(),
        Some(1),
        "it is only a section"
    );
}

#[test]
fn dump_options_names_every_option() {
    let names = answered(&["--dump-options"], &[]);
    assert!(names.lines().count() > 1300);
    assert!(names.lines().any(|name| name == "cheaper-busyness-backlog-alert"));
}

#[test]
fn python_version_is_that_of_the_interpreter() {
    let version = answered(&["--python-version"], &[]);
    let parts: Vec<_> = version.trim().split('.').collect();
    assert_eq!((parts.len(), parts[0]), (3, "3"), "{version}");
}

#[test]
fn python_version_knows_the_interpreters_folder_by_every_name() {
    let said = |option: &str| log(&[option, "/no/such/folder", "--python-version"], &[]);
    let expected = said("--home");
    assert!(expected.contains("/no/such/folder"), "{expected}");
    for option in ["--virtualenv", "-H", "--venv", "--pyhome"] {
        assert_eq!(said(option), expected, "{option}");
    }
}

#[test]
fn exit_ends_with_its_status() {
    assert_eq!(uwsgi(&["--exit=7"], &[]).status.code(), Some(7));
    assert_eq!(uwsgi(&["--exit"], &[]).status.code(), Some(1));
    let file = (
        "a.ini",
        "[uwsgi]\nif-env = NOPE\nexit = 3\nendif =\nif-not-env = NOPE\nexit = 4\nendif =\n",
    );
    assert_eq!(uwsgi(&["a.ini"], &[file]).status.code(), Some(4));
}

#[test]
fn print_and_plugins_list_write_to_the_log() {
    let file = ("a.ini", "[uwsgi]\na = 1\nprint = a is %(a)\niprint = at once\n");
    let text = log(&["--ini", "a.ini", "--plugins-list"], &[file]);
    let place = |line: &str| text.find(line).unwrap_or_else(|| panic!("{line}: {text}"));
    assert!(place("at once") < place("a is 1"));
    assert!(text.contains("0: python\n") && text.contains("--- end of plugins list ---"), "{text}");
}

#[test]
fn a_fallback_is_started_once() {
    let good = ("good.ini", "[uwsgi]\nprint = this is the fallback\nexit = 5\n");
    let bad = ("bad.ini", "[uwsgi]\nprocesses = -1\n");
    let output = uwsgi(&["--fallback-config", "good.ini", "--ini", "bad.ini"], &[good, bad]);
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let args = ["--fallback-config", "good.ini", "--http-socket", &address];
    let output = uwsgi(&args, &[good]);
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let itself = ("loop.ini", "[uwsgi]\nfallback-config = loop.ini\nprocesses = -1\n");
    let output = uwsgi(&["loop.ini"], &[itself]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("the fallback configuration cannot be served either"), "{text}");
}

#[test]
fn a_configuration_comes_over_http_and_from_a_command() {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for answer in [
            "200 OK\r\nContent-Length: 16\r\n\r\n[uwsgi]\na = far\n",
            "404 Not Found\r\nContent-Length: 0\r\n\r\n",
        ] {
            let (mut client, _) = listener.accept().unwrap();
            let mut head = [0; 4096];
            let _ = client.read(&mut head).unwrap();
            client.write_all(format!("HTTP/1.1 {answer}").as_bytes()).unwrap();
        }
    });
    let url = format!("http://{address}/a.ini");
    assert_eq!(answered(&["--ini", &url, "--get", "a"], &[]), "far\n");
    let refused = log(&["--ini", &url, "--get", "a"], &[]);
    assert!(refused.contains("404"), "{refused}");
    server.join().unwrap();
    let command = "exec://printf '[uwsgi]\\na = near\\n'";
    assert_eq!(answered(&["--ini", command, "--get", "a"], &[]), "near\n");
    let failed = log(&["--ini", "exec://echo '[uwsgi]'; exit 3", "--get", "a"], &[]);
    assert!(failed.contains("the command failed: exit status: 3"), "{failed}");
}
