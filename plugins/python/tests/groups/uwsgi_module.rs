//! `import uwsgi`.

use std::path::Path;
use std::sync::atomic::Ordering;

use super::Server;

pub fn run(python: &Path) {
    let mut server = Server::new(
        python,
        &[
            ("wsgi-file", "probe.py"),
            ("master", "1"),
            ("processes", "1"),
            ("set", "a=1"),
            ("set", "b=2"),
        ],
    );
    server.host.worker.store(3, Ordering::Relaxed);
    for (expression, value) in [
        ("uwsgi.version", "b'2.0.31'"),
        ("uwsgi.version_info", "(2, 0, 31, 0, b'')"),
        ("uwsgi.rs_version", concat!("b'", env!("CARGO_PKG_VERSION"), "'")),
        ("uwsgi.worker_id()", "3"),
        ("uwsgi.request_id()", "5"),
        ("uwsgi.total_requests()", "77"),
        ("uwsgi.masterpid()", "4321"),
        ("uwsgi.numproc", "2"),
        ("uwsgi.cores", "1"),
        ("uwsgi.threads", "1"),
        ("uwsgi.has_threads", "1"),
        ("uwsgi.buffer_size", "4096"),
        ("uwsgi.started_on", "1700000000"),
        ("uwsgi.sockets", "[3, 4]"),
        ("uwsgi.connection_fd()", "11"),
        ("uwsgi.applications", "None"),
        ("uwsgi.opt['master']", "True"),
        ("uwsgi.opt['processes']", "b'1'"),
        ("uwsgi.opt['set']", "[b'a=1', b'b=2']"),
        ("uwsgi.opt['wsgi-file']", "b'probe.py'"),
        ("uwsgi.log('from the app')", "True"),
        ("uwsgi.log(b'bytes')", "True"),
        ("uwsgi.reload()", "True"),
        ("uwsgi.stop()", "None"),
        ("uwsgi.disconnect()", "True"),
        ("uwsgi.ready()", "True"),
        ("uwsgi.mem()", "(0, 0)"),
        ("uwsgi.setprocname('a name')", "None"),
        ("uwsgi.mule_id()", "0"),
        ("uwsgi.is_a_reload", "False"),
        ("uwsgi.RequestTimeout.__mro__[1].__name__", "'BaseException'"),
        ("uwsgi.set_user_harakiri(30)", "None"),
        ("uwsgi.set_user_harakiri(-1)", "None"),
        ("uwsgi.workers()[0]['status']", "b'idle'"),
        ("len(uwsgi.workers())", "1"),
        ("type(uwsgi.hostname).__name__", "'bytes'"),
        ("uwsgi.micros()>1600000000000000", "True"),
        ("hasattr(uwsgi,'cache_get')", "False"),
    ] {
        let expression_path = format!("/call_uwsgi?{expression}");
        assert_eq!(server.get(&expression_path).ok(), value, "{expression}");
    }
    let lines = server.host.take_lines();
    assert!(lines.ends_with(&["from the app".into(), "bytes".into()]), "{lines:?}");
    let calls = server.host.take_calls();
    assert_eq!(calls, ["reload", "stop", "disconnect 0", "harakiri 0 30", "harakiri 0 0"]);
    assert!(server.get("/call_uwsgi?uwsgi.log(1)").outcome.exception);
    assert!(server.get("/call_uwsgi?uwsgi.set_user_harakiri()").outcome.exception);
    assert_eq!(server.get("/call_uwsgi?sys.argv").ok(), "['uwsgi']");
    let environment = server.get("/call_uwsgi?sys.executable").ok();
    assert_eq!(environment, format!("'{}'", python.display()));
}
