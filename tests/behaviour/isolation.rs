//! Limits, processors, namespaces, another root, rights.

use nix::sys::signal::Signal;
use nix::unistd::geteuid;

use crate::support::{Setup, eventually, process};

/// A line of the limits of a process: soft and hard.
fn limit(pid: i32, name: &str) -> (String, String) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let mut words = line.split_ascii_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.next().unwrap())
}

#[test]
fn workers_are_bound_to_processors_in_turns() {
    let all = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).unwrap();
    let all: Vec<_> = (0..1024).filter(|&number| all.is_set(number).unwrap()).collect();
    needs!(all.len() > 1, "it takes two processors");
    let server = Setup::uwsgi().master(3).args(["--cpu-affinity", "1"]).start();
    for worker in 1..=3 {
        let processor = all[(worker - 1) % all.len()];
        server.wait_for(&format!("mapping worker {worker} to CPUs: {processor}"));
        let pid = server.worker(worker as u32);
        eventually("the binding", || {
            process::status_line(pid, "Cpus_allowed_list") == Some(processor.to_string())
        });
    }
}

#[test]
fn processes_have_the_limits_and_the_priority_that_were_asked_for() {
    let server = Setup::uwsgi()
        .master(1)
        .args(["--max-fd", "333", "--limit-nproc", "4444", "--prio", "5"])
        .start();
    for line in [
        "limiting number of processes to 4444...",
        "your processes number limit is 4444",
        "scheduler priority set to 5",
        "detected max file descriptor number: 333",
    ] {
        server.wait_for(line);
    }
    for pid in [server.pid(), server.worker(1)] {
        assert_eq!(limit(pid, "Max open files").0, "333");
        assert_eq!(limit(pid, "Max processes"), ("4444".into(), "4444".into()));
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        assert_eq!(stat.rsplit_once(')').unwrap().1.split(' ').nth(17), Some("5"), "{stat}");
    }
}

#[test]
fn a_limit_that_cannot_be_had_is_an_error() {
    ours_only!("it goes on without");
    let (status, log) = Setup::uwsgi().args(["--max-fd", "1000000000"]).run();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("--max-fd 1000000000: Operation not permitted"), "{log}");
}

#[test]
fn a_host_name_in_a_namespace_is_not_the_machines() {
    needs!(geteuid().is_root(), "only root leaves namespaces");
    let before = nix::unistd::gethostname().unwrap();
    let server = Setup::uwsgi()
        .master(1)
        .args(["--unshare", "uts", "--hook-post-jail", "hostname:inside"])
        .args(["--hook-as-user", "exec:echo name $(hostname)"])
        .start();
    server.wait_for("[linux-namespace] applied unshare() mask: <N>");
    server.wait_for("name inside");
    let namespace = |pid: i32| std::fs::read_link(format!("/proc/{pid}/ns/uts")).unwrap();
    assert_ne!(namespace(server.worker(1)), std::fs::read_link("/proc/self/ns/uts").unwrap());
    assert_eq!(namespace(server.worker(1)), namespace(server.pid()));
    assert_eq!(nix::unistd::gethostname().unwrap(), before);
}

#[test]
fn mounts_in_a_namespace_stay_there() {
    ours_only!("they reach the machine where its mounts are shared");
    needs!(geteuid().is_root(), "only root mounts");
    let setup = Setup::uwsgi();
    let inside = setup.path("inside");
    std::fs::create_dir(&inside).unwrap();
    let server = setup
        .master(1)
        .args(["--unshare", "mount", "--mount-in-jail", "tmpfs none inside ro"])
        .start();
    server.wait_for("mounting \"tmpfs none inside ro\" (in-jail)...");
    let mounts =
        |process: &str| std::fs::read_to_string(format!("/proc/{process}/mounts")).unwrap();
    let inside = inside.to_string_lossy().into_owned();
    assert!(mounts(&server.worker(1).to_string()).contains(&inside));
    assert!(!mounts("self").contains(&inside));
}

#[test]
fn a_mount_that_fails_ends_the_start() {
    needs!(geteuid().is_root(), "only root mounts");
    for option in ["--mount-asap=tmpfs none /nonexistent", "--umount-asap=/nonexistent"] {
        let (status, log) = Setup::uwsgi().arg(option).run();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains("No such file or directory"), "{log}");
    }
}

#[test]
fn the_root_changes_before_hooks_run_as_root() {
    ours_only!("exit has always the status 0 there");
    needs!(geteuid().is_root(), "only root changes the root");
    let setup = Setup::uwsgi();
    let inside = setup.path("inside");
    std::fs::create_dir(&inside).unwrap();
    let mut server = setup
        .args(["--chroot", "inside", "--hook-as-root", "write:/root here"])
        .args(["--hook-as-user", "write:/user too", "--hook-as-user", "exit:3"])
        .launch();
    assert_eq!(server.wait().code(), Some(3), "{}", server.log.text());
    server.wait_for("chroot() to inside");
    for (name, text) in [("inside/root", "here"), ("inside/user", "too")] {
        assert_eq!(std::fs::read_to_string(server.path(name)).unwrap(), text);
    }
}

#[test]
fn a_root_that_is_not_there_is_an_error() {
    needs!(geteuid().is_root(), "only root changes the root");
    let (status, log) = Setup::uwsgi().args(["--chroot", "/nonexistent"]).run();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("No such file or directory"), "{log}");
}

#[test]
fn a_server_can_have_a_namespace_of_processes() {
    ours_only!("it cannot be stopped from outside");
    needs!(geteuid().is_root(), "only root leaves namespaces");
    let mut server =
        Setup::uwsgi().master(1).args(["--unshare", "pid", "--refork-post-jail"]).start();
    server.wait_for("spawned uWSGI master process (pid: 1)");
    assert_eq!(server.get("/hello").text(), "hello");
    let inside = process::children(server.pid());
    assert_eq!(inside.len(), 1);
    assert_eq!(server.stop().code(), Some(0));
    assert!(!process::alive(inside[0]));
    server.wait_for("goodbye to uWSGI.");
}

#[test]
fn a_reload_stays_in_the_namespaces() {
    ours_only!("it leaves them again, and its first process is deaf");
    needs!(geteuid().is_root(), "only root leaves namespaces");
    let server = Setup::uwsgi()
        .master(1)
        .args(["--unshare", "pid,uts", "--refork-as-root", "--hook-in-jail", "print:in the jail"])
        .args(["--cap", "sys_admin,net_bind_service"])
        .start();
    let inside = || process::children(server.pid())[0];
    let namespace =
        || ["pid", "uts"].map(|name| std::fs::read_link(format!("/proc/{}/ns/{name}", inside())));
    let before = namespace().map(Result::unwrap);
    server.wait_for("in the jail");
    let mark = server.log.mark();
    server.signal(Signal::SIGHUP);
    server.log.wait_for_since(mark, "in the jail");
    server.log.wait_for_since(mark, "gracefully (RE)spawned uWSGI master process (pid: 1)");
    assert_eq!(namespace().map(Result::unwrap), before);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn what_is_kept_of_roots_rights_outlives_the_change_of_the_user() {
    ours_only!("it is built without capabilities");
    needs!(geteuid().is_root(), "only root has rights to keep");
    let server = Setup::uwsgi()
        .master(1)
        .public_python()
        .args(["--uid", "65534", "--gid", "65533", "--cap", "net_bind_service,kill"])
        .args(["--hook-as-user", "exec:grep Cap /proc/self/status"])
        .start();
    for set in ["Inh", "Prm", "Eff", "Bnd", "Amb"] {
        server.wait_for(&format!("Cap{set}:\t0000000000000420"));
        let key = format!("Cap{set}");
        let kept = process::status_line(server.worker(1), &key);
        assert_eq!(kept.as_deref(), Some("0000000000000420"), "{key}");
    }
}

#[test]
fn further_groups_are_taken() {
    ours_only!("it takes them only where gid is given too");
    needs!(geteuid().is_root(), "only root takes groups");
    let server = Setup::uwsgi()
        .master(1)
        .public_python()
        .args(["--uid", "65534", "--gid", "65533", "--add-gid", "7", "--add-gid", "8"])
        .start();
    let groups = process::status_line(server.worker(1), "Groups").unwrap();
    let groups: Vec<_> = groups.split_ascii_whitespace().collect();
    assert!(groups.contains(&"7") && groups.contains(&"8"), "{groups:?}");
}

#[test]
fn what_is_no_namespace_or_right_is_an_error_of_the_configuration() {
    ours_only!("it tells it in other words");
    for (option, said) in [
        ("--unshare=bogus", "there is no namespace \"bogus\"; accepted: mount, "),
        ("--unshare=pid", "accepted: with refork-as-root = true"),
        ("--cap=fly", "there is no capability \"fly\"; accepted: "),
        ("--pivot-root=one", "accepted: NEW OLD, two directories"),
        ("--prio=21", "out of range; accepted: a whole number from -20 to 20"),
    ] {
        let (status, log) = Setup::uwsgi().arg(option).run();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(said), "{option}: {log}");
    }
}
