//! Where the server listens.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};

use nix::sys::signal::Signal;

use crate::support::setup::app;
use crate::support::{Address, Connection, Request, Server, Setup, Wire};

/// Asks socket `number` of a server for `/hello` in its protocol.
#[track_caller]
fn hello(server: &Server, number: usize, wire: Wire) -> String {
    let mut connection = Connection::open(&server.address_of(number));
    connection.send(match wire {
        Wire::Http => Request::get("/hello").header("Connection", "close").to_http(),
        Wire::Uwsgi => Request::get("/hello").to_packet(),
    });
    let bytes = connection.rest();
    let answer = crate::support::Answer::whole(&bytes, false);
    answer
        .unwrap_or_else(|| panic!("socket {number}: {:?}", String::from_utf8_lossy(&bytes)))
        .text()
}

fn probe(setup: Setup) -> Setup {
    setup.args(["--wsgi-file".into(), app("probe.py").into_os_string()])
}

fn listener() -> (OwnedFd, Address) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = Address::Tcp(socket.local_addr().unwrap());
    (socket.into(), address)
}

#[test]
fn http_socket_answers() {
    assert_eq!(Server::http().get("/hello").text(), "hello");
}

#[test]
fn uwsgi_socket_answers() {
    assert_eq!(Server::uwsgi().get("/hello").text(), "hello");
}

#[test]
fn socket_forms_are_served_at_once() {
    let setup = Setup::new(Wire::Uwsgi);
    let path = setup.path("s.sock");
    let name = format!("uwsgi-test-{}", path.display());
    let setup = setup.args(["-s", ":0", "-s", "127.0.0.1:0", "--uwsgi-socket", "[::1]:0"]);
    let setup = setup.arg("--socket").arg(&path).args(["-s", &format!("@{name}")]);
    let server = probe(setup.args(["--http-socket", "127.0.0.1:0"])).start();
    for number in 0..5 {
        assert_eq!(hello(&server, number, Wire::Uwsgi), "hello", "socket {number}");
    }
    assert_eq!(hello(&server, 5, Wire::Http), "hello");
    assert_eq!(server.address_of(3), Address::Unix(path.clone()));
    assert_eq!(server.address_of(4), Address::Abstract(name));
    assert!(std::fs::metadata(path).unwrap().file_type().is_socket());
}

#[test]
fn automatic_port_is_printed() {
    let server = Server::http();
    assert_ne!(server.address().port(), 0);
    server.wait_for("uwsgi socket 0 bound to TCP address 127.0.0.1:<N><*> fd <N>");
}

#[test]
fn wildcard_ipv6_serves_loopback() {
    let server = probe(Setup::new(Wire::Uwsgi).args(["-s", "[::]:0"])).start();
    assert_eq!(hello(&server, 0, Wire::Uwsgi), "hello");
}

#[test]
fn http_option_serves_http() {
    ours_only!("its router prints port 0 as 0");
    let server = probe(Setup::new(Wire::Http).args(["--http", "127.0.0.1:0"])).start();
    assert_eq!(hello(&server, 0, Wire::Http), "hello");
}

#[test]
fn protocol_http_makes_plain_sockets_speak_http() {
    let server =
        probe(Setup::new(Wire::Http).args(["--protocol", "http", "-s", "127.0.0.1:0"])).start();
    assert_eq!(hello(&server, 0, Wire::Http), "hello");
}

#[test]
fn http_over_a_unix_socket() {
    let setup = Setup::new(Wire::Http);
    let path = setup.path("h.sock");
    let server = probe(setup.arg("--http-socket").arg(&path)).start();
    assert_eq!(hello(&server, 0, Wire::Http), "hello");
    assert_eq!(server.get("/environ").line("SERVER_PORT"), "'80'");
}

#[test]
fn socket_on_stdin_is_served() {
    let (fd, address) = listener();
    let server = probe(Setup::new(Wire::Uwsgi).stdin(fd)).start();
    assert_eq!(server.address(), address);
    assert_eq!(hello(&server, 0, Wire::Uwsgi), "hello");
}

#[test]
fn inherited_descriptor_is_served() {
    let (fd, address) = listener();
    let setup = Setup::new(Wire::Uwsgi).stdin(fd).shell("exec 7<&0 0</dev/null");
    let server = probe(setup.args(["--socket", "fd://7"])).start();
    let mut connection = Connection::open(&address);
    connection.send(Request::get("/hello").to_packet());
    assert!(String::from_utf8_lossy(&connection.rest()).ends_with("hello"));
    drop(server);
}

#[test]
fn systemd_sockets_are_served() {
    let (fd, address) = listener();
    let shell = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID";
    let server = probe(Setup::new(Wire::Uwsgi).stdin(fd).shell(shell)).start();
    let mut connection = Connection::open(&address);
    connection.send(Request::get("/getenv?LISTEN_FDS").to_packet());
    assert!(
        String::from_utf8_lossy(&connection.rest()).ends_with("unset"),
        "the variable is not passed on"
    );
    drop(server);
}

#[test]
fn systemd_sockets_survive_reloads() {
    ours_only!("the original does not find them again and ends");
    let (fd, address) = listener();
    let shell = "exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$; export LISTEN_FDS LISTEN_PID";
    let server = probe(Setup::new(Wire::Uwsgi).stdin(fd).shell(shell)).master(1).start();
    for _ in 0..2 {
        let mark = server.log.mark();
        server.signal(Signal::SIGHUP);
        server.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: <N>)");
        let mut connection = Connection::open(&address);
        connection.send(Request::get("/hello").to_packet());
        assert!(String::from_utf8_lossy(&connection.rest()).ends_with("hello"));
        assert!(!server.logged("uwsgi socket 1 <*>"), "one socket stays one");
    }
}

#[test]
fn sockets_of_another_process_are_left_alone() {
    let shell = "LISTEN_FDS=1 LISTEN_PID=1; export LISTEN_FDS LISTEN_PID";
    let server = Setup::http().shell(shell).start();
    assert_eq!(hello(&server, 0, Wire::Http), "hello");
}

#[test]
fn chmod_socket_sets_the_mode() {
    for (option, mode) in
        [("--chmod-socket=640", 0o640), ("--chmod-socket", 0o666), ("-C600", 0o600)]
    {
        let setup = Setup::new(Wire::Uwsgi);
        let path = setup.path("m.sock");
        let server = probe(setup.arg("-s").arg(&path).arg(option)).start();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            mode,
            "{option}"
        );
        assert_eq!(hello(&server, 0, Wire::Uwsgi), "hello");
    }
}

#[test]
fn chown_socket_sets_the_owner() {
    needs!(nix::unistd::geteuid().is_root(), "only root gives files away");
    let setup = Setup::new(Wire::Uwsgi);
    let path = setup.path("o.sock");
    let server =
        probe(setup.arg("-s").arg(&path).args(["--chown-socket", "nobody:nogroup"])).start();
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().uid(), nobody.uid.as_raw());
    drop(server);
}

#[test]
fn stale_unix_socket_is_replaced() {
    let setup = Setup::new(Wire::Uwsgi);
    let path = setup.path("stale.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let server = probe(setup.arg("-s").arg(&path)).start();
    assert_eq!(hello(&server, 0, Wire::Uwsgi), "hello");
}

#[test]
fn reuse_port_lets_two_servers_share_a_port() {
    // Holds the port without listening on it.
    let holder = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    holder.set_reuse_port(true).unwrap();
    holder.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    let address = holder.local_addr().unwrap().as_socket().unwrap().to_string();
    let start = || {
        let setup = Setup::new(Wire::Http).args(["--reuse-port", "--http-socket", &address]);
        probe(setup).start()
    };
    let (first, second) = (start(), start());
    assert_eq!(hello(&first, 0, Wire::Http), "hello");
    drop(first);
    assert_eq!(hello(&second, 0, Wire::Http), "hello");
}

#[test]
fn socket_options_of_tcp_are_accepted() {
    let server = Setup::http().args(["--so-keepalive", "--tcp-nodelay", "--listen", "64"]).start();
    server.wait_for("your server socket listen backlog is limited to 64 connections");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn abstract_socket_option_makes_paths_abstract() {
    let setup = Setup::new(Wire::Uwsgi);
    let path = setup.path("abstract.sock");
    let server = probe(setup.arg("--abstract-socket").arg("-s").arg(&path)).start();
    assert!(!path.exists());
    let address = Address::Abstract(path.display().to_string());
    let mut connection = Connection::open(&address);
    connection.send(Request::get("/hello").to_packet());
    assert!(String::from_utf8_lossy(&connection.rest()).ends_with("hello"));
    drop(server);
}
