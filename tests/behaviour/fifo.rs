//! Every command of the master's fifo (behaviour note 3.7).

use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};

use nix::sys::signal::Signal;

use crate::support::setup::original;
use crate::support::{Connection, Request, Server, Setup, eventually, fifo, process};

/// Two workers and a fifo.
fn two() -> Setup {
    Setup::uwsgi().master(2).fifo()
}

/// Waits until the state of the instance is written to the log once more: the command before was read.
#[track_caller]
fn statistics(server: &Server) {
    let mark = server.log.mark();
    server.fifo("s");
    server.log.wait_for_since(mark, "<*>total requests: <N>");
}

/// A connection whose request `target` runs in one of the workers.
#[track_caller]
fn running(server: &Server, target: &str) -> Connection {
    let mut connection = server.connect();
    connection.send(Request::get(target).to_packet());
    eventually("the request in the application", || server.path("running").exists());
    connection
}

/// An application that tells that it runs by a file, and answers when another one appears.
const WAITING: &str = "
import os, time
def application(environ, start_response):
    if environ['PATH_INFO'] == '/wait':
        open('running', 'w').close()
        while not os.path.exists('finish'):
            time.sleep(0.01)
    start_response('200 OK', [])
    return [os.environ.get('UWSGI_RELOADS', '0').encode()]
";

fn waiting() -> Setup {
    let setup = Setup::unix_socket().file("waiting.py", WAITING);
    setup.args(["--wsgi-file", "waiting.py"]).master(2).fifo()
}

fn finish(server: &Server) {
    std::fs::write(server.path("finish"), "").unwrap();
}

#[test]
fn fifo_is_made_for_its_owner_alone() {
    let server = two().args(["--umask", "000"]).start();
    statistics(&server);
    // The original makes it anew when a writer has closed it: for a moment there is none.
    eventually("the fifo of its owner", || {
        std::fs::metadata(server.path("fifo")).is_ok_and(|data| {
            data.file_type().is_fifo() && data.permissions().mode() & 0o777 == 0o600
        })
    });
}

#[test]
fn removed_fifo_is_made_again() {
    ours_only!("it looks after a writer has closed only: nobody can write to what is removed");
    let server = two().start();
    statistics(&server);
    let before = std::fs::metadata(server.path("fifo")).unwrap().ino();
    std::fs::remove_file(server.path("fifo")).unwrap();
    eventually("another fifo", || {
        std::fs::metadata(server.path("fifo")).is_ok_and(|data| data.ino() != before)
    });
    statistics(&server);
}

#[test]
fn fifo_removed_beneath_a_writer_is_made_again() {
    let server = two().start();
    statistics(&server);
    let mut writer = None;
    eventually("a writer", || {
        writer = fifo::open(&server.path("fifo")).ok();
        writer.is_some()
    });
    std::fs::remove_file(server.path("fifo")).unwrap();
    let mark = server.log.mark();
    std::io::Write::write_all(writer.as_mut().unwrap(), b"s").unwrap();
    server.log.wait_for_since(mark, "<*>total requests: <N>");
    drop(writer);
    statistics(&server);
}

#[test]
fn unknown_bytes_are_ignored() {
    let server = two().start();
    let before = server.workers(2);
    let mark = server.log.mark();
    server.fifo("xyz\n\0 \u{7f}s\n");
    server.log.wait_for_since(mark, "<*>total requests: <N>");
    assert_eq!(server.workers(2), before);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn digits_choose_the_fifo_that_is_read() {
    let server = two().args(["--master-fifo", "second"]).start();
    statistics(&server);
    server.fifo("1");
    // Only the active one has a reader.
    eventually("the switch", || !fifo::try_write(&server.path("fifo"), b"x"));
    let mark = server.log.mark();
    fifo::write(&server.path("second"), b"s");
    server.log.wait_for_since(mark, "<*>total requests: <N>");
    fifo::write(&server.path("second"), b"0");
    eventually("the switch back", || !fifo::try_write(&server.path("second"), b"x"));
    statistics(&server);
}

#[test]
fn digit_without_a_fifo_changes_nothing() {
    let server = two().start();
    server.fifo("7");
    statistics(&server);
}

#[test]
fn ten_fifos_are_served() {
    let mut setup = two();
    for number in 1..10 {
        setup = setup.args(["--master-fifo", &format!("fifo{number}")]);
    }
    let server = setup.start();
    server.fifo("9");
    let mark = server.log.mark();
    fifo::write(&server.path("fifo9"), b"s");
    server.log.wait_for_since(mark, "<*>total requests: <N>");
}

#[test]
fn r_reloads_and_requests_finish() {
    let server = waiting().start();
    let before = server.workers(2);
    let mut connection = running(&server, "/wait");
    let mark = server.log.mark();
    server.fifo("r");
    server.log.wait_for_since(mark, "...gracefully killing workers...");
    finish(&server);
    assert_eq!(connection.answer(false).text(), "0", "answered by the old generation");
    server.wait_replaced(&before);
    assert_eq!(server.get("/").text(), "1", "a new generation");
    assert!(process::alive(server.pid()));
}

#[test]
fn big_r_reloads_and_cuts_requests_off() {
    let server = waiting().start();
    let before = server.workers(2);
    let mut connection = running(&server, "/wait");
    let mark = server.log.mark();
    server.fifo("R");
    assert_eq!(connection.rest(), b"");
    server.log.wait_for_since(mark, "...brutally killing workers...");
    server.wait_replaced(&before);
    assert_eq!(server.get("/").text(), "1", "a new generation");
}

#[test]
fn w_replaces_workers_and_requests_finish() {
    let server = waiting().start();
    let before = server.workers(2);
    let mut connection = running(&server, "/wait");
    server.fifo("w");
    // The idle one goes first, so the command was read.
    eventually("another worker", || server.workers(2) != before);
    finish(&server);
    assert_eq!(connection.answer(false).text(), "0");
    server.wait_replaced(&before);
    assert_eq!(server.get("/").text(), "0", "the same generation");
}

#[test]
fn big_w_replaces_workers_and_cuts_requests_off() {
    let server = waiting().start();
    let before = server.workers(2);
    let mut connection = running(&server, "/wait");
    server.fifo("W");
    assert_eq!(connection.rest(), b"");
    server.wait_replaced(&before);
    assert_eq!(server.get("/").text(), "0", "the same generation");
}

#[test]
fn c_replaces_one_worker_after_the_other() {
    let code = "import os, time, uwsgi\n\
                print('loading in %d' % os.getpid(), flush=True)\n\
                while uwsgi.worker_id() == 1 and os.path.exists('hold'):\n    time.sleep(0.01)\n\
                def application(e, s):\n    s('200 OK', [])\n    return [b'served']\n";
    let setup = Setup::unix_socket().file("app.py", code);
    let server = setup.args(["--wsgi-file", "app.py", "--lazy-apps"]).master(2).fifo().start();
    for worker in server.workers(2) {
        // It is past the place where it would wait.
        server.wait_for(&format!("WSGI app 0 <*> pid: {worker} <*>"));
    }
    let before = server.workers(2);
    std::fs::write(server.path("hold"), "").unwrap();
    server.fifo("c");
    eventually("a new worker 1", || server.worker(1) != before[0]);
    server.wait_for(&format!("loading in {}", server.worker(1)));
    // Worker 1 loads as long as the file is there, and worker 2 has to wait and serves.
    for _ in 0..5 {
        statistics(&server);
        assert_eq!(server.get("/").text(), "served");
    }
    assert_eq!(server.worker(2), before[1]);
    std::fs::remove_file(server.path("hold")).unwrap();
    server.wait_replaced(&before);
}

#[test]
fn q_stops_when_requests_are_done() {
    let mut server = waiting().start();
    let mut connection = running(&server, "/wait");
    let mark = server.log.mark();
    server.fifo("q");
    server.log.wait_for_since(mark, "<*>graceful shutdown triggered...");
    finish(&server);
    assert_eq!(connection.answer(false).text(), "0");
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for("goodbye to uWSGI.");
}

#[test]
fn big_q_stops_at_once() {
    let mut server = waiting().start();
    let mut connection = running(&server, "/wait");
    server.fifo("Q");
    assert_eq!(connection.rest(), b"");
    assert_eq!(server.wait().code(), Some(0));
    server.wait_for("goodbye to uWSGI.");
}

#[test]
fn p_pauses_and_resumes() {
    let server = waiting().start();
    server.fifo("p");
    for number in [1, 2] {
        server.wait_for(&format!("<*>*** worker {number} suspended ***"));
    }
    let mut connection = server.connect();
    connection.send(Request::get("/wait").to_packet());
    for _ in 0..5 {
        statistics(&server); // time in which a worker that takes requests would have taken it
    }
    assert!(!server.path("running").exists(), "a request was taken during the pause");
    finish(&server);
    server.fifo("p");
    assert_eq!(connection.answer(false).text(), "0");
    server.wait_for("<*>resuming workers ***");
}

#[test]
fn big_c_waits_for_a_connection_without_workers() {
    let server = waiting().start();
    let before = server.workers(2);
    server.fifo("C");
    for worker in &before {
        eventually("the end of a worker", || !process::alive(*worker));
    }
    server.wait_for("cheap mode enabled: waiting for socket connection...");
    assert_eq!(server.get("/").text(), "0");
    eventually("other workers", || server.workers(2) != before);
}

#[test]
fn plus_and_minus_change_the_number_of_workers() {
    let args = ["--cheaper", "1", "--cheaper-initial", "1", "--cheaper-algo", "manual"];
    let setup = Setup::uwsgi().args(["--master", "--processes", "2"]).fifo();
    let server = setup.args(args).start();
    assert!(!server.logged("spawned uWSGI worker 2 <*>"));
    server.fifo("+");
    server.wait_for("spawned uWSGI worker 2 (<*>");
    server.wait_ready(2);
    let two = server.workers(2);
    server.fifo("-");
    eventually("one worker", || two.iter().filter(|pid| process::alive(**pid)).count() == 1);
    server.wait_for("uWSGI worker <N> cheaped.");
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn minus_leaves_the_last_worker() {
    ours_only!("it goes down to none, and the instance serves nobody");
    let args = ["--cheaper", "1", "--cheaper-initial", "1", "--cheaper-algo", "manual"];
    let setup = Setup::uwsgi().args(["--master", "--processes", "2"]).fifo();
    let server = setup.args(args).start();
    let before = server.worker(1);
    for _ in 0..3 {
        server.fifo("-");
        statistics(&server);
    }
    assert_eq!(server.get("/pid").text(), before.to_string());
}

#[test]
fn s_writes_the_state_of_the_instance() {
    let server = two().start();
    let (mut asked, mut seen) = (0, std::collections::BTreeSet::new());
    eventually("an answer of each worker", || {
        seen.insert(server.get("/pid").text());
        asked += 1;
        seen.len() == 2
    });
    let mark = server.log.mark();
    server.fifo("s");
    server.log.wait_for_since(mark, &format!("<*>workers total requests: {asked}"));
    for number in [1, 2] {
        server.log.wait_for_since(
            mark,
            &format!("<*>worker {number} app 0 [] requests: <N> exceptions: 0"),
        );
    }
}

#[test]
fn big_p_writes_pid_files_again() {
    let options = ["--pidfile", "first.pid", "--pidfile2", "second.pid"];
    let server = two().args(options).start();
    let names: &[&str] = if original() { &["first.pid"] } else { &["first.pid", "second.pid"] };
    for name in names {
        std::fs::write(server.path(name), "1\n").unwrap();
    }
    server.fifo("P");
    for name in names {
        let wanted = format!("{}\n", server.pid());
        eventually("the pid in its file", || {
            std::fs::read_to_string(server.path(name)).is_ok_and(|text| text == wanted)
        });
    }
}

/// The log file, and what has been made beside it.
fn logs(server: &Server) -> Vec<String> {
    let entries = std::fs::read_dir(server.path("")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.starts_with("out.log")).collect()
}

/// A server with a log file, ready to be told about it.
#[track_caller]
fn logging() -> Server {
    let server = two().args(["--logto", "out.log"]).launch();
    eventually("workers", || {
        let text = std::fs::read_to_string(server.path("out.log")).unwrap_or_default();
        text.contains("spawned uWSGI worker 2 (")
    });
    server
}

/// Whether the state of the instance is in this file.
fn has_statistics(server: &Server, name: &str) -> bool {
    let text = std::fs::read_to_string(server.path(name)).unwrap_or_default();
    text.contains("total requests: ")
}

#[test]
fn l_opens_log_files_again() {
    let server = logging();
    std::fs::rename(server.path("out.log"), server.path("moved")).unwrap();
    server.fifo("l");
    eventually("another file", || server.path("out.log").exists());
    server.fifo("s");
    eventually("lines in it", || has_statistics(&server, "out.log"));
    assert!(!has_statistics(&server, "moved"));
}

#[test]
fn big_l_renames_log_files() {
    let server = logging();
    server.fifo("L");
    eventually("two files", || logs(&server).len() == 2);
    let renamed = logs(&server).into_iter().find(|name| name != "out.log").unwrap();
    let suffix = renamed.strip_prefix("out.log.").unwrap();
    assert!(suffix.parse::<u64>().is_ok_and(|time| time > 1_000_000_000), "{renamed}");
    server.fifo("s");
    eventually("lines in the new one", || has_statistics(&server, "out.log"));
    assert!(!has_statistics(&server, &renamed));
}

#[test]
fn commands_without_an_object_do_no_harm() {
    // B asks the emperor, E is for one, S for subscriptions: none of it is here.
    let server = two().start();
    let before = server.workers(2);
    for command in ["B", "E", "S"] {
        server.fifo(command);
        statistics(&server);
    }
    assert_eq!(server.workers(2), before);
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn f_leaves_an_instance_that_serves() {
    let server = waiting().start();
    server.fifo("f");
    if original() {
        server.wait_for("<*>new master copy spawned with pid <N>");
        server.wait_for("gracefully (RE)spawned uWSGI master process (pid: <N>)");
    } else {
        statistics(&server);
    }
    assert!(process::alive(server.pid()));
    server.get("/");
}

#[test]
fn f_loads_the_application_for_workers_to_come() {
    ours_only!("it starts a second master beside the first");
    let code = |text: &str| {
        format!("def application(e, s):\n    s('200 OK', [])\n    return [b'{text}']\n")
    };
    let setup = Setup::unix_socket().file("app.py", &code("before"));
    let server = setup.args(["--wsgi-file", "app.py"]).master(1).fifo().start();
    std::fs::write(server.path("app.py"), code("after")).unwrap();
    server.fifo("f");
    eventually("a worker of the new process", || {
        let before = server.worker(1);
        process::send(before, Signal::SIGKILL);
        eventually("its successor", || server.worker(1) != before);
        server.get("/").text() == "after"
    });
}

#[test]
fn commands_are_read_while_a_reload_is_under_way() {
    ours_only!("its master is busy loading");
    let code = "import os, time\nwhile os.path.exists('hold'):\n    time.sleep(0.01)\n\
                def application(e, s):\n    s('200 OK', [])\n    return [b'served']\n";
    let setup = Setup::unix_socket().file("app.py", code);
    let server = setup.args(["--wsgi-file", "app.py"]).master(2).fifo().start();
    let before = server.workers(2);
    std::fs::write(server.path("hold"), "").unwrap();
    server.fifo("r");
    for _ in 0..5 {
        statistics(&server);
        assert_eq!(server.get("/").text(), "served");
    }
    assert_eq!(server.workers(2), before);
    std::fs::remove_file(server.path("hold")).unwrap();
    server.wait_replaced(&before);
}
