//! Files whose change has consequences.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use nix::sys::signal::Signal;

use crate::support::{Server, Setup, eventually};

fn master() -> Setup {
    Setup::uwsgi().master(1)
}

/// Makes a file, or makes one that is there newer by more than the second that the original counts in.
pub fn touch(path: &Path) {
    static LATER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(10);
    let later = LATER.fetch_add(10, std::sync::atomic::Ordering::Relaxed);
    let file = File::options().create(true).append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(later)).unwrap();
}

/// A server that has seen that `name` is not there.
#[track_caller]
pub fn without(setup: Setup, name: &str) -> Server {
    let server = setup.start();
    server.wait_for(&format!(
        "<*>unable to stat() {name}, events will be triggered as soon as the file is created"
    ));
    server
}

#[test]
fn touched_files_reload() {
    for (option, line) in [
        ("--touch-reload", "<*>*** file has been touched... grace them all !!! ***"),
        ("--touch-workers-reload", "<*>*** file has been touched... workers reload !!! ***"),
        ("--touch-chain-reload", "<*>*** file has been touched... chain reload !!! ***"),
    ] {
        let server = without(master().args([option, "file"]), "file");
        for _ in 0..2 {
            let before = server.worker(1);
            let mark = server.log.mark();
            touch(&server.path("file"));
            server.log.wait_for_since(mark, line);
            eventually("another worker", || server.worker(1) != before);
            // Only now does the original look at files again.
            server.log.wait_for_since(mark, "<*>pawned uWSGI worker 1 (<*>");
            server.wait_ready(1);
            if option == "--touch-chain-reload" {
                break; // The original takes an unknown while to complete the chain.
            }
        }
    }
}

#[test]
fn a_file_that_disappears_was_touched() {
    let server = without(master().args(["--touch-workers-reload", "file"]), "file");
    let line = "<*>*** file has been touched... workers reload !!! ***";
    touch(&server.path("file"));
    server.wait_for(line);
    let mark = server.log.mark();
    fs::remove_file(server.path("file")).unwrap();
    server.log.wait_for_since(mark, line);
}

#[test]
fn a_touched_file_runs_a_command() {
    let server =
        without(master().args(["--touch-exec", "file echo it was $((1 + 1)) touched"]), "file");
    touch(&server.path("file"));
    server.wait_for("<*>[uwsgi-touch-exec] running echo it was $((1 + 1)) touched");
    server.wait_for("it was 2 touched");
}

#[test]
fn a_command_of_a_touched_file_works_after_a_reload_too() {
    ours_only!("it has cut its own arguments into pieces by then");
    let server = without(master().args(["--touch-exec", "file echo touched"]), "file");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "<*>gracefully (RE)spawned uWSGI master process (pid: <N>)");
    touch(&server.path("file"));
    server.log.wait_for_since(mark, "touched");
}

#[test]
fn log_files_are_rotated_and_opened_anew_by_touch() {
    let setup = master().args(["--touch-logrotate", "rotate", "--touch-logreopen", "reopen"]);
    let server = setup.args(["--logto", "log"]).launch();
    let log = server.path("log");
    let text = || fs::read_to_string(&log).unwrap_or_default();
    for name in ["rotate", "reopen"] {
        let line = format!("unable to stat() {name},");
        eventually("a look at the file", || text().contains(&line));
    }
    touch(&server.path("rotate"));
    eventually("a log of its own", || !text().contains("spawned uWSGI master process"));
    fs::rename(&log, server.path("moved")).unwrap();
    touch(&server.path("reopen"));
    eventually("another log", || log.exists());
}

#[test]
fn changes_below_a_directory_reload() {
    for (option, line) in [
        ("--fs-reload", "...gracefully killing workers..."),
        ("--fs-brutal-reload", "...brutally killing workers..."),
    ] {
        let setup = master().file("folder/file", "a").args([option, "folder"]);
        let server = setup.start();
        server.wait_for("<*>[uwsgi-fsmon] registered monitor for \"folder\"");
        let before = server.worker(1);
        fs::write(server.path("folder/file"), "b").unwrap();
        server.wait_for("<*>[uwsgi-fsmon] detected event on \"folder\"");
        server.wait_for(line);
        eventually("another worker", || server.worker(1) != before);
    }
}

#[test]
fn a_file_for_fs_reload_may_come_later() {
    ours_only!("it never looks at one that was not there at the start");
    let server = without(master().args(["--fs-reload", "sub/file"]), "sub/file");
    let before = server.worker(1);
    fs::create_dir(server.path("sub")).unwrap();
    fs::write(server.path("sub/file"), "a").unwrap();
    server.wait_for("<*>[uwsgi-fsmon] detected event on \"sub/file\"");
    eventually("another worker", || server.worker(1) != before);
}
