//! What the options of this part mean, and what is said of wrong ones.

use std::time::Duration;

use crate::config::model::jobs::{Cron, Daemon, Field, Jobs, Schedule, Then};
use crate::config::{Source, load};
use crate::options::Registry;
use crate::sys::signal::Signal;

fn load_jobs(args: &[&str]) -> Result<Jobs, String> {
    let machine = crate::config::magic::tests::machine();
    match load(&Registry::new(&[]), &Source::of_args(args), &machine) {
        Ok(loaded) => Ok(loaded.config.jobs),
        Err(problems) => {
            Err(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        }
    }
}

#[track_caller]
fn cron(option: &str, text: &str) -> Cron {
    load_jobs(&[option, text]).expect(text).crons.remove(0)
}

#[track_caller]
fn daemon(option: &str, text: &str) -> Daemon {
    load_jobs(&[option, text]).expect(text).daemons.remove(0)
}

const ALWAYS: Schedule = Schedule {
    minute: Field::Every(1),
    hour: Field::Every(1),
    day: Field::Every(1),
    month: Field::Every(1),
    weekday: Field::Every(1),
};

#[test]
fn crons_by_position_and_by_keys() {
    let every = cron("--cron", "-1 -1 -1 -1 -1 a  b");
    assert_eq!((every.schedule, every.command.as_str(), every.unique), (ALWAYS, "a  b", false));
    let one = cron("--unique-cron", " 5 -2 31 12 7\techo x ");
    assert!(one.unique);
    let Schedule { minute, hour, day, month, weekday } = one.schedule;
    assert_eq!((minute, hour, day), (Field::At(5), Field::Every(2), Field::At(31)));
    assert_eq!((month, weekday), (Field::At(12), Field::At(0)));
    let two = cron("--cron2", "minute=-5,week=5,unique=1,harakiri=9 echo a=b, c");
    assert_eq!(two.schedule, Schedule { minute: Field::Every(5), weekday: Field::At(5), ..ALWAYS });
    assert_eq!((two.command.as_str(), two.unique), ("echo a=b, c", true));
    assert_eq!(two.harakiri, Some(Duration::from_secs(9)));
    assert_eq!(cron("--cron2", "echo default").schedule, ALWAYS);
}

#[test]
fn harakiri_is_the_crons_own_or_that_of_all() {
    let args = ["--cron-harakiri=7", "--cron2=harakiri=9 a", "--cron2=b", "--cron2=harakiri=0 c"];
    let crons = load_jobs(&args).unwrap().crons;
    let harakiri: Vec<_> = crons.iter().map(|cron| cron.harakiri.map(|it| it.as_secs())).collect();
    assert_eq!(harakiri, [Some(9), Some(7), None]);
}

#[test]
fn daemons_of_all_kinds() {
    let plain = daemon("--attach-daemon", "memcached -p 1");
    assert_eq!(
        (plain.command.as_str(), plain.pidfile, plain.control),
        ("memcached -p 1", None, false)
    );
    assert_eq!((plain.stop_signal, plain.throttle_max.as_secs()), (Signal::SIGTERM, 300));
    assert!(daemon("--attach-control-daemon", "x").control);
    let smart = daemon("--smart-attach-daemon", "/run/x.pid,3 x -d");
    assert_eq!((smart.pidfile, smart.freq.as_secs()), (Some("/run/x.pid".into()), 3));
    assert_eq!((smart.command.as_str(), smart.daemonize), ("x -d", false));
    let smart = daemon("--smart-attach-daemon2", "x.pid x");
    assert_eq!((smart.freq.as_secs(), smart.daemonize), (10, true));
}

#[test]
fn daemons_keep_the_standard_input_where_that_is_asked_for() {
    let args = ["--daemons-honour-stdin", "--attach-daemon=a", "--attach-daemon2=cmd=b,stdin=0"];
    let stdin = |args: &[&str]| -> Vec<bool> {
        load_jobs(args).unwrap().daemons.iter().map(|daemon| daemon.stdin).collect()
    };
    assert_eq!(stdin(&args), [true, false]);
    assert_eq!(stdin(&args[1..]), [false, false]);
}

#[test]
fn daemons_by_keys() {
    let text = "cmd=echo a\\,b,pidfile=/p,freq=4,control=1,daemonize=1,touch=a;b,stopsignal=2,reloadsignal=1,\
                notifypid=1,stdin=1,uid=www,gid=7,ns_pid=1,chdir=/usr,max_throttle=5";
    let daemon = daemon("--attach-daemon2", text);
    let expected = Daemon {
        text: format!("attach-daemon2 {text}"),
        command: "echo a,b".into(),
        pidfile: Some("/p".into()),
        daemonize: true,
        freq: Duration::from_secs(4),
        control: true,
        touch: vec!["a".into(), "b".into()],
        stop_signal: Signal::SIGINT,
        reload_signal: Some(Signal::SIGHUP),
        notify: true,
        stdin: true,
        uid: Some("www".into()),
        gid: Some("7".into()),
        pid_namespace: true,
        chdir: Some("/usr".into()),
        throttle_max: Duration::from_secs(5),
        gateway: None,
    };
    assert_eq!(daemon, expected);
}

#[test]
fn touches_and_mercy() {
    let jobs = load_jobs(&["--touch-exec", "f  touch a b", "--fs-reload=d"]).unwrap();
    assert_eq!(jobs.touches[0].then, Then::FsReload);
    assert_eq!(jobs.touches[1].then, Then::Run("touch a b".into()));
    assert_eq!(jobs.mercy.as_secs(), 3);
    assert_eq!(load_jobs(&["--reload-mercy=8"]).unwrap().mercy.as_secs(), 8);
}

#[test]
fn wrong_values_are_told_what_is_accepted() {
    let cron = "accepted: MINUTE HOUR DAY MONTH WEEKDAY COMMAND";
    for (option, value, expected) in [
        ("--cron", "1 2 3 4 5", cron),
        ("--cron", "1 2 3", cron),
        ("--cron", "* 2 3 4 5 x", "minute is \"*\"; accepted: 0 to 59, -1 for every"),
        ("--cron", "*/5 2 3 4 5 x", "(*/5 is written -5)"),
        ("--cron", "60 2 3 4 5 x", "minute is \"60\"; accepted: 0 to 59"),
        ("--cron", "1 24 3 4 5 x", "hour is \"24\"; accepted: 0 to 23"),
        ("--cron", "1 2 0 4 5 x", "day is \"0\"; accepted: 1 to 31"),
        ("--cron", "1 2 3 13 5 x", "month is \"13\"; accepted: 1 to 12"),
        ("--unique-cron", "1 2 3 4 8 x", "week is \"8\"; accepted: 0 to 7"),
        ("--unique-cron", "-61 2 3 4 8 x", "minute is \"-61\"; accepted: 0 to 59"),
        ("--cron2", "minute=5", "no command; accepted: KEY=VALUE,... COMMAND"),
        ("--cron2", "minute=x y", "minute is \"x\"; accepted: 0 to 59"),
        (
            "--cron2",
            "min=1 y",
            "no key is called \"min\"; accepted: minute, hour, day, month, week, unique, harakiri, legion",
        ),
        ("--cron2", "unique=maybe y", "unique is \"maybe\"; accepted: 1, true, 0, false"),
        ("--cron2", "harakiri=-1 y", "harakiri is \"-1\"; accepted: a whole number from 0"),
        ("--cron2", "legion=l y", "there are no legions"),
        ("--attach-daemon", " ", "no command; accepted: a command for the shell"),
        ("--smart-attach-daemon", "x", "accepted: PIDFILE COMMAND, or PIDFILE,SECONDS COMMAND"),
        (
            "--smart-attach-daemon2",
            "x,y z",
            "accepted: PIDFILE COMMAND, or PIDFILE,SECONDS COMMAND",
        ),
        ("--attach-daemon2", "pidfile=x", "no command; accepted: the key command, cmd or exec"),
        (
            "--attach-daemon2",
            "sleep 5",
            "no key is called \"sleep 5\"; accepted: command, cmd, exec, touch",
        ),
        ("--attach-daemon2", "cmd=x,daemonize=1", "accepted: the key pidfile"),
        (
            "--attach-daemon2",
            "cmd=x,stopsignal=99",
            "stopsignal is \"99\"; accepted: a whole number from 1 to 31",
        ),
        (
            "--attach-daemon2",
            "cmd=x,notifypid=1",
            "accepted: together with the keys pidfile and reloadsignal",
        ),
        ("--touch-exec", "file", "accepted: FILE COMMAND"),
        ("--touch-reload", "", "no file is named; accepted: the path of a file"),
    ] {
        let problems = load_jobs(&[&format!("{option}={value}")]).expect_err(value);
        let place = format!("error: {option} {value}: ");
        assert!(problems.contains(&place) && problems.contains(expected), "{value}: {problems}");
    }
}
