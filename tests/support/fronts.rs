//! Real front ends, each as a value: nginx, Apache, lighttpd, Caddy, HAProxy.

use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Pid, geteuid};

use super::client::{Address, Connection};
use super::eventually;
use super::temp::TempDir;

/// What a front end speaks to the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pass {
    Uwsgi,
    FastCgi,
    Scgi,
    Http,
}

/// What a front end is to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub pass: Pass,
    /// Keep connections to the server.
    pub keep: bool,
    /// Read a request whole before the server gets it.
    pub buffer: bool,
    /// How HAProxy begins its connections.
    pub greeting: &'static str,
    /// Further directives: in nginx's `server`, in HAProxy's `frontend`.
    pub extra: &'static str,
    /// Further directives in nginx's `location`.
    pub location: &'static str,
}

impl Plan {
    pub fn new(pass: Pass) -> Self {
        Self { pass, keep: false, buffer: true, greeting: "", extra: "", location: "" }
    }

    pub fn keep(self) -> Self {
        Self { keep: true, ..self }
    }

    pub fn unbuffered(self) -> Self {
        Self { buffer: false, ..self }
    }

    pub fn with(self, extra: &'static str) -> Self {
        Self { extra, ..self }
    }

    pub fn in_location(self, location: &'static str) -> Self {
        Self { location, ..self }
    }
}

/// A request that a front end passed on, as its log has it.
#[derive(Debug)]
pub struct Passed {
    /// Method and target.
    pub request: String,
    /// What the client was told; none where no answer came from the server.
    pub status: Option<u16>,
}

/// A front end that runs.
pub struct Front {
    child: Child,
    dir: TempDir,
    pub address: Address,
}

/// The program, where it is installed.
pub fn program(name: &str) -> Option<String> {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];
    folders.into_iter().map(|dir| format!("{dir}/{name}")).find(|path| Path::new(path).exists())
}

/// Where it is to listen, where the server is, and a folder of its own.
struct Place {
    port: u16,
    server: String,
    dir: String,
}

impl Front {
    pub fn nginx(plan: Plan, server: &Address) -> Self {
        Self::start(server, |place| {
            ("nginx", "nginx.conf", nginx(plan, place), vec!["-e", "stderr", "-c"])
        })
    }

    /// nginx with these servers, which listen at `{port}` and pass to `{server}`.
    pub fn nginx_of(servers: &str, server: &Address) -> Self {
        Self::start(server, |place| {
            let Place { port, server, .. } = place;
            let servers = servers.replace("{port}", &port.to_string()).replace("{server}", server);
            let config = nginx_http(&servers, place);
            ("nginx", "nginx.conf", config, vec!["-e", "stderr", "-c"])
        })
    }

    pub fn apache(plan: Plan, server: &Address) -> Self {
        Self::start(server, |place| {
            ("apache2", "apache.conf", apache(plan, place), vec!["-DFOREGROUND", "-f"])
        })
    }

    pub fn lighttpd(plan: Plan, server: &Address) -> Self {
        Self::start(server, |place| {
            ("lighttpd", "lighttpd.conf", lighttpd(plan, place), vec!["-D", "-f"])
        })
    }

    pub fn caddy(plan: Plan, server: &Address) -> Self {
        Self::start(server, |place| {
            let args = vec!["run", "--adapter", "caddyfile", "--config"];
            ("caddy", "Caddyfile", caddy(plan, place), args)
        })
    }

    pub fn haproxy(plan: Plan, server: &Address) -> Self {
        Self::start(server, |place| {
            ("haproxy", "haproxy.cfg", haproxy(plan, place), vec!["-db", "-f"])
        })
    }

    fn start(
        server: &Address,
        plan: impl Fn(&Place) -> (&'static str, &'static str, String, Vec<&'static str>),
    ) -> Self {
        /// Somebody else may take the port between our look and the front end's.
        const ATTEMPTS_MAX: usize = 5;
        for _ in 1..ATTEMPTS_MAX {
            let mut front = Self::attempt(server, &plan);
            if front.serves() {
                return front;
            }
        }
        let mut front = Self::attempt(server, &plan);
        assert!(front.serves(), "the front end ended: {}", front.errors());
        front
    }

    /// Waits until it accepts connections; false where it ends.
    fn serves(&mut self) -> bool {
        eventually("the front end to accept connections", || {
            self.has_ended() || Connection::try_open(&self.address).is_ok()
        });
        !self.has_ended()
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child").is_some()
    }

    fn attempt(
        server: &Address,
        plan: impl Fn(&Place) -> (&'static str, &'static str, String, Vec<&'static str>),
    ) -> Self {
        let dir = TempDir::new();
        let socket = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
        let socket = socket.expect("a free port");
        let place = Place {
            port: socket.port(),
            server: match server {
                Address::Unix(path) => format!("unix:{}", path.display()),
                other => other.text(),
            },
            dir: dir.path().display().to_string(),
        };
        let (name, file, config, args) = plan(&place);
        let path = dir.path().join(file);
        std::fs::write(&path, config).expect("write a configuration");
        let log = std::fs::File::create(dir.path().join("log")).expect("a file");
        let mut command = Command::new(program(name).expect("the front end is installed"));
        command.args(args).arg(&path).current_dir(dir.path()).process_group(0);
        command.env("HOME", dir.path()).env("XDG_DATA_HOME", dir.path());
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        let child = command.spawn().expect("start a front end");
        Self { child, dir, address: Address::Tcp(socket) }
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }

    /// What it wrote to its error log.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// What nginx or HAProxy gave to the server so far, in the order in which it was over.
    pub fn passed(&self) -> Vec<Passed> {
        let read = |name| std::fs::read(self.dir.path().join(name)).unwrap_or_default();
        let log = [read("access"), read("log")].concat();
        let log = String::from_utf8_lossy(&log).into_owned();
        // A target may have blanks in it.
        let line = |line: &str| {
            let (request, rest) = line.strip_prefix("PASSED ")?.rsplit_once(" TO ")?;
            let (server, status) = rest.split_once(' ')?;
            let passed = !matches!(server, "-" | "<NOSRV>");
            passed.then(|| Passed { request: request.into(), status: status.parse().ok() })
        };
        log.lines().filter_map(line).collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let group = i32::try_from(self.child.id()).expect("a pid is positive");
        let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- front end\n{}---", self.errors());
        }
    }
}

fn nginx(plan: Plan, place: &Place) -> String {
    let Place { port, server, .. } = place;
    let name = match plan.pass {
        Pass::Uwsgi => "uwsgi",
        Pass::FastCgi => "fastcgi",
        Pass::Scgi => "scgi",
        Pass::Http => "proxy",
    };
    let params: String = match plan.pass {
        Pass::Http => "proxy_set_header Host $http_host;".to_owned(),
        _ => [
            ("QUERY_STRING", "$query_string"),
            ("REQUEST_METHOD", "$request_method"),
            ("CONTENT_TYPE", "$content_type"),
            ("CONTENT_LENGTH", "$content_length"),
            ("REQUEST_URI", "$request_uri"),
            ("PATH_INFO", "$document_uri"),
            ("DOCUMENT_ROOT", "$document_root"),
            ("SERVER_PROTOCOL", "$server_protocol"),
            ("REQUEST_SCHEME", "$scheme"),
            ("HTTPS", "$https if_not_empty"),
            ("REMOTE_ADDR", "$remote_addr"),
            ("REMOTE_PORT", "$remote_port"),
            ("SERVER_PORT", "$server_port"),
            ("SERVER_NAME", "$server_name"),
        ]
        .into_iter()
        // For SCGI, nginx sends it by itself.
        .filter(|(variable, _)| plan.pass != Pass::Scgi || *variable != "CONTENT_LENGTH")
        .map(|(variable, value)| format!("{name}_param {variable} {value};"))
        .collect(),
    };
    let keep = match (plan.keep, plan.pass) {
        (false, _) => "",
        (true, Pass::FastCgi) => "fastcgi_keep_conn on;",
        (true, _) => "proxy_http_version 1.1; proxy_set_header Connection '';",
    };
    let buffer = if plan.buffer { "" } else { "request_buffering off;" };
    let buffer = if buffer.is_empty() { String::new() } else { format!("{name}_{buffer}") };
    let kept = if plan.keep { "keepalive 8;" } else { "" };
    let Plan { extra, location, .. } = plan;
    let pass = if plan.pass == Pass::Http { "http://" } else { "" };
    let servers = format!(
        "upstream app {{ server {server}; {kept} }}
        server {{ listen 127.0.0.1:{port}; server_name example.test; {extra}
            location / {{ {params} {keep} {buffer} {name}_pass {pass}app; {location} }} }}"
    );
    nginx_http(&servers, place)
}

/// nginx's configuration with these servers.
fn nginx_http(servers: &str, Place { dir, .. }: &Place) -> String {
    let user = if geteuid().is_root() { "user root;" } else { "" };
    format!(
        "daemon off; {user} worker_processes 1; pid {dir}/pid; error_log stderr warn;
        events {{ worker_connections 2048; }}
        http {{
            log_format passed 'PASSED $request_method $request_uri TO $upstream_addr $upstream_status';
            access_log {dir}/access passed; client_body_temp_path {dir}/body; uwsgi_temp_path {dir}/uwsgi;
            proxy_temp_path {dir}/proxy; fastcgi_temp_path {dir}/fastcgi; scgi_temp_path {dir}/scgi;
            client_max_body_size 64m; large_client_header_buffers 4 64k; keepalive_requests 1000000000;
            {servers}
        }}"
    )
}

fn apache(plan: Plan, Place { port, server, dir }: &Place) -> String {
    let scheme = match plan.pass {
        Pass::Uwsgi => "uwsgi",
        Pass::FastCgi => "fcgi",
        Pass::Scgi => "scgi",
        Pass::Http => "http",
    };
    let modules: String = ["mpm_event", "authz_core", "proxy", "setenvif"]
        .into_iter()
        .map(str::to_owned)
        .chain([format!("proxy_{scheme}")])
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
        .collect();
    let reuse = if plan.keep { "enablereuse=on" } else { "disablereuse=on" };
    let reuse = format!("{reuse} flushpackets=on");
    let user = if geteuid().is_root() { "User www-data\nGroup www-data\n" } else { "" };
    format!(
        "ServerRoot {dir}\nServerName localhost\nListen 127.0.0.1:{port}\nPidFile {dir}/pid\n{modules}{user}
        ErrorLog /dev/stderr\nLogLevel warn\nDocumentRoot {dir}\nLimitRequestFieldSize 65535
        MaxKeepAliveRequests 0\nThreadsPerChild 64\nMaxRequestWorkers 256\nServerLimit 4
        DefaultRuntimeDir {dir}\n
        ProxyPass / {scheme}://{server}/ {reuse}\n"
    )
}

fn lighttpd(plan: Plan, Place { port, server, dir }: &Place) -> String {
    let (host, number) = server.rsplit_once(':').expect("a TCP address");
    let (module, option, protocol) = match plan.pass {
        Pass::FastCgi => ("mod_fastcgi", "fastcgi", ""),
        Pass::Scgi => ("mod_scgi", "scgi", ""),
        Pass::Uwsgi => ("mod_scgi", "scgi", "scgi.protocol = \"uwsgi\""),
        Pass::Http => ("mod_proxy", "proxy", ""),
    };
    let stream = if plan.buffer { "" } else { "server.stream-request-body = 2" };
    format!(
        "server.document-root = \"{dir}\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}
        server.modules = ( \"{module}\" )\n{protocol}\n{stream}\nserver.max-keep-alive-requests = 60000
        server.max-request-field-size = 65535\nserver.stream-response-body = 1
        {option}.server = ( \"/\" => (( \"host\" => \"{host}\", \"port\" => {number},
            \"check-local\" => \"disable\", \"fix-root-scriptname\" => \"enable\" )) )\n"
    )
}

fn caddy(plan: Plan, Place { port, server, .. }: &Place) -> String {
    let transport = match plan.pass {
        Pass::FastCgi => "transport fastcgi",
        _ => "transport http",
    };
    format!(
        "{{\n admin off\n auto_https off\n}}\nhttp://127.0.0.1:{port}, http://localhost:{port} {{
        reverse_proxy {server} {{\n {transport}\n flush_interval -1\n }}\n}}\n"
    )
}

fn haproxy(plan: Plan, Place { port, server, .. }: &Place) -> String {
    let (application, protocol) = match plan.pass {
        Pass::FastCgi => ("fcgi-app app\n docroot /\n option get-values\n", "proto fcgi"),
        _ => ("", ""),
    };
    let used = if application.is_empty() { "" } else { "use-fcgi-app app" };
    let Plan { greeting, extra, .. } = plan;
    let reuse = if plan.keep { "http-reuse always" } else { "option httpclose" };
    format!(
        "global\n maxconn 2000\n log stdout format raw local0\n tune.bufsize 65536\n{application}
        defaults\n mode http\n timeout connect 10s\n timeout client 60s\n timeout server 60s
        frontend in\n bind 127.0.0.1:{port}\n default_backend out\n {extra}\n log global
        log-format \"PASSED %HM %HU TO %s %ST\"
        backend out\n {reuse}\n {used}\n server one {server} {protocol} {greeting}\n"
    )
}
