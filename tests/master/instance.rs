//! The instance under test: the library's master, and a worker that does what its first argument says.

use std::fs::File;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::waitpid;
use nix::unistd;
use uwsgi::config::model::ProcessNames;
use uwsgi::config::{self, Config, Source};
use uwsgi::log::line as say;
use uwsgi::master::{
    self, Birth, Files, Hooks, Loading, MasterContext, MoldPost, Role, Vacuum, vacuum,
};
use uwsgi::options::Registry;
use uwsgi::shm::{Board, PlaceId, SitesBoard};
use uwsgi::supervisor::signals::{Dialect, SignalTable};
use uwsgi::sys::channel::Channel;
use uwsgi::sys::clock;
use uwsgi::sys::handover::{Origin, take_inherited};
use uwsgi::sys::machine::Machine;
use uwsgi::sys::privileges::Identity;
use uwsgi::sys::process::{self, Fork};
use uwsgi::sys::signal::{Signal, SignalPipe};
use uwsgi::worker::message::{FromWorker, ToWorker, exit_code};
use uwsgi_plugin_api::{CoreId, WorkerId};

pub fn main(arguments: &[String]) -> i32 {
    match arguments[0].as_str() {
        "daemon" => daemon(&arguments[1]),
        "nobody" => nobody(),
        _ => serve(arguments),
    }
}

fn serve(arguments: &[String]) -> i32 {
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (role, _) = Role::take().unwrap();
    if matches!(role, Role::First) {
        master::ignore_reload_signals(has("die-on-term")).unwrap();
    }
    let origin = Origin::capture().unwrap();
    let listener = match take_inherited().into_iter().flatten().next() {
        Some(inherited) => TcpListener::from(inherited.fd),
        None => TcpListener::bind("127.0.0.1:0").unwrap(),
    };
    let address = listener.local_addr().unwrap();
    let config = config(&has);
    let listeners = vec![(address.to_string(), Arc::new(OwnedFd::from(listener)))];
    let context = |first| MasterContext {
        cluster: None,
        leash: None,
        signals: SignalTable::new(Dialect::Uwsgi, has("die-on-term"), false),
        first,
        listeners: listeners.clone(),
        shared: Vec::new(),
        figures: SitesBoard::new(1).unwrap(),
        origin: origin.clone(),
        process_names: process_names(has("names")),
        succession: None,
        served: Vec::new(),
        endpoints: Vec::new(),
        files: Files::default(),
        vacuum: vacuum(arguments),
        config: config.clone(),
    };
    match role {
        Role::First | Role::Beside { .. } => {
            say(format_args!("listening on port {}", address.port()));
            let loading = loading(arguments, &Board::new(2, 2).unwrap(), false);
            if has("alone") {
                return master::run_without_master(loading);
            }
            master::run(context(Some(loading)))
        }
        Role::Mold { master, channel, .. } => {
            let board = Board::new(2, 2).unwrap();
            let names = listeners.iter().map(|(name, fd)| (name.as_str(), fd.as_fd()));
            master::introduce(&channel, &board, names, None).unwrap();
            master::run_mold(loading(arguments, &board, true), MoldPost { channel, master })
        }
        Role::Site(_) | Role::Node { .. } => unreachable!("nobody asks for sites here"),
        Role::Master { handover, .. } => {
            say(format_args!("listening on port {}", address.port()));
            master::resume(context(None), *handover)
        }
    }
}

fn vacuum(arguments: &[String]) -> Vacuum {
    let mut vacuum = Vacuum::new(process::current());
    if let Some(at) = arguments.iter().position(|argument| argument == "pidfile") {
        let path = Path::new(&arguments[at + 1]);
        vacuum::write_pidfile(path, process::current()).unwrap();
        vacuum.watch_pidfile("pidfile", path).unwrap();
    }
    vacuum
}

fn loading(arguments: &[String], board: &Arc<Board>, reloaded: bool) -> Loading {
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let (manner, worker_board) = (arguments[0].clone(), board.clone());
    Loading {
        hooks: Hooks {
            load: Box::new(|| Ok(())),
            before_fork: Box::new(|| ()),
            after_fork_parent: Box::new(|| ()),
            worker: Box::new(move |birth| live(&manner, birth, &worker_board, reloaded)),
            shutdown: Box::new(|| ()),
        },
        board: board.clone(),
        process_names: process_names(has("names")),
        no_orphans: has("no-orphans"),
        vacuum: Vacuum::new(process::current()),
    }
}

fn config(has: &impl Fn(&str) -> bool) -> Arc<Config> {
    let mut options = vec!["-M", "-p", "2", "--threads", "2", "--harakiri", "1"];
    options.extend(["--worker-reload-mercy", "600", "-s", ":0"]);
    options.extend(["--need-app"].iter().filter(|_| has("need-app")));
    let source = Source::of_args(options);
    let registry = Registry::new(&[]);
    let mut config = config::load(&registry, &source, &Machine::detect()).unwrap().config;
    if has("short-mercy") {
        config.processes.worker_mercy = Duration::from_millis(200);
    }
    Arc::new(config)
}

/// A worker's whole life.
fn live(manner: &str, birth: Birth, board: &Arc<Board>, reloaded: bool) -> i32 {
    let Birth { worker: id, place, channel, .. } = birth;
    let signals = SignalPipe::install(&[Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM]).unwrap();
    match manner {
        "die" => return exit_code::FAILURE,
        "no-app" => return exit_code::NO_APP,
        "panic" => panic!("as asked"),
        _ => {}
    }
    board.process(place).set_ready();
    tell(channel.as_ref(), FromWorker::Ready);
    say(format_args!("worker {id} serves"));
    match (manner, id.0) {
        ("stuck", 2) => stick(board, place),
        ("mask", 1) => {
            Command::new("grep")
                .args(["SigBlk", "/proc/self/status"])
                .stdout(dup_stderr())
                .status()
                .unwrap();
        }
        ("child", 1) => lose_a_child(&signals),
        ("orphan", 1) => leave_an_orphan(),
        ("reload-then-stop", 1) => {
            tell(
                channel.as_ref(),
                if reloaded { FromWorker::StopInstance } else { FromWorker::Reload },
            );
        }
        _ => {}
    }
    obey(manner == "ignore", id, channel, &signals)
}

/// Waits for orders and signals, and follows them unless it is stubborn.
fn obey(stubborn: bool, id: WorkerId, channel: Option<Channel>, signals: &SignalPipe) -> i32 {
    loop {
        let fds = channel.as_ref().map(AsFd::as_fd).into_iter().chain([signals.as_fd()]);
        let mut fds: Vec<PollFd> = fds.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
        // Interrupted by a signal: it is in the pipe now.
        let _ = poll(&mut fds, PollTimeout::NONE);
        let asked = signals.take().unwrap().map(|signal| match signal {
            Signal::SIGHUP => exit_code::RECYCLE,
            _ => exit_code::END,
        });
        let told = channel.as_ref().and_then(|channel| listen(id, channel));
        if let (Some(code), false) = (asked.or(told), stubborn) {
            return code;
        }
        if stubborn && told == Some(exit_code::FAILURE) {
            std::thread::park();
        }
    }
}

/// The exit status that an order asks for.
fn listen(id: WorkerId, channel: &Channel) -> Option<i32> {
    let mut bytes = [0; 8];
    match channel.receive(&mut bytes) {
        Ok(Some(length)) => match ToWorker::decode(&bytes[..length]).unwrap() {
            ToWorker::Drain => Some(exit_code::RECYCLE),
            ToWorker::Stop => Some(exit_code::END),
            ToWorker::Harakiri { core } => {
                say(format_args!("worker {id} told of core {core}"));
                None
            }
            _ => None,
        },
        Ok(None) => {
            say(format_args!("worker {id} sees the end of the master"));
            Some(exit_code::FAILURE)
        }
        Err(_) => None,
    }
}

fn tell(channel: Option<&Channel>, message: FromWorker) {
    if let Some(channel) = channel {
        channel.send(&message.encode()).unwrap();
    }
}

/// A request that is out of time at once, in the first process of the worker only: its successor boots beside it, at
/// another place.
fn stick(board: &Board, place: PlaceId) {
    if place == PlaceId(1) {
        let core = board.core(place, CoreId(1));
        core.current.write(&[b"127.0.0.1", b" - ", b"GET", b" ", b"/slow"]);
        core.begin(clock::monotonic_ms(), clock::monotonic_ms(), 1_795_229_051);
    }
}

/// The application forks a child that keeps the worker's handlers, and ends it by a signal.
fn lose_a_child(signals: &SignalPipe) {
    match process::fork().unwrap() {
        Fork::Child => loop {
            unistd::pause();
        },
        Fork::Parent(pid) => {
            process::send_signal(pid, Signal::SIGTERM).unwrap();
            let ended = waitpid(pid, None).unwrap();
            let nix::sys::wait::WaitStatus::Signaled(_, signal, _) = ended else {
                panic!("{ended:?}")
            };
            let seen = signals.take().unwrap();
            say(format_args!(
                "the child was killed by signal {}, the worker saw {seen:?}",
                signal as i32
            ));
        }
    }
}

/// A grandchild whose parent ends falls to the master, which must reap it like process 1 would.
fn leave_an_orphan() {
    let output = Command::new("sh")
        .args(["-c", "(exec sleep 0.1) >/dev/null 2>&1 & echo $!"])
        .output()
        .unwrap();
    let pid = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let path = format!("/proc/{pid}");
    let gone = crate::under_test::wait_for(|| (!Path::new(&path).exists()).then_some(true));
    say(format_args!("the orphan's number was reaped: {gone}"));
}

fn dup_stderr() -> std::os::fd::OwnedFd {
    std::io::stderr().as_fd().try_clone_to_owned().unwrap()
}

fn daemon(log: &str) -> i32 {
    let before = unistd::getsid(None).unwrap();
    process::daemonize(File::create(log).unwrap()).unwrap();
    let (pid, session) = (unistd::getpid(), unistd::getsid(None).unwrap());
    let own = session != before;
    println!("a session of its own: {own}, leader: {}", pid == session);
    say(format_args!("done"));
    0
}

fn nobody() -> i32 {
    let identity = Identity::resolve(Some("65534"), Some("65533")).unwrap();
    let identity = Identity { user: identity.user.map(|(uid, _)| (uid, None)), ..identity };
    identity.take().unwrap();
    let groups: Vec<u32> = unistd::getgroups().unwrap().iter().map(|gid| gid.as_raw()).collect();
    let again = unistd::setuid(unistd::Uid::from_raw(0)).is_ok();
    say(format_args!(
        "uid {} gid {} groups {groups:?}, root again: {again}",
        unistd::getuid(),
        unistd::getegid()
    ));
    identity.take().unwrap();
    say(format_args!("{}", Identity::resolve(None, Some("0")).unwrap().take().unwrap_err()));
    0
}

fn process_names(shown: bool) -> ProcessNames {
    ProcessNames { shown, procname_prefix: "test ".to_owned(), ..ProcessNames::default() }
}
