//! Nodes, instances that pretend, and commands to them.

use std::io::Write as _;
use std::net::UdpSocket;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use uwsgi_plugin_api::cluster::{
    ClusterView, Clustering as _, Load, NodeState, Options, Order, Outgoing,
};
use uwsgi_plugin_api::{Gateway as _, Instance, PluginError, Post, Settings};
use uwsgi_plugin_cluster::Cluster;

/// How long a condition is waited for before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
pub const SECRET: &str = "a secret of tests";

/// An instance without processes.
pub struct Pretended {
    view: Mutex<ClusterView>,
    leads_until: AtomicU64,
    draining: AtomicBool,
    address: String,
    own: Options,
    running: Mutex<(u64, Options)>,
    staged: Mutex<Option<(u64, Options)>>,
    pub kept: Mutex<Option<Vec<u8>>>,
    pub reloads: AtomicUsize,
}

/// What no instance can start with.
pub const BROKEN: &str = "missing";

impl Instance for Pretended {
    fn publish(&self, view: &ClusterView, leads_until_ms: u64) {
        *self.view.lock().unwrap() = view.clone();
        self.leads_until.store(leads_until_ms, Ordering::SeqCst);
    }

    fn drain(&self, on: bool) {
        self.draining.store(on, Ordering::SeqCst);
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::SeqCst)
    }

    fn load(&self) -> Option<Load> {
        Some(Load { workers: 1, threads: 2, busy: 1, queue: 0, requests: 7 })
    }

    fn address(&self) -> String {
        self.address.clone()
    }

    fn config(&self) -> Result<(u64, Options), PluginError> {
        Ok(self.running.lock().unwrap().clone())
    }

    fn stage(&self, config: Option<(u64, &Options)>) -> Result<(), PluginError> {
        *self.staged.lock().unwrap() = config.map(|(version, options)| (version, options.clone()));
        Ok(())
    }

    fn staged(&self) -> Option<(u64, Options)> {
        self.staged.lock().unwrap().clone()
    }

    fn keep(&self, state: &[u8]) {
        *self.kept.lock().unwrap() = Some(state.to_vec());
    }

    fn kept(&self) -> Option<Vec<u8>> {
        self.kept.lock().unwrap().clone()
    }

    fn reload(&self) -> Result<(), PluginError> {
        self.reloads.fetch_add(1, Ordering::SeqCst);
        let next = self.staged().unwrap_or_else(|| (0, self.own.clone()));
        if next.1.iter().any(|(_, value)| value == BROKEN) {
            return Err(PluginError("no module named missing".to_owned()));
        }
        *self.running.lock().unwrap() = next;
        Ok(())
    }
}

/// A node that runs.
pub struct Node {
    pub instance: Arc<Pretended>,
    input: UnixDatagram,
    stop: Option<std::io::PipeWriter>,
    thread: Option<JoinHandle<Result<(), PluginError>>>,
    log: Arc<Mutex<Vec<String>>>,
}

/// Where the nodes of one test meet.
#[derive(Clone)]
pub struct Meeting {
    pub group: String,
    pub settings: Vec<(String, String)>,
    secret_is_elsewhere: bool,
}

impl Meeting {
    /// A group of its own.
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let port = socket.local_addr().unwrap().port();
        Self::at(&format!("225.9.8.7:{port}"))
    }

    pub fn at(group: &str) -> Self {
        let none =
            Self { group: group.to_owned(), settings: Vec::new(), secret_is_elsewhere: false };
        none.with("cluster", group).with("cluster-interface", "127.0.0.1")
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Where it is read from is said otherwise.
    pub fn without_secret(mut self) -> Self {
        self.secret_is_elsewhere = true;
        self
    }

    pub fn secret(self, secret: &str) -> Self {
        self.with("cluster-secret", secret)
    }

    fn settings(&self) -> Settings {
        let secret = ("cluster-secret".to_owned(), SECRET.to_owned());
        let given = self.settings.iter().any(|(name, _)| *name == secret.0);
        let own = (!given && !self.secret_is_elsewhere).then_some(secret);
        Settings::new(self.settings.iter().cloned().chain(own).collect())
    }

    /// A node that is configured itself.
    pub fn founder(&self, name: &str) -> Node {
        self.node(name, None)
    }

    /// A node that had its configuration from others.
    pub fn follower(&self, name: &str) -> Node {
        self.node(name, Some((0, options("first"))))
    }

    /// A founder that serves here.
    pub fn serving(&self, address: &str) -> Node {
        self.at_address(address.to_owned(), None, None)
    }

    /// A founder whose process is dead and has another one.
    pub fn again(&self, name: &str, kept: Option<Vec<u8>>) -> Node {
        self.at_address(format!("{name}:3031"), None, kept)
    }

    fn node(&self, name: &str, staged: Option<(u64, Options)>) -> Node {
        self.at_address(format!("{name}:3031"), staged, None)
    }

    fn at_address(
        &self,
        address: String,
        staged: Option<(u64, Options)>,
        kept: Option<Vec<u8>>,
    ) -> Node {
        let instance = Arc::new(Pretended {
            view: Mutex::default(),
            leads_until: AtomicU64::new(0),
            draining: AtomicBool::new(false),
            address,
            own: options("first"),
            running: Mutex::new((0, options("first"))),
            staged: Mutex::new(staged),
            kept: Mutex::new(kept),
            reloads: AtomicUsize::new(0),
        });
        let settings = self.settings();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (stop, asked) = std::io::pipe().map(|(reader, writer)| (writer, reader)).unwrap();
        let (input, heard) = UnixDatagram::pair().unwrap();
        let thread = std::thread::spawn({
            let (instance, log) = (instance.clone(), log.clone());
            move || {
                let write = |line: &str| log.lock().unwrap().push(line.to_owned());
                let post = Post {
                    workers: None,
                    requests_max: 1,
                    input: heard.as_fd(),
                    stop: asked.as_fd(),
                    log: &write,
                    instance: Some(&*instance),
                };
                Cluster.run(&settings, post)
            }
        });
        Node { instance, input, stop: Some(stop), thread: Some(thread), log }
    }

    /// `uwsgi cluster WORDS`: what it says, or why not.
    pub fn perform(&self, words: &[&str]) -> Result<String, String> {
        let words: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        let settings = self.settings();
        let read_config = |args: &[String]| Ok(options(&args.join(" ")));
        let order = Order { words: &words, settings: &settings, read_config: &read_config };
        let mut out = Vec::new();
        let result = Cluster.perform(order, &mut out);
        let text = String::from_utf8(out).unwrap();
        result.map(|()| text.clone()).map_err(|error| format!("{text}{error}"))
    }

    pub fn fetch(&self) -> (u64, Options) {
        Cluster.fetch(&self.settings(), &|_| {}).expect("settings are good")
    }
}

/// A configuration.
pub fn options(module: &str) -> Options {
    vec![("module".to_owned(), module.to_owned()), ("processes".to_owned(), "1".to_owned())]
}

impl Node {
    pub fn view(&self) -> ClusterView {
        self.instance.view.lock().unwrap().clone()
    }

    /// Whether it may take itself for the leader now.
    pub fn leads(&self) -> bool {
        let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
        let now = now.tv_sec() * 1_000 + now.tv_nsec() / 1_000_000;
        self.instance.leads_until.load(Ordering::SeqCst) > u64::try_from(now).unwrap()
    }

    pub fn runs(&self) -> (u64, Options) {
        self.instance.running.lock().unwrap().clone()
    }

    pub fn endpoint(&self) -> std::net::SocketAddr {
        let mut endpoint = None;
        eventually("a node to say where it speaks", || {
            endpoint = self.view().own().map(|own| own.endpoint);
            endpoint.is_some()
        });
        endpoint.unwrap()
    }

    pub fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// The states that it sees, sorted.
    pub fn states(&self) -> Vec<NodeState> {
        let mut states: Vec<_> = self.view().nodes.iter().map(|node| node.state).collect();
        states.sort_by_key(|state| format!("{state:?}"));
        states
    }

    /// As a process of its instance does.
    pub fn say(&self, outgoing: &Outgoing) {
        self.input.send(&serde_json::to_vec(outgoing).unwrap()).unwrap();
    }

    /// Ends it as a graceful stop does.
    pub fn stop(&mut self) {
        let Some(mut stop) = self.stop.take() else { return };
        stop.write_all(b"x").unwrap();
        let ended = self.thread.take().map(|thread| thread.join().expect("no panic"));
        assert!(matches!(ended, Some(Ok(()))), "{ended:?}");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!(
                "--- {}\n{}\n{:#?}",
                self.instance.address,
                self.log().join("\n"),
                self.view()
            );
            // Whatever is wrong with it, the test ends.
            drop(self.stop.take());
            return;
        }
        self.stop();
    }
}

/// Waits until `condition` holds, and fails the test with `what` where it never does.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until all of them see that all of them live and have a vote, and the same leader.
#[track_caller]
pub fn together(nodes: &[&Node]) {
    eventually("all nodes to see all, and one leader", || {
        let leaders: Vec<_> =
            nodes.iter().map(|node| node.view().leader().map(|node| node.endpoint)).collect();
        let all = |node: &&Node| {
            let voters = usize::try_from(node.view().voters).unwrap_or(0);
            voters == nodes.len() && node.states() == vec![NodeState::Alive; nodes.len()]
        };
        nodes.iter().all(all)
            && leaders[0].is_some()
            && leaders.iter().all(|one| *one == leaders[0])
    });
}
