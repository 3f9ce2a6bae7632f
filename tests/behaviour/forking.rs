//! What an application finds in a worker, which was forked by another process than its master.

use crate::support::{Server, Setup, Wire, eventually, process};

const APP: &str = "import atexit, multiprocessing, os, signal, subprocess, threading
import uwsgi

got = []

def leave(path):
    with open(path, 'a') as file:
        file.write('%d ' % os.getpid())

atexit.register(leave, 'left')

def child(path):
    with open(path, 'w') as file:
        file.write(str(os.getppid()))

def join(method):
    process = multiprocessing.get_context(method).Process(target=child, args=('child',))
    process.start()
    process.join()
    return process.exitcode, int(open('child').read()) == os.getpid()

def thread():
    found = []
    one = threading.Thread(target=lambda: found.append(threading.current_thread() is one))
    one.start()
    one.join()
    return found

def application(environ, start_response):
    start_response('200 OK', [])
    return [repr(eval(environ['QUERY_STRING'].replace('%20', ' '))).encode()]
";

fn server(arg: &str) -> Server {
    let setup = Setup::new(Wire::Uwsgi).file("app.py", APP).master(1).arg(arg);
    setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "app.py"]).start()
}

#[track_caller]
fn evaluate(server: &Server, expression: &str) -> String {
    let answer = server.get(&format!("/?{}", expression.replace(' ', "%20")));
    assert_eq!(answer.status, 200, "{expression}: {}", answer.text());
    answer.text()
}

#[test]
fn parent_of_a_worker_is_the_master() {
    let server = server("--enable-threads");
    assert_eq!(evaluate(&server, "os.getppid() == uwsgi.masterpid()"), "True");
    assert_eq!(evaluate(&server, "os.getpid()"), server.worker(1).to_string());
}

#[test]
fn core_0_is_pythons_main_thread() {
    let server = server("--enable-threads");
    let main = "threading.current_thread() is threading.main_thread()";
    assert_eq!(evaluate(&server, main), "True");
    assert_eq!(evaluate(&server, "threading.active_count()"), "1");
    assert_eq!(evaluate(&server, "thread()"), "[True]");
}

#[test]
fn signal_handlers_of_the_application_run() {
    let server = server("--py-call-osafterfork");
    let set = "signal.signal(signal.SIGUSR2, lambda number, frame: got.append(number)) and 1";
    evaluate(&server, set);
    assert_eq!(evaluate(&server, "os.kill(os.getpid(), signal.SIGUSR2)"), "None");
    eventually("the handler", || evaluate(&server, "got") == "[12]");
    assert_eq!(evaluate(&server, "signal.set_wakeup_fd(-1)"), "-1");
}

#[test]
fn children_of_the_application_are_its_own() {
    let server = server("--enable-threads");
    assert_eq!(evaluate(&server, "subprocess.run(['sh', '-c', 'exit 3']).returncode"), "3");
    assert_eq!(evaluate(&server, "subprocess.check_output(['echo', 'x'])"), "b'x\\n'");
    assert_eq!(evaluate(&server, "os.waitstatus_to_exitcode(os.system('exit 4'))"), "4");
    assert_eq!(evaluate(&server, "join('fork')"), "(0, True)");
    assert_eq!(evaluate(&server, "os.listdir('/proc/self/task').__len__() > 0"), "True");
}

#[test]
fn functions_at_exit_run_once_in_each_process_that_served() {
    let mut server = server("--enable-threads");
    let worker = server.worker(1);
    assert_eq!(evaluate(&server, "uwsgi.worker_id()"), "1");
    server.stop();
    let path = server.path("left");
    eventually("the end of the worker", || !process::alive(worker));
    if crate::support::setup::original() && !path.exists() {
        println!(
            "skipped against the original: on a busy machine it kills a worker that still ends"
        );
        return;
    }
    let left = std::fs::read_to_string(&path).unwrap();
    let pids = left.split_whitespace().filter(|pid| **pid == *worker.to_string()).count();
    assert_eq!(pids, 1, "{left}");
}
