//! With a plugin that only notes what it is asked.

use std::io::Write;
use std::sync::Mutex;

use uwsgi_plugin_api::cluster::{Options, Order};
use uwsgi_plugin_api::option::{chapter, flag, list, text};
use uwsgi_plugin_api::{Clustering, OptionRow, PluginError, Post, Section};

use super::order::{Request, read_config};
use super::*;
use crate::cli::{Command, parse_all};
use crate::config::Source;
use crate::shm::{RunningOptions, StagedOptions};
use crate::sys::machine::Machine;

#[rustfmt::skip] // a table
const ROWS: &[OptionRow] = &chapter(Section::Cluster, [
    text("cluster", "GROUP", "").implies(&["master"]).extra(),
    text("cluster-nodes", "GROUP", "").implies(&["master"]).extra(),
    text("cluster-reload", "GROUP", "").immediate().extra(),
    text("cluster-log", "GROUP", "").immediate().extra(),
    list("cluster-secret", "SECRET", "").extra(),
    text("cluster-cron", "leader|every", "").extra(),
    flag("cluster-compat", "").extra(),
]);

/// What was asked, in words.
#[derive(Default)]
struct StandIn {
    asked: Mutex<Vec<String>>,
}

impl Clustering for StandIn {
    fn stays_here(&self, option: &str) -> bool {
        option.starts_with("cluster") || ["ini", "include", "config"].contains(&option)
    }

    fn fetch(
        &self,
        settings: &Settings,
        log: &dyn Fn(&str),
    ) -> Result<(u64, Options), PluginError> {
        log("asking");
        self.note(format!("fetch {}", settings.text("cluster").unwrap_or("-")));
        let options =
            [("socket", "127.0.0.1:0"), ("processes", "3"), ("cron", "-1 -1 -1 -1 -1 true")];
        Ok((7, options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()))
    }

    fn perform(&self, order: Order<'_>, _: &mut dyn Write) -> Result<(), PluginError> {
        let settings = order.settings.pairs().iter();
        let settings: Vec<_> = settings.map(|(name, value)| format!("{name}={value}")).collect();
        self.note(format!("{} [{}]", order.words.join(" "), settings.join(" ")));
        if let Some(("config", args)) =
            order.words.split_first().map(|(word, rest)| (word.as_str(), rest))
        {
            let read = (order.read_config)(args)?;
            self.note(read.iter().map(|(name, value)| format!("{name}={value} ")).collect());
        }
        Ok(())
    }

    fn usage(&self) -> &'static str {
        "how it is written\n"
    }

    fn options(&self) -> &'static [OptionRow] {
        ROWS
    }
}

impl Gateway for StandIn {
    fn name(&self) -> &'static str {
        "cluster"
    }

    fn cargo(&self) -> Cargo {
        Cargo::Cluster
    }

    fn options(&self) -> &'static [OptionRow] {
        ROWS
    }

    fn is_wanted(&self, settings: &Settings) -> bool {
        group(settings).is_some()
    }

    fn check(&self, settings: &Settings) -> Result<(), PluginError> {
        match group(settings).is_some_and(|group| group.contains(':')) {
            true => Ok(()),
            false => Err(PluginError("cluster: accepted: GROUP:PORT".to_owned())),
        }
    }

    fn run(&self, _: &Settings, _: Post<'_>) -> Result<(), PluginError> {
        Ok(())
    }
}

impl StandIn {
    fn note(&self, what: String) {
        self.asked.lock().unwrap().push(what);
    }
}

fn plugins() -> (plugin::Registry, Arc<StandIn>) {
    let cluster = Arc::new(StandIn::default());
    let registry = plugin::Registry::new(Vec::new(), vec![cluster.clone()]);
    (registry.with_clustering(cluster.clone()), cluster)
}

const G: &str = "--cluster=225.1.1.1:1717";

/// What a command line comes to, and what was asked on the way.
fn parsed(args: &[&str]) -> (Command, Vec<String>) {
    with(Source::of_args(args.iter().copied()), None)
}

fn with(source: Source, memory: Option<&ClusterMemory>) -> (Command, Vec<String>) {
    let (plugins, cluster) = plugins();
    let command = parse_all(source, &plugins, memory);
    let asked = std::mem::take(&mut *cluster.asked.lock().unwrap());
    (command, asked)
}

fn served(command: Command) -> Config {
    let Command::Serve(config, _) = command else { panic!("it serves: {command:?}") };
    *config
}

#[test]
fn an_instance_with_nothing_but_a_cluster_has_its_options_from_there() {
    let (command, asked) = parsed(&[G, "--cluster-secret=x"]);
    let config = served(command);
    assert_eq!(asked, ["fetch 225.1.1.1:1717"]);
    assert_eq!(
        (config.processes.workers, config.processes.master, config.sockets.len()),
        (3, true, 1)
    );
    let membership = config.cluster.unwrap();
    let shared = &membership.shared;
    assert!(membership.received && !membership.crons_everywhere);
    assert_eq!((shared.version, shared.own.len(), shared.options.len()), (7, 2, 3));
}

#[test]
fn what_was_received_is_noted_for_the_next_image_which_asks_nobody() {
    let Command::Serve(first, snapshot) = parsed(&[G]).0 else { panic!("it serves") };
    let snapshot = snapshot.expect("it is noted");
    let outside = Outside::Replayed(snapshot);
    let (command, asked) = with(Source { outside, ..Source::of_args([G]) }, None);
    assert_eq!(asked, [""; 0]);
    assert_eq!(served(command).cluster, first.cluster);
}

#[test]
fn own_options_are_an_own_configuration() {
    let (command, asked) = parsed(&[G, "-s", ":0", "-p", "2", "--cluster-cron=every"]);
    let membership = served(command).cluster.unwrap();
    assert_eq!(asked, [""; 0]);
    assert!(!membership.received && membership.crons_everywhere);
    let shared = &membership.shared;
    let names: Vec<_> = shared.options.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((shared.version, names), (0, vec!["socket", "processes"]));
    assert_eq!(served(parsed(&["-s", ":0"]).0).cluster, None);
}

#[test]
fn who_only_looks_on_asks_for_nothing_and_runs_its_crons() {
    let (command, asked) = parsed(&["--cluster-nodes=225.1.1.1:1717", "-s", ":0"]);
    assert!(served(command).cluster.unwrap().crons_everywhere && asked.is_empty());
}

#[test]
fn staged_options_take_the_place_of_own_files() {
    let memory = ClusterMemory::new().unwrap();
    let own = vec![("cluster".to_owned(), "225.1.1.1:1717".to_owned())];
    memory.run(&RunningOptions { own, ..RunningOptions::default() }).unwrap();
    let options =
        vec![("socket".to_owned(), ":0".to_owned()), ("threads".to_owned(), "5".to_owned())];
    memory.stage(Some(&StagedOptions { version: 9, options })).unwrap();
    let source = || Source { outside: Outside::Noted, ..Source::of_args(["/no/such.ini"]) };
    let (command, asked) = with(source(), Some(&memory));
    let Command::Serve(config, Some(snapshot)) = command else { panic!("it serves") };
    assert_eq!((config.processes.threads, asked.len()), (5, 0));
    let membership = config.cluster.unwrap();
    assert_eq!((membership.shared.version, membership.received), (9, true));
    assert_eq!(snapshot.shared(), Some(&membership.shared));
    memory.stage(None).unwrap();
    let Command::Exit(1) = with(source(), Some(&memory)).0 else {
        panic!("its file is read again")
    };
}

#[test]
fn a_mold_never_asks_the_network() {
    let source = Source { outside: Outside::Noted, ..Source::of_args([G]) };
    let (command, asked) = with(source, Some(&ClusterMemory::new().unwrap()));
    assert!(matches!(command, Command::Exit(1)) && asked.is_empty());
}

#[test]
fn what_is_wrong_with_a_cluster_is_told_before_anybody_is_asked() {
    for args in
        [&["--cluster=x"][..], &["--cluster=x", "-s", ":0"], &[G, "-p", "2"], &[G, "--nope"]]
    {
        let (command, asked) = parsed(args);
        assert!(matches!(command, Command::Exit(1)) && asked.is_empty(), "{args:?}");
    }
    let socketless = served_problems(&["-p", "2"]);
    assert_eq!(
        socketless,
        ["error: you need to specify at least a socket to start a uWSGI cluster"]
    );
    assert_eq!(served_problems(&["-s", ":0"]), [""; 0]);
}

/// The problems of an instance that is to be a node with these options.
fn served_problems(args: &[&str]) -> Vec<String> {
    let (plugins, _) = plugins();
    let registry = options::Registry::new(&plugins.options());
    let source = Source::of_args(args.iter().copied().chain([G]));
    let loaded = config::load(&registry, &source, &Machine::detect()).unwrap();
    let problems = problems(&loaded.config, false, &plugins);
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn a_check_asks_nobody() {
    let (command, asked) = parsed(&["check", G]);
    assert!(matches!(command, Command::Exit(0)), "{command:?}");
    assert_eq!(asked, [""; 0]);
}

#[test]
fn options_that_order_something_are_orders() {
    let (command, asked) = parsed(&["--cluster-reload=225.1.1.1:1717", "--cluster-secret=x"]);
    assert!(matches!(command, Command::Exit(0)));
    assert_eq!(
        asked,
        ["cluster-reload [cluster-reload=225.1.1.1:1717 cluster-secret=x cluster=225.1.1.1:1717]"]
    );
    let (_, asked) = parsed(&["--cluster-log", "225.1.1.1:1717"]);
    assert_eq!(asked, ["cluster-log [cluster-log=225.1.1.1:1717 cluster=225.1.1.1:1717]"]);
}

fn request(args: &[&str], environment: &[(&str, &str)]) -> Result<Request, String> {
    let (plugins, cluster) = plugins();
    let clustering: Arc<dyn Clustering> = cluster;
    let registry = options::Registry::new(&plugins.options());
    let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment = environment.iter().map(pair).collect();
    Request::read(&args, environment, &clustering, &registry)
}

#[test]
fn how_a_cluster_is_reached_is_said_anywhere_among_the_words() {
    let environment = [("UWSGI_CLUSTER", "a:1"), ("UWSGI_PROCESSES", "4"), ("HOME", "/")];
    let args =
        ["drain", "--cluster-secret", "x", "node1", "--cluster=b:2", "--cluster-compat", "--json"];
    let found = request(&args, &environment).unwrap();
    assert_eq!(found.words, ["drain", "node1", "--json"]);
    let settings: Vec<_> =
        found.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(settings, ["cluster=a:1", "cluster-secret=x", "cluster=b:2", "cluster-compat=1"]);
    assert_eq!(request(&["nodes", "--cluster"], &[]).unwrap_err(), "--cluster needs a value");
}

#[test]
fn a_configuration_that_is_rolled_out_is_read_and_checked_as_one_of_an_instance() {
    let folder = tempfile::tempdir().unwrap();
    let ini = folder.path().join("new.ini").display().to_string();
    std::fs::write(
        &ini,
        "[uwsgi]\ncluster = 225.1.1.1:1717\nsocket = :3031\nn = 2\nprocesses = %(n)\n",
    )
    .unwrap();
    let (command, asked) = parsed(&["cluster", "config", &ini, "--threads", "3"]);
    assert!(matches!(command, Command::Exit(0)));
    let order = format!("config {ini} --threads 3 [cluster=225.1.1.1:1717]");
    assert_eq!(asked, [&order, "threads=3 socket=:3031 set-ph=n=2 processes=2 "]);
    std::fs::write(&ini, "[uwsgi]\nsocket = :3031\nprocesses = many\n").unwrap();
    let (plugins, _) = plugins();
    let registry = options::Registry::new(&plugins.options());
    let tools = Tools { registry: &registry, machine: &Machine::detect() };
    let error = read_config(std::slice::from_ref(&ini), &plugins, &tools).unwrap_err().to_string();
    assert!(error.contains(&format!("{ini}:3: processes = many")), "{error}");
    std::fs::write(&ini, "[uwsgi]\nprocesses = 2\ncluster = 225.1.1.1:1717\n").unwrap();
    let error = read_config(&[ini], &plugins, &tools).unwrap_err().to_string();
    assert!(error.contains("at least a socket"), "{error}");
}

#[test]
fn without_a_word_the_use_is_told() {
    for (args, status) in
        [(&["cluster"][..], 1), (&["cluster", "--help"], 0), (&["cluster", "x"], 0)]
    {
        let Command::Exit(found) = parsed(args).0 else { panic!("{args:?} ends") };
        assert_eq!(found, status, "{args:?}");
    }
}

#[test]
fn a_secret_is_in_no_list_of_processes() {
    let args = |secret: &str| format!("--cluster-secret={secret}");
    let daemon = |secret: &str| {
        let config = served(parsed(&[G, "-s", ":0", &args(secret)]).0);
        config.jobs.daemons.into_iter().next().unwrap()
    };
    let one = daemon("hidden");
    let gateway = one.gateway.clone().unwrap();
    assert_eq!(gateway.cargo, Cargo::Cluster);
    assert_eq!(gateway.arguments, ["gateway", "cluster", G]);
    assert_eq!(gateway.secrets, [("cluster-secret".to_owned(), "hidden".to_owned())]);
    assert!(!one.command.contains("hidden"));
    assert_ne!(one.text, daemon("other").text, "another secret is another process");
}
