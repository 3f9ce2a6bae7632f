//! Five nodes, each on a host of its own; a sixth host for clients and nginx, a seventh for Mongrel2.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use uwsgi_plugin_api::cluster::{ClusterView, NodeState};

use crate::support::client::{Address, Connection};
use crate::support::log::Log;
use crate::support::namespace::Network;
use crate::support::setup::binary;
use crate::support::temp::TempDir;
use crate::support::{Request, Server, Setup, Wire};

pub const GROUP: &str = "225.1.1.1:1717";
pub const SECRET: &str = "a secret of five hosts";
/// Nodes, on hosts of these numbers.
pub const NODES: [u8; 5] = [1, 2, 3, 4, 5];
/// Where clients and nginx are.
pub const CLIENTS: u8 = 6;
/// Where Mongrel2 is.
pub const MONGREL2: u8 = 7;
const HOSTS: u8 = 7;
/// Where each node serves the uwsgi protocol, and its health.
const PORT: u16 = 3031;
const HEALTH: u16 = 8081;
/// How long states may take to be right on all nodes, before the test fails. The issue wants 5 s; a busy machine is no fault of theirs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The nodes that run, and what becomes of them.
pub struct Five {
    pub network: Network,
    pub nodes: BTreeMap<u8, Server>,
    apps: TempDir,
    extra: Vec<String>,
    watch: Watch,
}

/// Whether tests may make such a network.
macro_rules! needs_a_network {
    () => {
        ours_only!("the original has no cluster since 1.9");
        needs!(
            $crate::support::namespace::Network::permitted(),
            "NETWORK NAMESPACES ARE NOT PERMITTED HERE (root and `ip` of iproute2 make them): NOTHING OF CLUSTERS IS TESTED"
        );
    };
}
pub(super) use needs_a_network;

impl Five {
    /// All of them, each sure of all others, with these options in the shared configuration.
    #[track_caller]
    pub fn start(network: Network, extra: &[&str]) -> Self {
        let apps = TempDir::new();
        for release in ["one", "two"] {
            let text = format!(
                "import socket\nHOST = socket.gethostname()\ndef application(environ, start_response):\n    \
                 start_response('200 OK', [('Content-Type', 'text/plain')])\n    return [(HOST + ' {release}').encode()]\n"
            );
            std::fs::write(apps.path().join(format!("{release}.py")), text).expect("write");
        }
        let extra = extra.iter().map(|arg| (*arg).to_owned()).collect();
        let nodes = BTreeMap::new();
        let mut five = Self { network, nodes, apps, extra, watch: Watch::start() };
        for host in NODES {
            five.start_node(host);
        }
        five.await_all_alive("all five to know each other");
        five
    }

    /// A network of the right size.
    #[track_caller]
    pub fn network() -> Network {
        Network::new(HOSTS)
    }

    /// Starts a node: the first one has its options, the others only know of the cluster.
    #[track_caller]
    pub fn start_node(&mut self, host: u8) {
        let setup = Setup::new(Wire::Uwsgi).env("UWSGI_CLUSTER_SECRET", SECRET);
        let setup = setup.args(["--cluster", GROUP]);
        let setup = if host == 1 { setup.args(self.options("one")) } else { setup };
        let server = self.network.on(host, || setup.launch());
        self.watch.add(host, &server.log);
        self.nodes.insert(host, server);
    }

    /// The shared configuration, with this application.
    pub fn options(&self, release: &str) -> Vec<String> {
        let app = self.apps.path().join(format!("{release}.py")).display().to_string();
        let mut options = vec!["--socket".to_owned(), format!(":{PORT}")];
        options.extend(["--wsgi-file".to_owned(), app, "--need-app".to_owned()]);
        options.extend(
            ["--master", "--processes", "1", "--threads", "4", "--disable-logging"]
                .map(str::to_owned),
        );
        options.extend(["--health".to_owned(), format!(":{HEALTH}")]);
        options.extend(self.extra.iter().cloned());
        options
    }

    /// Kills all processes of a node at once.
    #[track_caller]
    pub fn kill(&mut self, host: u8) {
        let mut server = self.nodes.remove(&host).expect("it runs");
        self.watch.gone(host);
        killpg(Pid::from_raw(server.pid()), Signal::SIGKILL).expect("it runs");
        server.wait();
    }

    /// `uwsgi cluster WORDS` on a host.
    #[track_caller]
    pub fn command(&self, host: u8, words: &[&str]) -> Output {
        self.network.on(host, || {
            let mut command = Command::new(binary());
            command.arg("cluster").args(words);
            command.env("UWSGI_CLUSTER", GROUP).env("UWSGI_CLUSTER_SECRET", SECRET);
            command.output().expect("run the program")
        })
    }

    /// The same; what it says, where it works.
    #[track_caller]
    pub fn told(&self, host: u8, words: &[&str]) -> String {
        let output = self.command(host, words);
        let (out, error) = texts(&output);
        assert!(output.status.success(), "uwsgi cluster {words:?}: {out}{error}");
        out
    }

    /// The cluster as the node of this host sees it.
    pub fn view(&self, host: u8) -> Option<ClusterView> {
        let output = self.command(host, &["nodes", "--json"]);
        let view: ClusterView = serde_json::from_slice(&output.stdout).ok()?;
        let own = SocketAddr::from((self.network.address(host), 1717));
        view.own().is_some_and(|node| node.endpoint == own).then_some(view)
    }

    /// Waits until each of `hosts` sees these states of all nodes, and prints how long it took.
    #[track_caller]
    pub fn await_states(&self, what: &str, hosts: &[u8], wanted: &BTreeMap<u8, NodeState>) {
        let start = Instant::now();
        let mut left: Vec<u8> = hosts.to_vec();
        while !left.is_empty() {
            let (views, wrong): (Vec<_>, Vec<_>) = std::thread::scope(|scope| {
                let asked = left.iter().map(|host| (*host, scope.spawn(|| self.view(*host))));
                let asked: Vec<_> = asked.collect();
                let views =
                    asked.into_iter().map(|(host, view)| (host, view.join().expect("no panic")));
                views.partition(|(_, view)| view.as_ref().map(states).as_ref() == Some(wanted))
            });
            drop(views);
            left = wrong.iter().map(|(host, _)| *host).collect();
            if start.elapsed() > PATIENCE {
                panic!("waited {PATIENCE:?} in vain for {what}: wanted {wanted:?}, but {wrong:#?}");
            }
        }
        println!("{what}: {:.1} s", start.elapsed().as_secs_f32());
    }

    #[track_caller]
    pub fn await_all_alive(&self, what: &str) {
        self.await_states(what, &NODES, &all(NodeState::Alive));
    }

    /// Waits until the nodes of these hosts have the same leader, and returns its host.
    #[track_caller]
    pub fn await_leader(&self, hosts: &[u8]) -> u8 {
        let start = Instant::now();
        loop {
            let views = hosts.iter().map(|host| self.view(*host));
            let leaders: Vec<_> =
                views.map(|view| view?.leader().map(|node| number(node.endpoint))).collect();
            if let Some(leader) = leaders[0]
                && leaders.iter().all(|one| *one == Some(leader))
            {
                return leader;
            }
            assert!(start.elapsed() < PATIENCE, "no leader: {leaders:?}");
        }
    }

    /// Where the node of this host serves.
    pub fn address(&self, host: u8) -> Address {
        Address::Tcp((self.network.address(host), PORT).into())
    }

    /// Asks a node itself, from the clients' host: who answers, and with which release.
    #[track_caller]
    pub fn ask(&self, host: u8) -> String {
        let address = self.address(host);
        self.network.on(CLIENTS, || {
            let mut connection = Connection::open(&address);
            connection.send(Request::get("/").to_packet());
            let answer = connection.answer(false);
            assert_eq!(answer.status, 200);
            answer.text()
        })
    }

    /// Status of the node's health.
    #[track_caller]
    pub fn health(&self, host: u8) -> u16 {
        let address = Address::Tcp((self.network.address(host), HEALTH).into());
        let request = Request::get("/readyz").header("Connection", "close");
        self.network.on(CLIENTS, || Connection::open(&address).ask(&request).status)
    }

    /// nginx's configuration with the five as upstreams.
    pub fn upstreams(&self) -> String {
        let servers: String = NODES
            .iter()
            .map(|host| format!("server {}:{PORT};", self.network.address(*host)))
            .collect();
        format!(
            "upstream five {{ {servers} }}
             server {{ listen 127.0.0.1:{{port}}; location / {{
                 uwsgi_param REQUEST_METHOD $request_method; uwsgi_param REQUEST_URI $request_uri;
                 uwsgi_param PATH_INFO $document_uri; uwsgi_param QUERY_STRING $query_string;
                 uwsgi_param SERVER_PROTOCOL $server_protocol; uwsgi_param SERVER_NAME $server_name;
                 uwsgi_param SERVER_PORT $server_port; uwsgi_connect_timeout 1s; uwsgi_pass five; }} }}"
        )
    }

    /// At no moment two nodes have said that they lead.
    #[track_caller]
    pub fn assert_one_leader_at_a_time(&self) {
        let faults = self.watch.faults();
        assert!(faults.is_empty(), "two leaders: {faults:?}");
        assert!(self.watch.has_led(), "nobody has ever said that it leads: nothing was watched");
    }
}

/// Standard output and error.
pub fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// All nodes in the same state.
pub fn all(state: NodeState) -> BTreeMap<u8, NodeState> {
    NODES.iter().map(|host| (*host, state)).collect()
}

/// All alive but these.
pub fn but(others: &[(u8, NodeState)]) -> BTreeMap<u8, NodeState> {
    let mut states = all(NodeState::Alive);
    states.extend(others.iter().copied());
    states
}

fn number(endpoint: SocketAddr) -> u8 {
    match endpoint {
        SocketAddr::V4(address) => address.ip().octets()[3],
        SocketAddr::V6(_) => panic!("{endpoint} is none of the hosts"),
    }
}

fn states(view: &ClusterView) -> BTreeMap<u8, NodeState> {
    view.nodes.iter().map(|node| (number(node.endpoint), node.state)).collect()
}

/// Requests to an address from where the thread is, by clients that keep their connections; how many each host has answered.
#[track_caller]
pub fn spread(address: &Address, count: usize) -> BTreeMap<String, usize> {
    const CLIENTS: usize = 8;
    let answers = std::thread::scope(|scope| {
        let ask = |_| {
            scope.spawn(|| {
                let mut connection = Connection::open(address);
                let mut answers: BTreeMap<String, usize> = BTreeMap::new();
                for _ in 0..count / CLIENTS {
                    let answer = connection.ask(&Request::get("/"));
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let host = answer.text().split(' ').next().unwrap_or_default().to_owned();
                    *answers.entry(host).or_default() += 1;
                    if answer.header("Connection").is_some_and(|value| value == "close") {
                        connection = Connection::open(address);
                    }
                }
                answers
            })
        };
        let clients: Vec<_> = (0..CLIENTS).map(ask).collect();
        clients.into_iter().map(|client| client.join().expect("a client")).collect::<Vec<_>>()
    });
    let mut all = BTreeMap::new();
    for (host, count) in answers.into_iter().flatten() {
        *all.entry(host).or_default() += count;
    }
    all
}

/// A log, how far it was read, and whether its node leads.
struct Watched {
    log: Log,
    mark: usize,
    leads: bool,
}

/// Reads all logs all the time, and notes moments when two nodes lead.
struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    logs: Mutex<BTreeMap<u8, Watched>>,
    faults: Mutex<Vec<String>>,
    led: AtomicBool,
    over: AtomicBool,
}

impl Watch {
    fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let watched = shared.clone();
        let thread = std::thread::spawn(move || {
            while !watched.over.load(Ordering::Relaxed) {
                watched.look();
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Self { shared, thread: Some(thread) }
    }

    fn add(&self, host: u8, log: &Log) {
        let watched = Watched { log: log.clone(), mark: 0, leads: false };
        self.shared.logs.lock().unwrap().insert(host, watched);
    }

    /// It leads no more: it is dead.
    fn gone(&self, host: u8) {
        self.shared.logs.lock().unwrap().remove(&host);
    }

    fn faults(&self) -> Vec<String> {
        self.shared.faults.lock().unwrap().clone()
    }

    fn has_led(&self) -> bool {
        self.shared.led.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn look(&self) {
        const FAULTS_MAX: usize = 10;
        let mut logs = self.logs.lock().unwrap();
        logs.values_mut().for_each(Watched::read_on);
        let leaders: Vec<_> =
            logs.iter().filter(|(_, watched)| watched.leads).map(|(host, _)| *host).collect();
        self.led.fetch_or(!leaders.is_empty(), Ordering::Relaxed);
        let mut faults = self.faults.lock().unwrap();
        if leaders.len() > 1 && faults.len() < FAULTS_MAX {
            faults.push(format!("hosts {leaders:?}"));
        }
    }
}

impl Watched {
    /// Whole lines that are new.
    fn read_on(&mut self) {
        let new = self.log.since(self.mark);
        let end = new.rfind('\n').map_or(0, |at| at + 1);
        self.mark += end;
        for line in new[..end].lines().filter(|line| line.contains("cluster: this node leads")) {
            self.leads = !line.contains("leads no more");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
