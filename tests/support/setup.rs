//! What a server is started with.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use super::log::Log;
use super::temp::TempDir;
use super::{PATIENCE, Server, eventually};

/// What the main socket of a server speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wire {
    Http,
    Uwsgi,
}

/// Arguments, files and surroundings of a server to be started.
pub struct Setup {
    pub wire: Wire,
    program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(String, String)>,
    dir: TempDir,
    workers: u32,
    stdin: Option<OwnedFd>,
    shell: Option<String>,
}

/// The binary under test.
pub fn binary() -> PathBuf {
    std::env::var_os("UWSGI_BIN").map_or_else(|| env!("CARGO_BIN_EXE_uwsgi").into(), PathBuf::from)
}

/// Whether the binary under test is the original.
pub fn original() -> bool {
    static ORIGINAL: OnceLock<bool> = OnceLock::new();
    *ORIGINAL.get_or_init(|| {
        let Some(binary) = std::env::var_os("UWSGI_BIN") else { return false };
        let output =
            Command::new(binary).arg("--version").output().expect("run UWSGI_BIN --version");
        !String::from_utf8_lossy(&output.stdout).starts_with("uwsgi-rs")
    })
}

/// A file of `tests/apps`.
pub fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/apps").join(name)
}

impl Setup {
    pub fn new(wire: Wire) -> Self {
        let mut args = Vec::new();
        // The original of a distribution has its Python in a plugin; the one from PyPI has it built in.
        if let (true, Ok(plugin)) = (original(), std::env::var("UWSGI_ORIGINAL_PLUGIN")) {
            args.extend(["--plugin".into(), plugin.into()]);
        }
        let (env, dir) = (Vec::new(), TempDir::new());
        let program = binary();
        Self { wire, program, args, env, dir, workers: 1, stdin: None, shell: None }
    }

    /// One HTTP socket on a free port and the probe application.
    pub fn http() -> Self {
        Self::new(Wire::Http).args(["--http-socket", "127.0.0.1:0"]).probe()
    }

    /// One uwsgi socket on a free port and the probe application.
    pub fn uwsgi() -> Self {
        Self::new(Wire::Uwsgi).args(["--socket", "127.0.0.1:0"]).probe()
    }

    /// One uwsgi socket that keeps its address over a reload of either server, and no application.
    pub fn unix_socket() -> Self {
        let setup = Self::new(Wire::Uwsgi);
        let path = setup.path("main.sock");
        setup.arg("-s").arg(path)
    }

    /// `http()` and `uwsgi()`, for what must hold over both.
    pub fn both() -> [Self; 2] {
        [Self::http(), Self::uwsgi()]
    }

    fn probe(self) -> Self {
        self.args(["--wsgi-file".into(), app("probe.py").into_os_string()])
    }

    pub fn arg(mut self, arg: impl Into<OsString>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub fn args<T: Into<OsString>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// A master and `count` workers.
    pub fn master(self, count: u32) -> Self {
        self.arg("--master").processes(count)
    }

    /// A master's fifo in the folder of the test, for `Server::fifo`.
    pub fn fifo(self) -> Self {
        self.args(["--master-fifo", "fifo"])
    }

    pub fn processes(mut self, count: u32) -> Self {
        self.workers = count;
        self.args(["--processes", &count.to_string()])
    }

    /// Starts a copy of the program from the folder of the test, which the test may replace.
    pub fn copied_program(mut self, name: &str) -> Self {
        let copy = self.path(name);
        std::fs::copy(&self.program, &copy).expect("copy the program");
        self.program = copy;
        self
    }

    /// Uses a Python that every user can read, where the server can choose.
    pub fn public_python(self) -> Self {
        if original() { self } else { self.args(["--python", "/usr/bin/python3"]) }
    }

    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Writes a file into the folder the server is started in.
    pub fn file(self, name: &str, text: &str) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("create a folder");
        std::fs::write(path, text).expect("write a file of the test");
        self
    }

    /// A path in the folder the server is started in.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Descriptor 0 of the server.
    pub fn stdin(mut self, fd: OwnedFd) -> Self {
        self.stdin = Some(fd);
        self
    }

    /// Starts the server by `exec "$@"` at the end of these shell commands.
    pub fn shell(mut self, commands: &str) -> Self {
        self.shell = Some(commands.into());
        self
    }

    fn command(&mut self) -> Command {
        let mut command = match &self.shell {
            None => Command::new(&self.program),
            Some(commands) => {
                let mut shell = Command::new("/bin/sh");
                shell.args(["-c", &format!("{commands}\nexec \"$@\""), "sh"]).arg(&self.program);
                shell
            }
        };
        let inherited = std::env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            !name.starts_with("UWSGI_") && !name.starts_with("PYTHON") && name != "VIRTUAL_ENV"
        });
        command.args(&self.args).current_dir(self.dir.path()).process_group(0);
        command
            .env_clear()
            .envs(inherited)
            .envs(self.env.drain(..))
            .env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(self.stdin.take().map_or_else(Stdio::null, Stdio::from));
        command
    }

    fn spawn(mut self) -> (Child, Log, TempDir, Wire, u32) {
        let (reader, writer) = io::pipe().expect("a pipe for the log");
        let mut command = self.command();
        command.stdout(writer.try_clone().expect("a second end of the pipe")).stderr(writer);
        let child =
            command.spawn().unwrap_or_else(|error| panic!("start {:?}: {error}", self.program));
        drop(command); // closes our ends of the pipe
        (child, Log::collect(reader), self.dir, self.wire, self.workers)
    }

    /// Starts the server and waits until all its workers are there.
    #[track_caller]
    pub fn start(self) -> Server {
        let (child, log, dir, wire, workers) = self.spawn();
        let server = Server::new(child, log, dir, wire);
        server.wait_spawned(0, workers);
        server.wait_ready(workers);
        server
    }

    /// Starts the server and does not wait for anything.
    pub fn launch(self) -> Server {
        let (child, log, dir, wire, _) = self.spawn();
        Server::new(child, log, dir, wire)
    }

    /// Starts what is expected to end by itself: its exit status and all it wrote.
    #[track_caller]
    pub fn run(self) -> (ExitStatus, String) {
        let (child, log, dir, wire, _) = self.spawn();
        let mut server = Server::new(child, log, dir, wire);
        let status = server.wait();
        let ended = server.log.wait(0, |_| None::<()>);
        assert_eq!(ended, Err("the server ended"), "a process of it is still there");
        (status, server.log.text())
    }
}

/// Waits for `child` within the patience of a test.
#[track_caller]
pub fn wait_exit(child: &mut Child) -> ExitStatus {
    let mut status = None;
    eventually(&format!("exit of the server within {PATIENCE:?}"), || {
        status = child.try_wait().expect("wait for a child");
        status.is_some()
    });
    status.expect("the loop above ended")
}
