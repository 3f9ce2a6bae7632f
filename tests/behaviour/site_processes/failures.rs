//! Sites that crash, hang, leak, die or do not load: nothing to the others.

use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::Signal;

use super::{APP, ask, count, get, setup};
use crate::support::python::public;
use crate::support::{Load, eventually, process};

#[test]
fn a_crash_of_one_is_nothing_to_the_other() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().start();
    get(&server, "one");
    let load = Load::of(&server, ask(&server, "two", "/"), 2, |text| text.starts_with("two "));
    load.wait_answers(20);
    let victims: Vec<i32> = (0..3)
        .map(|_| {
            let worker = get(&server, "one").worker;
            assert_eq!(server.raw(&ask(&server, "one", "/crash")), b"");
            worker
        })
        .collect();
    load.wait_answers(20);
    load.stop_without_failure();
    assert!(victims.iter().all(|pid| !process::alive(*pid)));
    assert_eq!(count(&server, "site two: started"), 1);
}

#[test]
fn one_that_hangs_meets_its_harakiri_alone() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--harakiri", "1"]).start();
    let load = Load::of(&server, ask(&server, "two", "/"), 2, |text| text.starts_with("two "));
    load.wait_answers(20);
    assert_eq!(server.send(&ask(&server, "one", "/hang")).status, 504);
    assert_eq!(get(&server, "one").name, "one");
    load.wait_answers(20);
    load.stop_without_failure();
}

#[test]
fn one_that_leaks_is_replaced_alone() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--site-option", "reload-on-rss=120"]).start();
    let load = Load::of(&server, ask(&server, "two", "/"), 2, |text| text.starts_with("two "));
    load.wait_answers(20);
    let first = get(&server, "one").worker;
    for _ in 0..12 {
        assert_eq!(server.send(&ask(&server, "one", "/leak")).status, 200);
    }
    eventually("another worker of the site", || get(&server, "one").worker != first);
    load.wait_answers(20);
    load.stop_without_failure();
    assert_eq!(count(&server, "site two: started"), 1);
}

#[test]
fn one_that_is_killed_comes_back() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().start();
    let first = get(&server, "one");
    process::send(first.master, Signal::SIGKILL);
    let second = get(&server, "one");
    server.wait_for("site one: DIED (<*>");
    eventually("the orphan's end", || !process::alive(first.worker));
    assert!(!process::alive(first.master) && second.name == "one");
    // While it starts.
    let third = get(&server, "one");
    process::send(third.master, Signal::SIGKILL);
    server.log.wait_for_since(0, "site one: DIED (<*>");
    assert_eq!(get(&server, "one").name, "one");
}

#[test]
fn its_master_killed_under_load_costs_no_request() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().start();
    let load = Load::of(&server, ask(&server, "one", "/"), 4, |text| text.starts_with("one "));
    for round in 1..=2 {
        load.wait_answers(50);
        process::send(get(&server, "one").master, Signal::SIGKILL);
        eventually("the next instance", || count(&server, "site one: started") > round);
    }
    load.wait_answers(50);
    load.stop_without_failure();
}

#[test]
fn one_that_leaks_is_recycled_alone() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--site-option", "limit-as=600"]).start();
    let load = Load::of(&server, ask(&server, "two", "/"), 2, |text| text.starts_with("two "));
    load.wait_answers(20);
    eventually("a worker that is recycled", || {
        server.send(&ask(&server, "one", "/leak"));
        server.logged("site one: Respawned uWSGI worker 1 (new pid: <N>)")
    });
    load.wait_answers(20);
    load.stop_without_failure();
}

#[test]
fn a_broken_site_answers_500_until_it_is_mended() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().file("one/one.py", "import nothing_of_this_name\n").start();
    let answer = server.send(&ask(&server, "one", "/"));
    assert_eq!(answer.status, 500);
    assert!(answer.header("X-Request-Id").is_some(), "{answer:?}");
    assert_eq!(get(&server, "two").name, "two");
    std::fs::write(server.path("one/one.py"), APP).unwrap();
    eventually("the mended site", || server.send(&ask(&server, "one", "/")).status == 200);
}

#[test]
fn a_site_without_its_virtualenv_answers_500_at_once() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().args(["--site-option", "idle=2"]).start();
    let request = || ask(&server, "one", "/").var("UWSGI_PYHOME", "/nonexistent/venv");
    for _ in 0..3 {
        let answer = server.send(&request());
        assert_eq!(answer.status, 500);
        assert!(answer.header("X-Request-Id").is_some(), "{answer:?}");
    }
    server.wait_for("site one: cannot be started, answers 500 (pid <N>)");
    assert_eq!(get(&server, "two").name, "two");
}

#[test]
fn a_site_that_dies_while_it_loads_answers_500() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().file("one/one.py", "import ctypes\nctypes.string_at(0)\n").start();
    assert_eq!(server.send(&ask(&server, "one", "/")).status, 500);
    assert_eq!(get(&server, "two").name, "two");
}

/// Ends the channel by which requests come to it.
const SHUTS: &str = "\
import os, socket
def application(environ, start_response):
    start_response('200 OK', [])
    if environ['PATH_INFO'] == '/shut':
        text = open('/proc/self/environ').read().split('UWSGI_RS_PASSED=')[1].split(chr(0))[0]
        passed = dict(reversed(line.split('=')) for line in text.splitlines())
        socket.socket(fileno=os.dup(int(passed['site-take']))).shutdown(socket.SHUT_RDWR)
    return [str(os.getppid()).encode()]
";

#[test]
fn a_site_that_shuts_its_channel_is_replaced() {
    ours_only!("uWSGI loads what requests name into its workers");
    let server = setup().file("shuts/shuts.py", SHUTS).start();
    let first = server.send(&ask(&server, "shuts", "/shut"));
    assert_eq!(first.status, 200);
    let second = server.send(&ask(&server, "shuts", "/"));
    assert_eq!(second.status, 200);
    assert_ne!(first.text(), second.text());
    get(&server, "one");
    assert_eq!(count(&server, "site shuts: started"), 2, "it is not started over and over");
}

/// Makes a connection up, with a request of another host in it, and gives it away by every channel that it has.
const FORGES: &str = "\
import array, os, socket, struct
def application(environ, start_response):
    names = dict(REQUEST_METHOD='GET', REQUEST_URI='/', PATH_INFO='/', SERVER_NAME='victim.example',
                 UWSGI_SCRIPT='two', UWSGI_CHDIR=environ['UWSGI_CHDIR'].replace('forges', 'two'))
    block = b''.join(struct.pack('<H', len(one)) + one.encode() for pair in names.items() for one in pair)
    packet = struct.pack('<BHB', 0, len(block), 0) + block
    listener, address = environ['LISTENER'].encode(), b'127.0.0.1'
    numbers = struct.pack('<HIIHHB', 0, 0, 4000, 1, len(listener), len(address))
    parcel = bytes([3]) + b'cuu' + bytes([0]) + numbers + listener + address + packet
    own, other = socket.socketpair()
    sent = 0
    for fd in os.listdir('/proc/self/fd'):
        try:
            channel = socket.socket(fileno=os.dup(int(fd)))
            if channel.type == socket.SOCK_SEQPACKET:
                channel.sendmsg([parcel], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [own.fileno()]))])
                sent += 1
        except OSError:
            pass
    start_response('200 OK', [])
    return [b'%d' % sent]
";

#[test]
fn a_site_of_another_user_cannot_have_others_loaded() {
    ours_only!("uWSGI loads what requests name into its workers");
    needs!(nix::unistd::geteuid().is_root() && public(), "only root starts others");
    let setup = setup().public_python().file("forges/forges.py", FORGES).args([
        "--vhost",
        "--site-option",
        "bad.example:uid=12345",
    ]);
    std::fs::set_permissions(setup.path(""), PermissionsExt::from_mode(0o755)).unwrap();
    let server = setup.start();
    let listener = format!("127.0.0.1:{}", server.address().port());
    let bad = ask(&server, "forges", "/").var("LISTENER", &listener);
    let answer = server.send(&bad.var("SERVER_NAME", "bad.example"));
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_ne!(answer.text(), "0");
    // Whatever it has sent, both workers have looked at it when they have served these.
    for _ in 0..20 {
        let one = server.send(&ask(&server, "one", "/").var("SERVER_NAME", "good.example"));
        assert_eq!(one.status, 200);
    }
    assert_eq!(count(&server, "site victim.example"), 0, "{}", server.log.text());
}
