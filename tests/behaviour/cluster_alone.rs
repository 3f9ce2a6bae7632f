//! A cluster of one, or of two on one host: what an instance makes of it. Five hosts are in `cluster`.

use std::sync::atomic::{AtomicU16, Ordering};

use nix::sys::signal::Signal;

use crate::support::{Address, Connection, Request, Server, Setup, Wire, eventually, process};

const SECRET: &str = "hidden from lists of processes";
const HEALTH: &str = "health.sock";
const STATS: &str = "stats.sock";

/// A group that no other test has, on the loopback interface.
struct Group(String);

impl Group {
    fn new() -> Self {
        static LAST: AtomicU16 = AtomicU16::new(0);
        let last = LAST.fetch_add(1, Ordering::Relaxed);
        let [high, low] = (std::process::id() as u16).to_be_bytes();
        Self(format!("225.{high}.{low}.{}:17{:03}", 1 + last % 250, last % 1_000))
    }

    /// How it is reached.
    fn options(&self) -> [String; 3] {
        [
            format!("--cluster={}", self.0),
            "--cluster-interface=lo".to_owned(),
            format!("--cluster-secret={SECRET}"),
        ]
    }

    /// A node with the probe application.
    fn node(&self, setup: Setup) -> Setup {
        let (health, stats) = (setup.path(HEALTH), setup.path(STATS));
        let setup = setup.args(self.options()).arg("--disable-logging");
        setup.arg("--health").arg(health).arg("--stats").arg(stats)
    }

    /// `uwsgi cluster ...`: its exit status and all it wrote.
    #[track_caller]
    fn order(&self, words: &[&str]) -> (Option<i32>, String) {
        let setup = Setup::new(Wire::Http).arg("cluster").args(words.iter().copied());
        let (status, text) = setup.args(self.options()).run();
        (status.code(), text)
    }

    /// The endpoint of its only node.
    #[track_caller]
    fn only_node(&self) -> String {
        let (status, text) = self.order(&["nodes", "--json"]);
        assert_eq!(status, Some(0), "{text}");
        let view: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        view["nodes"][0]["endpoint"].as_str().expect("a node").to_owned()
    }
}

#[track_caller]
fn evaluate(server: &Server, expression: &str) -> String {
    let query = expression.replace('%', "%25").replace(' ', "%20").replace('#', "%23");
    let answer = server.get(&format!("/module?{query}"));
    assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
    answer.text()
}

#[track_caller]
fn ready(server: &Server) -> (u16, String) {
    let mut connection = Connection::open(&Address::Unix(server.path(HEALTH)));
    let answer = connection.ask(&Request::get("/readyz"));
    let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    (answer.status, body["status"].as_str().expect("a text").to_owned())
}

#[track_caller]
fn await_lead(server: &Server) {
    eventually("the node leads", || evaluate(server, "uwsgi.cluster_is_leader()") == "True");
}

fn tcp(server: &Server) -> String {
    match server.address() {
        Address::Tcp(address) => address.to_string(),
        other => panic!("{other:?} is no TCP socket"),
    }
}

fn gateway(server: &Server) -> i32 {
    process::child_with(server.pid(), "gateway")
}

#[test]
fn an_application_knows_its_cluster() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let server = group.node(Setup::http().master(1)).start();
    await_lead(&server);
    assert_eq!(evaluate(&server, "uwsgi.cluster()"), format!("b'{}'", group.0));
    let address = tcp(&server);
    eventually("the node is told to its own instance", || {
        evaluate(&server, "uwsgi.cluster_nodes()") == format!("[b'{address}']")
    });
    assert_eq!(evaluate(&server, "uwsgi.cluster_best_node()"), format!("b'{address}'"));
    let name = format!("uwsgi.cluster_node_name('{address}') == uwsgi.hostname");
    assert_eq!(evaluate(&server, &name), "True");
    let log = "uwsgi.send_multicast_message(uwsgi.cluster(), 'to all')";
    assert_eq!(evaluate(&server, log), "True");
}

#[test]
fn a_secret_is_seen_by_nobody_but_the_node() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let server = group.node(Setup::http().master(1)).start();
    server.wait_for("cluster: <*> speaks to <*>");
    assert_eq!(evaluate(&server, "'cluster-secret' in uwsgi.opt"), "False");
    assert_eq!(evaluate(&server, "'cluster' in uwsgi.opt"), "True");
    let read = |pid: i32, file: &str| {
        let bytes = std::fs::read(format!("/proc/{pid}/{file}")).expect("a living process");
        String::from_utf8_lossy(&bytes).into_owned()
    };
    assert!(!read(gateway(&server), "cmdline").contains(SECRET));
    assert!(!read(server.worker(1), "environ").contains(SECRET));
    let held = std::fs::read_dir(format!("/proc/{}/fd", server.worker(1))).unwrap();
    for entry in held {
        let file = std::fs::read_link(entry.unwrap().path()).unwrap_or_default();
        assert!(!file.to_string_lossy().contains("uwsgi-document"), "a worker has options");
    }
    assert!(!server.log.text().contains(SECRET), "nor is it in the log");
}

#[test]
fn a_drained_node_is_not_ready_and_comes_back() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let server = group.node(Setup::http().master(1)).start();
    await_lead(&server);
    let node = group.only_node();
    assert_eq!(group.order(&["drain", &node]).0, Some(0));
    eventually("it is drained", || ready(&server) == (503, "draining".to_owned()));
    assert_eq!(server.get("/hello").status, 200, "what still comes is served");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    assert_eq!(ready(&server), (503, "draining".to_owned()), "a reload changes nothing");
    assert_eq!(group.order(&["resume", &node]).0, Some(0));
    eventually("it gets requests again", || ready(&server) == (200, "ok".to_owned()));
    assert_eq!(group.order(&["drain", "192.0.2.1"]).0, Some(1), "there is no such node");
}

#[test]
fn a_drained_node_takes_no_requests_of_mongrel2_either() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let setup = group.node(Setup::http().master(1));
    let [pull, publish] = ["pull", "publish"].map(|name| setup.path(name).display().to_string());
    let mut server = setup.arg(format!("--zeromq=ipc://{pull},ipc://{publish}")).start();
    await_lead(&server);
    let node = group.only_node();
    let (spawned, stopped) =
        ("<*>spawning \"gateway mongrel2<*>", "<*>stopping daemon (pid: <N>): gateway mongrel2<*>");
    server.wait_for(spawned);
    assert_eq!(group.order(&["drain", &node]).0, Some(0));
    server.wait_for(stopped);
    server.wait_for("daemon \"gateway mongrel2<*>\" (pid: <N>) annihilated");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    let since = server.log.text().split_off(mark);
    assert!(!since.contains("spawning \"gateway mongrel2"), "a reload does not bring it back");
    assert_eq!(group.order(&["resume", &node]).0, Some(0));
    server.log.wait_for_since(mark, spawned);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn the_statistics_tell_of_the_cluster() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let server = group.node(Setup::http().master(1)).start();
    let told = || {
        let bytes = Connection::open(&Address::Unix(server.path(STATS))).rest();
        let document: serde_json::Value = serde_json::from_slice(&bytes).expect("JSON");
        document["cluster"].clone()
    };
    eventually("the node is alive and leads", || {
        let cluster = told();
        let node = &cluster["nodes"][0];
        cluster["leads"] == 1 && node["state"] == "alive" && node["workers"] == 1
    });
    assert_eq!(told()["group"], group.0.as_str());
    let alone = Setup::http().master(1).args(["--stats", "alone.sock"]).start();
    let bytes = Connection::open(&Address::Unix(alone.path("alone.sock"))).rest();
    assert!(!String::from_utf8_lossy(&bytes).contains("cluster"));
}

#[test]
fn a_configuration_that_is_rolled_out_outlives_reloads_and_a_bad_one_changes_nothing() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let server = group.node(Setup::http().master(1)).start();
    await_lead(&server);
    let probe = crate::support::setup::app("probe.py").display().to_string();
    let change = |threads: &str, app: &str| {
        // As it is written: a socket is inherited by that.
        let address = "--http-socket=127.0.0.1:0";
        let words = ["config", "--master", address, "--need-app", "--threads", threads];
        group.order(&[&words[..], &["--wsgi-file", app]].concat())
    };
    let (status, text) = change("3", &probe);
    assert_eq!(status, Some(0), "{text}");
    eventually("the change serves", || evaluate(&server, "uwsgi.threads") == "3");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    eventually("it outlives a reload", || evaluate(&server, "uwsgi.threads") == "3");
    let mark = server.log.mark();
    process::send(gateway(&server), Signal::SIGKILL);
    server.log.wait_for_since(mark, "cluster: this node leads (<*>");
    let (status, text) = change("5", "/no/such/app.py");
    assert_eq!(status, Some(1), "{text}");
    assert_eq!(evaluate(&server, "uwsgi.threads"), "3");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.await_reload(mark);
    eventually("nor is it tried again", || evaluate(&server, "uwsgi.threads") == "3");
    let (status, text) = group.order(&["config", "--processes", "many"]);
    assert!(status == Some(1) && text.contains("--processes many"), "{text}");
}

#[test]
fn an_instance_with_nothing_but_a_cluster_serves_what_the_others_serve() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let bare = Setup::new(Wire::Http).args(group.options()).launch();
    bare.wait_for("cluster: asking <*> for a configuration");
    let first = Setup::http().master(1).args(["--threads", "4"]).args(group.options()).start();
    bare.wait_spawned(0, 1);
    eventually("it has the options", || evaluate(&bare, "uwsgi.threads") == "4");
    eventually("both know both", || {
        [&first, &bare].iter().all(|server| evaluate(server, "len(uwsgi.cluster_nodes())") == "2")
    });
    assert_eq!(evaluate(&bare, "uwsgi.cluster_messages()"), "[]");
    evaluate(&first, "uwsgi.send_multicast_message(uwsgi.cluster(), 'to all')");
    let came = "uwsgi.cluster_messages() == [(1, uwsgi.hostname, b'to all')]";
    eventually("what one's application says the other's hears", || evaluate(&bare, came) == "True");
    assert_eq!(evaluate(&bare, "uwsgi.cluster_messages(1)"), "[]");
    let mark = bare.log.mark();
    bare.signal(Signal::SIGHUP);
    bare.await_reload(mark);
    assert_eq!(evaluate(&bare, "uwsgi.threads"), "4", "a reload asks nobody");
    eventually("the log of both to be seen as one", || {
        let (_, log) = group.order(&["log"]);
        ["spawned uWSGI worker 1", "cluster: this node leads"].iter().all(|line| log.contains(line))
    });
    eventually("one of them leads", || {
        [&first, &bare].iter().any(|server| evaluate(server, "uwsgi.cluster_is_leader()") == "True")
    });
    let (status, text) = group.order(&["reload"]);
    assert_eq!(status, Some(0), "{text}");
}

#[test]
fn a_node_that_is_killed_comes_back_and_one_that_stops_says_goodbye_first() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let mut server = group.node(Setup::http().master(1).fifo()).start();
    await_lead(&server);
    let mark = server.log.mark();
    process::send(gateway(&server), Signal::SIGKILL);
    server.log.wait_for_since(mark, "cluster: this node leads (<*>");
    server.fifo("q");
    assert_eq!(server.wait().code(), Some(0));
    let log = server.log.text();
    let at = |text: &str| log.rfind(text).unwrap_or_else(|| panic!("{text} is not in\n{log}"));
    assert!(at("this node leads no more") < at("goodbye to uWSGI"), "{log}");
    assert!(log.contains("stopping daemon"), "{log}");
}

#[test]
fn what_cannot_be_a_node_does_not_start() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let fails = |setup: Setup| {
        let (status, text) = setup.run();
        (status.code(), text)
    };
    let (status, text) = fails(Setup::new(Wire::Http).args(group.options()).args(["-p", "2"]));
    assert_eq!(status, Some(1));
    assert!(
        text.contains("you need to specify at least a socket to start a uWSGI cluster"),
        "{text}"
    );
    let bare = Setup::http().args([&group.options()[0], &group.options()[1]]);
    let (status, text) = fails(bare);
    assert_eq!(status, Some(1), "without a secret there is no cluster: {text}");
    let (status, text) = fails(Setup::new(Wire::Http).arg("check").args(group.options()));
    assert_eq!(status, Some(0), "a check asks nobody: {text}");
    let (status, text) = fails(Setup::new(Wire::Http).arg("cluster"));
    assert!(status == Some(1) && text.contains("drain"), "{text}");
}

#[test]
fn a_cluster_counts_from_the_start_on() {
    ours_only!("the original has no cluster since 1.9");
    let group = Group::new();
    let options = group.options();
    let ini = |cluster: &str| {
        format!("[uwsgi]\nhttp-socket = 127.0.0.1:0\nmaster = true\nmodule = app\n{cluster}")
    };
    let code = "def application(e, s):\n    s('200 OK', [])\n    return [b'in']\n";
    let setup = Setup::new(Wire::Http).file("app.py", code).file("a.ini", &ini(""));
    let server = setup.args(["--ini", "a.ini"]).start();
    let lines =
        options.iter().map(|option| option.trim_start_matches("--").replacen('=', " = ", 1));
    let cluster = lines.collect::<Vec<_>>().join("\n");
    std::fs::write(server.path("a.ini"), ini(&cluster)).unwrap();
    server.signal(Signal::SIGHUP);
    server.wait_for(
        "cannot join a cluster after a reload: cluster and cluster-nodes count from the start on",
    );
    assert_eq!(server.get("/").text(), "in", "what serves serves on");
}
