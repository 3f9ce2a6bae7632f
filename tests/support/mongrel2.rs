//! A real Mongrel2 in a folder of its own, which is its chroot where this is root.

use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use super::client::{Address, Connection};
use super::fronts::program;
use super::temp::TempDir;
use super::{eventually, process};

/// How the headers of a message are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Headers {
    Json,
    Tnetstring,
}

/// Both of them, for what must hold with either.
pub const BOTH: [Headers; 2] = [Headers::Json, Headers::Tnetstring];

/// What a Mongrel2 is to be.
pub struct Plan {
    routes: Vec<(&'static str, Headers)>,
    settings: Vec<(&'static str, u32)>,
    stores_uploads: bool,
    /// What it subscribes to.
    listens_to: &'static str,
    /// Its endpoints are unix sockets.
    ipc: bool,
    /// Its address for handlers.
    host: IpAddr,
}

/// A Mongrel2 that runs, or will again.
pub struct Mongrel2 {
    child: Option<Child>,
    dir: TempDir,
    ports: Vec<u16>,
    ipc: bool,
    host: IpAddr,
    pub address: Address,
}

/// The server's name in its configuration; any will do.
const SERVER: &str = "f400bf85-4538-4f7a-8908-67e313d515c2";
/// Its name to handlers, with a digit for each more.
const SENDER: &str = "34f9ceee-cd52-4b7f-b197-88bf2f0ec37";
/// Where handlers are, unless it is said.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// A port that was free may be taken a moment later.
const ATTEMPTS: usize = 5;

/// Whether it is installed.
pub fn installed() -> bool {
    program("mongrel2").is_some() && program("m2sh").is_some()
}

impl Plan {
    /// One handler of all paths.
    pub fn new(headers: Headers) -> Self {
        Self {
            routes: vec![("/", headers)],
            settings: Vec::new(),
            stores_uploads: false,
            listens_to: "",
            ipc: false,
            host: LOOPBACK,
        }
    }

    /// A further handler; those have pairs of their own.
    pub fn route(mut self, pattern: &'static str, headers: Headers) -> Self {
        self.routes.push((pattern, headers));
        self
    }

    /// A setting, as Mongrel2's manual names it.
    pub fn set(mut self, name: &'static str, number: u32) -> Self {
        self.settings.push((name, number));
        self
    }

    /// Large bodies go to files of the folder `tmp`.
    pub fn stores_uploads(self) -> Self {
        Self { stores_uploads: true, ..self }
    }

    /// Only answers that begin so are for it.
    pub fn listens_to(self, listens_to: &'static str) -> Self {
        Self { listens_to, ..self }
    }

    /// Handlers are reached by unix sockets.
    pub fn over_ipc(self) -> Self {
        Self { ipc: true, ..self }
    }

    /// Handlers are on other hosts, and reach it at this address.
    pub fn reached_at(self, host: IpAddr) -> Self {
        Self { host, ..self }
    }

    #[track_caller]
    pub fn start(self) -> Mongrel2 {
        for _ in 0..ATTEMPTS {
            let dir = TempDir::new();
            let ports = free_ports(1 + 2 * self.routes.len());
            let address = Address::Tcp(([127, 0, 0, 1], ports[0]).into());
            self.load(dir.path(), &ports);
            let (ipc, host) = (self.ipc, self.host);
            let mut mongrel2 = Mongrel2 { child: None, dir, ports, ipc, host, address };
            if mongrel2.try_start() {
                return mongrel2;
            }
            eprintln!("Mongrel2 did not start, other ports are tried:\n{}", mongrel2.log());
        }
        panic!("Mongrel2 does not start");
    }

    fn endpoint(&self, folder: &str, port: u16) -> String {
        endpoint(self.ipc, self.host, folder, port)
    }

    /// Makes its configuration's database.
    fn load(&self, dir: &Path, ports: &[u16]) {
        for folder in ["run", "logs", "tmp"] {
            std::fs::create_dir(dir.join(folder)).expect("create a folder");
        }
        let handler = |(number, (_, headers)): (usize, &(&str, Headers))| {
            // Its folder is the root of its names, or where it runs.
            let [requests, answers] =
                [1, 2].map(|at| self.endpoint("run/", ports[2 * number + at]));
            let protocol = match headers {
                Headers::Json => "json",
                Headers::Tnetstring => "tnetstring",
            };
            format!(
                "h{number} = Handler(send_spec='{requests}', send_ident='{SENDER}{number}', \
                 recv_spec='{answers}', recv_ident='{}', protocol='{protocol}')\n",
                self.listens_to
            )
        };
        let handlers: String = self.routes.iter().enumerate().map(handler).collect();
        let route =
            |(number, (pattern, _)): (usize, &(&str, Headers))| format!("'{pattern}': h{number}");
        let routes: Vec<_> = self.routes.iter().enumerate().map(route).collect();
        let store = match geteuid().is_root() {
            true => PathBuf::from("/tmp"),
            false => dir.join("tmp"),
        };
        let mut settings =
            vec!["'server.daemonize': 0".to_owned(), "'zeromq.threads': 1".to_owned()];
        settings.extend(self.settings.iter().map(|(name, value)| format!("'{name}': {value}")));
        if self.stores_uploads {
            settings.push(format!("'upload.temp_store': '{}/up.XXXXXX'", store.display()));
        }
        let config = format!(
            "{handlers}main = Server(uuid='{SERVER}', name='test', default_host='localhost', \
             chroot='{}', access_log='/logs/access.log', error_log='/logs/error.log', pid_file='/run/mongrel2.pid', \
             bind_addr='127.0.0.1', port={}, hosts=[Host(name='localhost', routes={{ {} }})])\n\
             servers = [main]\nsettings = {{ {} }}\n",
            dir.display(),
            ports[0],
            routes.join(", "),
            settings.join(", ")
        );
        std::fs::write(dir.join("mongrel2.conf"), config).expect("write a configuration");
        let mut command = Command::new(program("m2sh").expect("it is installed"));
        command.args(["load", "-config", "mongrel2.conf", "-db", "config.sqlite"]);
        let loaded = command.current_dir(dir).env("LOGNAME", "test").output().expect("run m2sh");
        assert!(loaded.status.success(), "m2sh: {}", String::from_utf8_lossy(&loaded.stderr));
    }
}

impl Mongrel2 {
    /// One whose messages have their headers in this form, and nothing else.
    #[track_caller]
    pub fn new(headers: Headers) -> Self {
        Plan::new(headers).start()
    }

    /// True when it accepts connections; false where it has ended instead.
    fn try_start(&mut self) -> bool {
        let _ = std::fs::remove_file(self.path("run/mongrel2.pid"));
        let log = std::fs::File::options().create(true).append(true).open(self.path("out"));
        let log = log.expect("a file");
        let mut command = Command::new(program("mongrel2").expect("it is installed"));
        command.args(["config.sqlite", SERVER]).current_dir(self.dir.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().expect("a file")).stderr(log);
        let mut child = command.spawn().expect("start Mongrel2");
        let mut runs = true;
        eventually("Mongrel2 to accept connections", || {
            runs = child.try_wait().expect("wait for a child").is_none();
            !runs || Connection::try_open(&self.address).is_ok()
        });
        self.child = Some(child);
        runs
    }

    /// The endpoints of handler `number`, as `--zeromq` takes them.
    pub fn pair(&self, number: usize) -> String {
        let folder = format!("{}/run/", self.dir.path().display());
        let both =
            [1, 2].map(|at| endpoint(self.ipc, self.host, &folder, self.ports[2 * number + at]));
        both.join(",")
    }

    /// What the server has to know of uploads.
    pub fn upload_options(&self) -> Vec<String> {
        let mut options =
            vec!["--mongrel2-upload-root".into(), self.path("tmp").display().to_string()];
        if geteuid().is_root() {
            options.extend(["--mongrel2-chroot".into(), self.dir.path().display().to_string()]);
        }
        options
    }

    /// The path of a file of its folder, as Mongrel2 itself names it.
    pub fn inside(&self, name: &str) -> String {
        match geteuid().is_root() {
            true => format!("/{name}"),
            false => self.path(name).display().to_string(),
        }
    }

    /// Files of uploads that are there.
    pub fn stored(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path("tmp")).expect("its folder is there");
        entries.map(|entry| entry.expect("an entry of a folder").path()).collect()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    #[track_caller]
    pub fn connect(&self) -> Connection {
        Connection::open(&self.address)
    }

    /// Ends it without a word to anybody.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(mut child) = self.child.take() {
            let _ = child.wait();
        }
    }

    /// It does nothing any more, but is there.
    pub fn freeze(&self) {
        self.signal(Signal::SIGSTOP);
    }

    fn signal(&self, signal: Signal) {
        if let Some(child) = &self.child {
            process::send(i32::try_from(child.id()).expect("a pid is positive"), signal);
        }
    }

    /// Starts it again after [`Mongrel2::kill`], with the same addresses.
    #[track_caller]
    pub fn start(&mut self) {
        assert!(self.try_start(), "Mongrel2 does not start again:\n{}", self.log());
    }

    /// What it wrote.
    pub fn log(&self) -> String {
        let read = |name| std::fs::read(self.path(name)).unwrap_or_default();
        String::from_utf8_lossy(&[read("out"), read("logs/error.log")].concat()).into_owned()
    }
}

impl Drop for Mongrel2 {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- Mongrel2\n{}---", self.log());
        }
    }
}

/// The endpoint of this number.
fn endpoint(ipc: bool, host: IpAddr, folder: &str, port: u16) -> String {
    if ipc { format!("ipc://{folder}{port}") } else { format!("tcp://{host}:{port}") }
}

/// Ports that nobody listens at; each is another one.
fn free_ports(count: usize) -> Vec<u16> {
    let bound = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let bound: Vec<_> = bound.collect();
    bound.iter().map(|socket| socket.local_addr().expect("it is bound").port()).collect()
}
