//! Reading and checking a configuration of 500 lines: milliseconds of CPU a start pays for it.
//!
//! `cargo bench --bench configuration`; with `UWSGI_ORIGINAL=PROGRAM` the whole process is compared with uWSGI's, by turns
//! (`--get` reads everything, prints one value and ends).
#![allow(clippy::unwrap_used)] // a bench may panic

use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use uwsgi::config::{self, Source};
use uwsgi::options::Registry;
use uwsgi::sys::machine::Machine;

const ROUNDS: usize = 31;
const LINES: usize = 500;

/// Options, placeholders, comments and conditions, as long files have them.
fn text() -> String {
    let options = [
        "processes = 4",
        "harakiri = 30 # half a minute",
        "vacuum = true",
        "chdir = %d",
        "log-4xx = true",
        "cheaper = 2",
        "touch-reload = %p",
        "; a comment",
    ];
    let mut lines = vec!["[uwsgi]".to_owned(), "socket = 127.0.0.1:0".to_owned()];
    while lines.len() < LINES {
        let number = lines.len();
        match number % 5 {
            0 => lines.push(format!("env = NAME_{number}=%(base{})/{number}", number % 7)),
            1 => lines.push(format!("base{} = /srv/%n/{number}", number % 7)),
            2 => lines.push(format!("if-env = HOME\npythonpath = /srv/%(_)/{number}\nendif =")),
            _ => lines.push(options[number % options.len()].to_owned()),
        }
    }
    lines.join("\n")
}

fn cpu(who: UsageWho) -> Duration {
    let usage = getrusage(who).unwrap();
    let micros = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap()
    };
    Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time()))
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

fn measured(who: UsageWho, mut run: impl FnMut()) -> Duration {
    let before = cpu(who);
    run();
    cpu(who) - before
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bench.ini");
    std::fs::write(&file, text()).unwrap();
    let machine = Machine::detect();
    let inside = (0..ROUNDS).map(|_| {
        measured(UsageWho::RUSAGE_SELF, || {
            let registry = Registry::new(&[]);
            let source = Source::of_args([std::ffi::OsStr::new("--ini"), file.as_os_str()]);
            let reading = config::read(&registry, &source, &machine);
            assert!(config::check(&registry, &machine, reading).is_ok());
        })
    });
    println!("read and check: {:.2} ms of CPU", median(inside.collect()));

    let start = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--ini").arg(&file).args(["--get", "processes"]);
        let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
        assert!(status.success(), "{program}");
    };
    let ours = env!("CARGO_BIN_EXE_uwsgi");
    let Ok(original) = std::env::var("UWSGI_ORIGINAL") else {
        return println!("UWSGI_ORIGINAL names no program to compare with");
    };
    let (mut us, mut them) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        us.push(measured(UsageWho::RUSAGE_CHILDREN, || start(ours)));
        them.push(measured(UsageWho::RUSAGE_CHILDREN, || start(&original)));
    }
    let (us, them) = (median(us), median(them));
    println!("the whole process: {us:.2} ms, uWSGI {them:.2} ms, ratio {:.2}", us / them);
}
