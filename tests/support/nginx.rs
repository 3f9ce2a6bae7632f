//! A real nginx in front of a server.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::client::{Address, Connection};
use super::eventually;
use super::temp::TempDir;

/// nginx with one `server` block on a free port of loopback.
pub struct Nginx {
    child: Child,
    dir: TempDir,
    pub address: Address,
}

const PARAMS: &str = "
    uwsgi_param QUERY_STRING $query_string; uwsgi_param REQUEST_METHOD $request_method;
    uwsgi_param CONTENT_TYPE $content_type; uwsgi_param CONTENT_LENGTH $content_length;
    uwsgi_param REQUEST_URI $request_uri; uwsgi_param PATH_INFO $document_uri;
    uwsgi_param DOCUMENT_ROOT $document_root; uwsgi_param SERVER_PROTOCOL $server_protocol;
    uwsgi_param REQUEST_SCHEME $scheme; uwsgi_param HTTPS $https if_not_empty;
    uwsgi_param REMOTE_ADDR $remote_addr; uwsgi_param REMOTE_PORT $remote_port;
    uwsgi_param SERVER_PORT $server_port; uwsgi_param SERVER_NAME $server_name;";

/// Whether nginx is installed.
pub fn present() -> bool {
    binary().is_some()
}

fn binary() -> Option<&'static str> {
    ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
}

impl Nginx {
    /// Starts nginx with `uwsgi_pass` to `upstream`; `location` holds further directives of the location.
    pub fn start(upstream: &Address, location: &str) -> Self {
        let dir = TempDir::new();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let address = Address::Tcp(port.expect("a free port"));
        let pass = match upstream {
            Address::Unix(path) => format!("unix:{}", path.display()),
            other => other.text(),
        };
        let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
        let config = format!(
            "daemon off; {user} worker_processes 1; pid {dir}/nginx.pid; error_log stderr warn;
            events {{ worker_connections 1024; }}
            http {{
                access_log off; client_body_temp_path {dir}/body; uwsgi_temp_path {dir}/uwsgi;
                proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi; scgi_temp_path {dir}/scgi;
                client_max_body_size 64m; keepalive_requests 1000000000; large_client_header_buffers 4 64k;
                server {{ listen {listen}; server_name example.test;
                    location / {{ {PARAMS} uwsgi_pass {pass}; {location} }} }}
            }}",
            dir = dir.path().display(),
            listen = address.text(),
        );
        let path = dir.path().join("nginx.conf");
        std::fs::write(&path, config).expect("write nginx.conf");
        let mut command = Command::new(binary().expect("nginx is installed"));
        command
            .arg("-e")
            .arg("stderr")
            .arg("-p")
            .arg(dir.path())
            .arg("-c")
            .arg(&path)
            .process_group(0);
        command
            .stdin(Stdio::null())
            .stderr(std::fs::File::create(dir.path().join("error")).expect("a file"));
        let nginx = Self { child: command.spawn().expect("start nginx"), dir, address };
        eventually("nginx to accept connections", || Connection::try_open(&nginx.address).is_ok());
        nginx
    }

    /// What nginx wrote to its error log.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("error")).unwrap_or_default()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).expect("a pid is positive");
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- nginx\n{}---", self.errors());
        }
    }
}
