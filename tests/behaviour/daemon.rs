//! Files, user and directories of the process.

use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;

use crate::support::setup::app;
use crate::support::{
    Address, Connection, Request, Server, Setup, Wire, eventually, process, python,
};

fn read(server: &Server, name: &str) -> String {
    std::fs::read_to_string(server.path(name)).unwrap_or_default()
}

#[test]
fn pidfile_names_the_master() {
    for option in ["--pidfile", "--safe-pidfile", "--pidfile2"] {
        let server = Setup::uwsgi().master(1).args([option, "s.pid"]).start();
        eventually("the pidfile", || read(&server, "s.pid") == format!("{}\n", server.pid()));
    }
}

#[test]
fn vacuum_removes_what_was_made() {
    let setup = Setup::uwsgi();
    let socket = setup.path("v.sock");
    let setup = setup.arg("-s").arg(&socket).args(["--vacuum", "--pidfile", "v.pid"]);
    let mut server = setup.master(1).start();
    assert!(socket.exists() && server.path("v.pid").exists());
    server.stop();
    assert!(!socket.exists() && !server.path("v.pid").exists());
}

#[test]
fn files_stay_without_vacuum() {
    let setup = Setup::uwsgi();
    let socket = setup.path("n.sock");
    let mut server = setup.arg("-s").arg(&socket).master(1).start();
    server.stop();
    assert!(socket.exists());
}

#[test]
fn vacuum_leaves_a_socket_that_is_no_longer_ours() {
    let setup = Setup::uwsgi();
    let socket = setup.path("x.sock");
    let mut server = setup.arg("-s").arg(&socket).arg("--vacuum").master(1).start();
    std::fs::remove_file(&socket).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    server.stop();
    assert!(socket.exists());
}

#[test]
fn logto_takes_all_lines() {
    let server = Setup::uwsgi().args(["--logto", "out.log"]).launch();
    eventually("the worker's line in the file", || {
        read(&server, "out.log").contains("spawned uWSGI worker 1")
    });
    let address = address_in(&read(&server, "out.log"));
    let mut connection = Connection::open(&address);
    connection.send(Request::get("/log").to_packet());
    assert_eq!(connection.answer(false).text(), "logged");
    eventually("the request in the file", || {
        let text = read(&server, "out.log");
        text.contains("printed to stdout") && text.contains("GET /log => generated 6 bytes")
    });
    let mode = std::fs::metadata(server.path("out.log")).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "others do not read the log");
}

/// The address of socket 0 in a log.
#[track_caller]
fn address_in(log: &str) -> Address {
    let line = log.lines().find(|line| line.contains("uwsgi socket 0 bound to TCP address "));
    let (_, rest) =
        line.and_then(|line| line.split_once(" address ")).expect("a bound address in the log");
    Address::parse(rest.rsplit_once(" fd ").expect("a descriptor after it").0)
}

#[test]
fn daemon_leaves_the_terminal_and_serves() {
    let setup = Setup::uwsgi().master(1).args(["--daemonize", "d.log", "--pidfile", "d.pid"]);
    let mut server = setup.launch();
    assert_eq!(server.wait().code(), Some(0), "{}", server.log.text());
    eventually("the worker's line in the file", || {
        read(&server, "d.log").contains("spawned uWSGI worker 1")
    });
    let pid = read(&server, "d.pid").trim().parse::<i32>().unwrap();
    let guard = process::Daemon(pid);
    assert_ne!(pid, server.pid());
    assert!(read(&server, "d.log").contains(&format!("spawned uWSGI master process (pid: {pid})")));
    let mut connection = Connection::open(&address_in(&read(&server, "d.log")));
    connection.send(Request::get("/hello").to_packet());
    assert_eq!(connection.answer(false).text(), "hello");
    process::send(pid, Signal::SIGINT);
    eventually("the end of the daemon", || !process::alive(pid));
    drop(guard);
}

#[test]
fn user_and_group_are_changed() {
    needs!(nix::unistd::geteuid().is_root(), "only root changes its user");
    needs!(python::public(), "this Python is readable by its owner only");
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let code = std::fs::read_to_string(app("probe.py")).unwrap();
    for names in [["nobody", "nogroup"], ["65534", "65534"]] {
        let setup = Setup::new(Wire::Uwsgi).file("probe.py", &code).args(["-s", "127.0.0.1:0"]);
        let server = setup
            .args(["--wsgi-file", "probe.py", "--uid", names[0], "--gid", names[1]])
            .public_python()
            .master(2)
            .start();
        let answer = server.get("/where");
        assert_eq!(answer.line("uid"), nobody.uid.to_string());
        assert_eq!(answer.line("gid"), nobody.gid.to_string());
        let groups = process::status_line(server.worker(1), "Groups").unwrap();
        assert!(
            groups.split_whitespace().all(|group| group == "65534"),
            "groups of root are left: {groups}"
        );
        let user = process::status_line(server.pid(), "Uid").unwrap();
        assert!(user.split_whitespace().all(|id| id == "65534"), "the master too: {user}");
    }
}

#[test]
fn sockets_are_made_before_the_user_changes() {
    needs!(nix::unistd::geteuid().is_root(), "only root changes its user");
    needs!(python::public(), "this Python is readable by its owner only");
    let setup = Setup::new(Wire::Uwsgi);
    let socket = setup.path("root.sock");
    std::fs::set_permissions(setup.path(""), std::fs::Permissions::from_mode(0o755)).unwrap();
    let args = ["--uid", "nobody", "--gid", "nogroup", "--chown-socket", "nobody:nogroup"];
    let server = setup.arg("-s").arg(&socket).args(args).public_python().master(1).start();
    let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&socket).unwrap());
    assert_eq!(owner, nix::unistd::User::from_name("nobody").unwrap().unwrap().uid.as_raw());
    drop(server);
}

#[test]
fn chdir_changes_the_directory() {
    let server = Setup::uwsgi().args(["--chdir", "/usr"]).start();
    assert_eq!(server.get("/where").line("cwd"), "/usr");
}

#[test]
fn umask_is_set() {
    let server = Setup::uwsgi().args(["--umask", "027", "--chmod-socket=600"]).start();
    assert_eq!(process::status_line(server.worker(1), "Umask").as_deref(), Some("0027"));
}

#[test]
fn descriptors_are_not_leaked_to_children_of_the_application() {
    ours_only!("it leaves its sockets open for them");
    let code = "import subprocess, sys\ndef application(e, s):\n    s('200 OK', [])\n    \
                return [subprocess.check_output(['ls', '-l', '/proc/self/fd'], close_fds=False)]\n";
    let setup = Setup::new(Wire::Uwsgi).file("fds.py", code);
    let server = setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "fds.py"]).master(1).start();
    let listing = server.get("/").text();
    assert!(!listing.contains("socket:") && !listing.contains("eventpoll"), "{listing}");
}

fn title(pid: i32) -> String {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned()
}

#[test]
fn process_names_are_set_when_asked() {
    for (args, master, worker) in [
        (vec!["--auto-procname"], "uWSGI master", "uWSGI worker 1"),
        (vec!["--procname-prefix", "web "], "web uWSGI master", "web uWSGI worker 1"),
        (vec!["--procname", "web"], "web", "web"),
        (
            vec!["--procname-master", "top", "--procname-append", " (web)"],
            "top (web)",
            "uWSGI worker 1 (web)",
        ),
        (vec!["--procname", "web", "--procname-master", "top"], "top", "web"),
    ] {
        let server = Setup::uwsgi().master(1).args(args).start();
        eventually("the titles", || {
            title(server.pid()) == master && title(server.worker(1)) == worker
        });
    }
}
