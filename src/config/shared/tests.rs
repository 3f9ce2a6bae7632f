//! A configuration goes to another node and means the same there.

use super::*;
use crate::config::{self, Config, Outside, Source, magic};

fn stays(name: &str) -> bool {
    name == "weight" || ["ini", "include", "inherit"].contains(&name)
}

fn read(args: &[&str]) -> Reading {
    let source = Source::of_args(args.iter().copied());
    config::read(&Registry::new(&[]), &source, &magic::tests::machine())
}

fn given(reading: &Reading) -> Options {
    shared_options(reading, &Registry::new(&[]), &stays)
}

fn texts(options: &Options) -> Vec<String> {
    options.iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn received(options: Options) -> Reading {
    let group = "225.1.1.1:1717".to_owned();
    let own = vec![("weight".to_owned(), "3".to_owned())];
    let shared = Shared { group, version: 7, own, options };
    of_shared(&Registry::new(&[]), &magic::tests::machine(), &Arc::new(shared))
}

/// What a configuration is, but for what differs by nature.
fn checked(reading: Reading) -> String {
    let (registry, machine) = (Registry::new(&[]), magic::tests::machine());
    let mut config: Config =
        config::check(&registry, &machine, reading).expect("it is right").config;
    config.settings = uwsgi_plugin_api::Settings::default();
    config.sites.inherited.clear();
    config.runtime.config_files.clear();
    config.sockets.iter_mut().for_each(|socket| socket.origin.clear());
    format!("{config:#?}")
}

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

const WHOLE: &str = "\
[uwsgi]
base = /srv/%n
size = 4
declare-option = app=procname=$1;threads=$2
declare-option2 = late=harakiri=$1
set = listen=50
set-ph = word=hidden
http-socket = 192.0.2.*:8080
socket = :3031
master = true
processes = %(size)
app = shop:wsgi 2
late = 33
weight = 9
env = A=%(base)
unenv = B
env = A=again%%
if-exists = /
die-on-term = 1
endif =
for = a b
add-header = X: %(_)
endfor =
chmod-socket = 660
";

#[test]
fn what_travels_is_the_outcome_in_its_order() {
    let folder = tempfile::tempdir().unwrap();
    let ini = file(&folder, "one.ini", WHOLE);
    let options = given(&read(&["-p", "2", "--enable-threads", &ini, "pkg:app"]));
    let found = texts(&options);
    assert_eq!(
        found,
        [
            "procname=shop:wsgi",
            "threads=2",
            "processes=2",
            "enable-threads=1",
            "set-ph=base=/srv/one",
            "set-ph=size=4",
            "listen=50",
            "set-ph=word=hidden",
            "http-socket=192.0.2.*:8080",
            "socket=:3031",
            "master=true",
            "processes=4",
            "set-ph=app=shop:wsgi 2",
            "set-ph=late=33",
            "harakiri=33",
            "die-on-term=1",
            "add-header=X: a",
            "add-header=X: b",
            "chmod-socket=660",
            "env=A=/srv/one",
            "unenv=B",
            "env=A=again%",
            "argument=pkg:app",
        ]
    );
}

#[test]
fn it_means_the_same_there_and_travels_on_as_it_came() {
    let folder = tempfile::tempdir().unwrap();
    let ini = file(&folder, "one.ini", WHOLE);
    let here = read(&["-p", "2", "-C", &ini, "pkg:app"]);
    let options = given(&here);
    let there = received(options.clone());
    assert_eq!(given(&there), options);
    assert_eq!(checked(there), checked(here));
}

#[test]
fn what_looks_like_a_placeholder_is_none_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let ini = file(&folder, "two.ini", "[uwsgi]\npath = x\nprocname = %(nobody) $(NOBODY)\n");
    let options = given(&read(&[&ini]));
    assert_eq!(texts(&options), ["set-ph=path=x", "procname=%(nobody) $(NOBODY)"]);
    let (of_it, other) = (received(options), ("path".to_owned(), "x".to_owned()));
    assert_eq!(of_it.directives.last().unwrap().text(), "%(nobody) $(NOBODY)");
    let known = config::settings(&of_it, &Registry::new(&[]));
    assert!(known.pairs().contains(&other), "applications find it in uwsgi.opt");
}

#[test]
fn defaults_of_a_profile_travel_as_options_and_the_environment_of_strangers_does_not() {
    let source = Source {
        environment: vec![
            ("UWSGI_PROCESSES".into(), "3".into()),
            ("UWSGI_CACHE_HOME".into(), "/somewhere".into()),
        ],
        ..Source::of_args(["--profile=production"])
    };
    let reading = config::read(&Registry::new(&[]), &source, &magic::tests::machine());
    let found = texts(&given(&reading));
    assert!(found.contains(&"need-app=true".to_owned()), "{found:?}");
    assert!(!found.iter().any(|text| text.starts_with("profile")), "{found:?}");
    assert_eq!(found.last().map(String::as_str), Some("processes=3"));
}

#[test]
fn folders_of_variables_travel_as_variables() {
    let folder = tempfile::tempdir().unwrap();
    file(&folder, "NAME", "value\n");
    let envdir = format!("--envdir={}", folder.path().display());
    let options = given(&read(&[&envdir, "--env=NAME=before"]));
    assert_eq!(texts(&options), ["env=NAME=before", "env=NAME=value"]);
    assert_eq!(
        received(options.clone()).variables,
        read(&[&envdir, "--env=NAME=before"]).variables
    );
}

#[test]
fn only_what_stays_asks_for_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let ini = file(
        &folder,
        "own.ini",
        "[uwsgi]\nset-ph = a=b\nif-exists = /\nweight = 2\nendif =\nword = x\n",
    );
    let bare = |args: &[&str]| is_bare(&read(args), &Registry::new(&[]), &stays);
    for args in [&["--weight=1"][..], &["--weight=1", "--show-config"], &[&ini]] {
        assert!(bare(args), "{args:?}");
    }
    for args in
        [&["--weight=1", "-M"][..], &["--weight=1", "app.wsgi"], &["--env=A=b"], &[&ini, "-p", "2"]]
    {
        assert!(!bare(args), "{args:?}");
    }
    let own = own_options(&read(&[&ini, "-M"]), &Registry::new(&[]), &stays);
    assert_eq!(texts(&own), ["weight=2"]);
}

#[test]
fn what_is_wrong_is_told_with_where_it_came_from() {
    let options = [("processes", "many"), ("no-such", "1"), ("env", "=x"), ("set-ph", "x")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let (registry, machine) = (Registry::new(&[]), magic::tests::machine());
    let problems = config::check(&registry, &machine, received(options)).unwrap_err();
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert!(
        texts.iter().any(|text| text.contains("cluster 225.1.1.1:1717: processes = many")),
        "{texts:?}"
    );
    assert!(texts.iter().any(|text| text.contains("cluster 225.1.1.1:1717: env")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("cluster 225.1.1.1:1717: set-ph")), "{texts:?}");
}

#[test]
fn others_have_no_say_in_how_this_node_reaches_them() {
    let options = [("weight", "9"), ("set-ph", "weight=9"), ("set-ph", "a=b"), ("threads", "2")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let reading = received(admitted(options, &stays));
    let known: Vec<_> =
        reading.directives.iter().map(|one| (one.key.as_str(), one.text())).collect();
    assert_eq!(known, [("weight", "3"), ("a", "b"), ("threads", "2")]);
    assert_eq!(reading.problems.len(), 1, "{:?}", reading.problems);
    assert!(!reading.problems[0].is_error());
}

#[test]
fn it_is_in_the_snapshot_for_the_next_image() {
    let reading = received(vec![("processes".to_owned(), "2".to_owned())]);
    let snapshot = reading.snapshot.unwrap();
    let decoded = Snapshot::decode(&snapshot.encode().unwrap()).unwrap();
    let shared = decoded.shared().expect("it was noted").clone();
    assert_eq!((shared.version, shared.own.len(), shared.options.len()), (7, 1, 1));
    assert_eq!(Some(&shared), snapshot.shared());
    let source = Source { outside: Outside::Noted, ..Source::of_args(["-M"]) };
    let files = config::read(&Registry::new(&[]), &source, &magic::tests::machine());
    assert_eq!(files.snapshot.unwrap().shared(), None);
}
