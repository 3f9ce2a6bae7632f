//! What the server cannot do is said in one line, with exit status 1.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::setup::{app, original};
use crate::support::{Setup, Wire};

/// Expects the server to end with status 1 and a line with all of `words`.
#[track_caller]
fn refused(setup: Setup, words: &[&str]) {
    let (status, log) = setup.run();
    assert_eq!(status.code(), Some(1), "{log}");
    if original() {
        return; // its texts are for C programmers
    }
    let mut lines = log.lines();
    let told = lines.any(|line| words.iter().all(|word| line.contains(word)));
    assert!(told, "a line with {words:?} in:\n{log}");
}

fn probe(args: &[&str]) -> Setup {
    let setup =
        Setup::new(Wire::Http).args(["--wsgi-file".into(), app("probe.py").into_os_string()]);
    setup.args(args.iter().copied())
}

#[test]
fn port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(probe(&["--http-socket", &address]), &["--http-socket", &address, "in use"]);
}

#[test]
fn unix_socket_in_use_is_not_stolen() {
    ours_only!("it replaces the socket of a running server");
    let setup = probe(&["-s"]);
    let path = setup.path("used.sock");
    let _taken = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let text = path.display().to_string();
    refused(setup.arg(&path), &[&text, "in use"]);
}

#[test]
fn missing_directory() {
    refused(
        probe(&["-s", "/nonexistent/dir/app.sock"]),
        &["/nonexistent/dir/app.sock", "directory"],
    );
}

#[test]
fn address_of_another_machine() {
    refused(probe(&["-s", "203.0.113.7:9090"]), &["203.0.113.7:9090", "address"]);
}

#[test]
fn port_out_of_range() {
    ours_only!("it wraps the number around");
    refused(probe(&["-s", "127.0.0.1:99999"]), &["127.0.0.1:99999", "port"]);
}

#[test]
fn name_that_does_not_resolve() {
    ours_only!("it binds some other address");
    refused(probe(&["-s", "no-such-host.invalid:9090"]), &["no-such-host.invalid"]);
}

#[test]
fn privileged_port() {
    needs!(!nix::unistd::geteuid().is_root(), "root may bind every port");
    refused(probe(&["-s", "127.0.0.1:81"]), &["127.0.0.1:81", "ermission"]);
}

#[test]
fn directory_without_permission() {
    needs!(!nix::unistd::geteuid().is_root(), "root may write everywhere");
    let setup = probe(&["-s"]).file("closed/x", "");
    let folder = setup.path("closed");
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    refused(setup.arg(folder.join("a.sock")), &["a.sock", "ermission"]);
}

#[test]
fn a_plain_file_in_the_place_of_the_socket() {
    ours_only!("it deletes the file");
    let setup = probe(&["-s"]).file("data.txt", "precious");
    let path = setup.path("data.txt");
    let text = path.display().to_string();
    let (status, log) = setup.arg(&path).run();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains(&text), "{log}");
}

#[test]
fn nothing_to_serve() {
    let (status, log) = probe(&[]).run();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("-s/--socket"), "{log}");
}

#[test]
fn descriptor_that_is_not_a_socket() {
    ours_only!("it starts and serves nothing");
    refused(probe(&["-s", "fd://9"]).shell("exec 9</dev/null"), &["fd://9"]);
}

#[test]
fn unknown_option_is_named() {
    refused(probe(&["--procesess", "2"]), &["procesess"]);
}

#[test]
fn unknown_option_gets_a_suggestion() {
    ours_only!("it has no suggestions");
    let (_, log) = probe(&["--procesess", "2"]).run();
    assert!(log.contains("processes"), "{log}");
}

#[test]
fn value_out_of_range() {
    refused(probe(&["--http-socket", "127.0.0.1:0", "--processes=-1"]), &["processes", "-1"]);
}

#[test]
fn bad_socket_mode() {
    refused(probe(&["--http-socket", "127.0.0.1:0", "--chmod-socket=9"]), &["chmod-socket", "9"]);
}

#[test]
fn backlog_over_the_system_limit() {
    refused(probe(&["--http-socket", "127.0.0.1:0", "--listen", "1000000"]), &["somaxconn"]);
}

#[test]
fn unknown_user() {
    needs!(nix::unistd::geteuid().is_root(), "only root changes its user");
    refused(probe(&["--http-socket", "127.0.0.1:0", "--uid", "no-such-user"]), &["no-such-user"]);
}

#[test]
fn unknown_group() {
    needs!(nix::unistd::geteuid().is_root(), "only root changes its group");
    refused(probe(&["--http-socket", "127.0.0.1:0", "--gid", "no-such-group"]), &["no-such-group"]);
}

#[test]
fn missing_chdir() {
    refused(probe(&["--http-socket", "127.0.0.1:0", "--chdir", "/nonexistent"]), &["/nonexistent"]);
}

#[test]
fn missing_configuration_file() {
    refused(probe(&["--ini", "/nonexistent.ini"]), &["/nonexistent.ini"]);
}

#[test]
fn log_file_that_cannot_be_written() {
    refused(
        probe(&["--http-socket", "127.0.0.1:0", "--logto", "/nonexistent/x.log"]),
        &["/nonexistent/x.log"],
    );
}

#[test]
fn strict_refuses_unknown_keys_of_files() {
    let ini = "[uwsgi]\nstrict = true\nhttp-socket = 127.0.0.1:0\nprocesess = 2\n";
    refused(Setup::new(Wire::Http).file("app.ini", ini).args(["--ini", "app.ini"]), &["procesess"]);
}
