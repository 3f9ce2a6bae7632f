//! Sockets as users see them: real ones, on free ports and in folders of their own.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::IntoRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use super::*;
use crate::config::{Source, load};
use crate::options::Registry;
use crate::sys::machine::Machine;

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("uwsgi-listen-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("folder is made");
        Self(path)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("path is UTF-8").to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // best effort, the folder is temporary
    }
}

fn config(args: &[&str]) -> Config {
    let loaded = load(&Registry::new(&[]), &Source::of_args(args), &Machine::detect());
    loaded.expect("configuration is good").config
}

fn opened(args: &[&str]) -> Vec<Socket> {
    bind_all(&config(args), Inheritance::default()).expect("sockets open")
}

fn refused(args: &[&str]) -> String {
    bind_all(&config(args), Inheritance::default()).expect_err("sockets do not open").to_string()
}

fn port(socket: &Socket) -> u16 {
    socket.info.name.rsplit_once(':').expect("a TCP name has a port").1.parse().expect("a number")
}

fn variable(socket: &Socket, known: Known) -> Option<String> {
    let (_, value) = socket.info.static_vars.iter().find(|(name, _)| *name == known)?;
    Some(String::from_utf8(value.clone()).expect("variables are text"))
}

#[test]
fn port_0_tells_what_it_got_and_takes_connections() {
    let sockets = opened(&["-s", "127.0.0.1:0", "--http-socket", ":0", "--http", "localhost:0"]);
    let fds: Vec<_> = sockets.iter().map(|socket| socket.fd.as_raw_fd()).collect();
    let ports: Vec<_> = sockets.iter().map(port).collect();
    assert!(ports.iter().all(|&port| port > 0));
    assert_eq!(
        sockets.iter().map(|socket| socket.line.as_str()).collect::<Vec<_>>(),
        [
            format!(
                "uwsgi socket 0 bound to TCP address 127.0.0.1:{} (port auto-assigned) fd {}",
                ports[0], fds[0]
            ),
            format!(
                "uwsgi socket 1 bound to TCP address :{} (port auto-assigned) fd {}",
                ports[1], fds[1]
            ),
            format!(
                "uwsgi socket 2 bound to TCP address localhost:{} (port auto-assigned) fd {}",
                ports[2], fds[2]
            ),
        ]
    );
    let router: Vec<_> = sockets.iter().map(|socket| socket.router_line.clone()).collect();
    let line = format!("uWSGI http bound on localhost:{} fd {}", ports[2], fds[2]);
    assert_eq!(router, [None, None, Some(line)]);
    for port in ports {
        TcpStream::connect(("127.0.0.1", port)).expect("the socket listens");
    }
}

#[test]
fn http_sockets_bring_their_variables_and_uwsgi_sockets_none() {
    let folder = Folder::new("vars");
    let sockets =
        opened(&["--http-socket", "127.0.0.1:0", "--http", &folder.path("s"), "-s", ":0"]);
    assert_eq!(variable(&sockets[0], Known::ServerPort), Some(port(&sockets[0]).to_string()));
    assert_eq!(variable(&sockets[0], Known::ServerName), Some(machine::hostname()));
    assert_eq!(variable(&sockets[0], Known::ScriptName), Some(String::new()));
    assert_eq!(variable(&sockets[1], Known::ServerPort).as_deref(), Some("80"));
    assert!(sockets[2].info.static_vars.is_empty());
    assert_eq!(sockets[2].info.protocol, WireProtocol::Uwsgi);
    assert_eq!(sockets.iter().map(|socket| socket.info.id).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn ipv6_works() {
    let sockets = opened(&["-s", "[::1]:0"]);
    TcpStream::connect(("::1", port(&sockets[0]))).expect("the socket listens");
}

#[test]
fn sockets_are_non_blocking_and_closed_on_exec() {
    use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
    let folder = Folder::new("flags");
    for socket in opened(&["-s", ":0", "-s", &folder.path("s"), "-s", "@uwsgi-rs-flags"]) {
        let descriptor = fcntl(&socket.fd, FcntlArg::F_GETFD).expect("flags");
        assert!(FdFlag::from_bits_truncate(descriptor).contains(FdFlag::FD_CLOEXEC));
        let status = fcntl(&socket.fd, FcntlArg::F_GETFL).expect("flags");
        assert!(OFlag::from_bits_truncate(status).contains(OFlag::O_NONBLOCK));
    }
}

#[test]
fn tcp_options_are_as_configured() {
    use socket2::SockRef;
    let sockets = opened(&["-s", ":0", "--http-socket", ":0"]);
    assert!(!SockRef::from(&sockets[0].fd).tcp_nodelay().expect("option"));
    assert!(SockRef::from(&sockets[1].fd).tcp_nodelay().expect("option"));
    assert!(!SockRef::from(&sockets[0].fd).keepalive().expect("option"));
    let sockets = opened(&["-s", ":0", "--tcp-nodelay", "--so-keepalive", "--reuse-port"]);
    let reference = SockRef::from(&sockets[0].fd);
    assert!(reference.tcp_nodelay().expect("option") && reference.keepalive().expect("option"));
    assert!(reference.reuse_port().expect("option"));
}

#[test]
fn a_deferred_socket_shows_a_connection_at_its_first_bytes() {
    let silent = |args: &[&str]| {
        let sockets = opened(args);
        let mut client = TcpStream::connect(("127.0.0.1", port(&sockets[0]))).expect("connects");
        let listener = TcpListener::from(sockets.into_iter().next().expect("one socket").fd);
        let early = listener.accept().is_ok();
        client.write_all(b"x").expect("writes");
        listener.set_nonblocking(false).expect("blocks");
        if !early {
            listener.accept().expect("the connection is there now");
        }
        early
    };
    assert!(!silent(&["-s", "127.0.0.1:0"]));
    assert!(silent(&["-s", "127.0.0.1:0", "--no-defer-accept"]));
}

#[test]
fn a_unix_socket_has_its_mode_and_path() {
    let folder = Folder::new("unix");
    let path = folder.path("s.sock");
    let sockets = opened(&["-s", &path, "--chmod-socket=640"]);
    assert_eq!(
        sockets[0].line,
        format!("uwsgi socket 0 bound to UNIX address {path} fd {}", sockets[0].fd.as_raw_fd())
    );
    let mode = fs::metadata(&path).expect("the file is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o640);
    UnixStream::connect(&path).expect("the socket listens");
    assert_eq!(sockets[0].path, Some(PathBuf::from(path)));
}

#[test]
fn a_stale_socket_is_replaced_and_a_served_one_is_not() {
    let folder = Folder::new("stale");
    let path = folder.path("s.sock");
    drop(UnixListener::bind(&path).expect("bound"));
    let sockets = opened(&["-s", &path]);
    UnixStream::connect(&path).expect("the new socket listens");
    assert_eq!(
        refused(&["-s", &path]),
        format!(
            "cannot bind --socket {path}: address already in use (another server listens there)"
        )
    );
    drop(sockets);
}

#[test]
fn what_is_no_socket_is_left_alone() {
    let folder = Folder::new("file");
    let path = folder.path("notes.txt");
    fs::write(&path, "text").expect("written");
    assert_eq!(
        refused(&["-s", &path]),
        format!("cannot bind --socket {path}: {path} is there already and is not a socket")
    );
    assert_eq!(fs::read_to_string(&path).expect("still there"), "text");
}

#[test]
fn abstract_sockets_have_no_file() {
    let name = format!("uwsgi-rs-{}", std::process::id());
    let sockets = opened(&["-s", &format!("@{name}"), "-a", "-s", &format!("{name}-2")]);
    assert!(sockets.iter().all(|socket| socket.path.is_none()));
    assert_eq!(sockets[1].info.name, format!("@{name}-2"));
    assert!(fs::metadata(format!("{name}-2")).is_err());
}

#[test]
fn problems_are_one_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = taken.local_addr().expect("address").to_string();
    assert_eq!(
        refused(&["--http-socket", &address]),
        format!(
            "cannot bind --http-socket {address}: address already in use (another program listens on this port, \
             or reuse-port differs)"
        )
    );
    assert_eq!(
        refused(&["-s", "/no/such/dir/s.sock"]),
        "cannot bind --socket /no/such/dir/s.sock: no such file or directory (the directory /no/such/dir does \
         not exist)"
    );
    assert!(refused(&["-s", "192.0.2.1:0"]).ends_with("(this machine has no such address)"));
    assert!(refused(&["-s", "nothing.invalid:0"]).contains("cannot resolve nothing.invalid"));
    assert!(
        refused(&["-s", "203.0.113.*:0"])
            .contains("this machine has no address that begins with 203.0.113.")
    );
    assert!(refused(&["-s", "=0"]).contains("shared sockets are not supported"));
    assert!(
        refused(&["-s", "127.0.0.1:http"]).contains("the port after the last colon is no number")
    );
    assert!(refused(&["-s", "fd://77777"]).contains("bad file number"));
    assert_eq!(refused(&[]), "The -s/--socket option is missing and stdin is not a socket.");
}

#[test]
fn all_bad_addresses_are_found_before_any_is_opened() {
    let found = check(&config(&["-s", ":x", "-s", ":0", "--http", "a b:1"]));
    assert_eq!(found.len(), 2);
    assert!(found[0].to_string().starts_with("cannot bind --socket :x: "));
}

#[test]
fn a_descriptor_of_the_starter_is_served() {
    let starter = TcpListener::bind("127.0.0.1:0").expect("bound");
    let address = starter.local_addr().expect("address");
    let fd = starter.into_raw_fd(); // the starter leaves it open
    let sockets = opened(&["--http-socket", &format!("fd://{fd}")]);
    assert_eq!(
        sockets[0].line,
        format!("uwsgi socket 0 inherited INET address {address} fd {}", sockets[0].fd.as_raw_fd())
    );
    assert_eq!(variable(&sockets[0], Known::ServerPort), Some(address.port().to_string()));
}

/// The sockets as the next image finds them.
fn left(sockets: Vec<Socket>) -> Inheritance {
    let entry = |socket: Socket| crate::sys::handover::Inherited {
        name: socket.handover_name(),
        fd: socket.fd,
    };
    Inheritance::left(sockets.into_iter().map(entry).collect())
}

#[test]
fn the_next_image_finds_its_sockets_by_the_words_of_the_option() {
    let folder = Folder::new("image");
    let path = folder.path("s;x");
    let args = ["-s", "127.0.0.1:0", "--http", &path, "-s", "127.0.0.1:0"];
    let first = opened(&args);
    let names: Vec<_> = first.iter().map(|socket| socket.info.name.clone()).collect();
    let second = bind_all(&config(&args), left(first)).expect("sockets are taken over");
    assert_eq!(second.iter().map(|socket| socket.info.name.clone()).collect::<Vec<_>>(), names);
    assert!(second[0].line.contains("uwsgi socket 0 inherited INET address 127.0.0.1:"));
    assert!(second[1].line.contains("uwsgi socket 1 inherited UNIX address "));
    assert_eq!(second[1].path, Some(PathBuf::from(path)));
}

#[test]
fn a_socket_that_the_new_configuration_dropped_is_closed() {
    let folder = Folder::new("dropped");
    let path = folder.path("s");
    let first = opened(&["-s", &path, "-s", ":0"]);
    let second = bind_all(&config(&["-s", ":0"]), left(first)).expect("sockets are taken over");
    assert_eq!(second.len(), 1);
    assert!(UnixStream::connect(&path).is_err());
}
