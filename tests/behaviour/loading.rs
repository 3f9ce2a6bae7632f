//! How applications are found and loaded.

use crate::support::setup::{app, original};
use crate::support::{Request, Server, Setup, Wire, python};

fn bare(args: &[&str]) -> Setup {
    Setup::new(Wire::Uwsgi).args(["-s", "127.0.0.1:0"]).args(args.iter().copied())
}

/// A server started beside the test applications.
fn beside_apps(args: &[&str]) -> Setup {
    let apps = app("");
    bare(&["--pythonpath", apps.to_str().unwrap()]).args(args.iter().copied())
}

const HELLO: &str = "def application(environ, start_response):\n    start_response('200 OK', [])\n    return [b'hello from a file']\n";

#[track_caller]
fn answers(setup: Setup, text: &str) {
    let answer = setup.start().get("/x");
    assert_eq!(answer.text(), text);
}

#[test]
fn module_with_its_default_callable() {
    answers(beside_apps(&["-w", "who"]), "default script='' path='/x'");
    answers(beside_apps(&["--module", "who"]), "default script='' path='/x'");
    answers(beside_apps(&["--wsgi", "who"]), "default script='' path='/x'");
}

#[test]
fn module_and_callable() {
    answers(beside_apps(&["-w", "who:one"]), "one script='' path='/x'");
    answers(beside_apps(&["-w", "who", "--callable", "two"]), "two script='' path='/x'");
}

#[test]
fn callable_that_makes_the_application() {
    answers(
        beside_apps(&["-w", "factory:create()"])
            .file("factory.py", "def create():\n    import who\n    return who.two\n"),
        "two script='' path='/x'",
    );
}

#[test]
fn module_of_the_working_directory() {
    answers(bare(&["-w", "here"]).file("here.py", HELLO), "hello from a file");
    answers(
        bare(&["-w", "pkg.mod"]).file("pkg/__init__.py", "").file("pkg/mod.py", HELLO),
        "hello from a file",
    );
}

#[test]
fn file() {
    answers(
        bare(&["--wsgi-file", "some-app.wsgi"]).file("some-app.wsgi", HELLO),
        "hello from a file",
    );
    answers(bare(&["--file", "app.py"]).file("app.py", HELLO), "hello from a file");
    answers(
        bare(&["--wsgi-file", "a.py", "--callable", "app"])
            .file("a.py", "import b\napp = b.application\n")
            .file("b.py", HELLO),
        "hello from a file",
    );
}

#[test]
fn positional_file_and_module() {
    ours_only!("its release from PyPI takes configuration files only");
    answers(bare(&["app.py"]).file("app.py", HELLO), "hello from a file");
    answers(
        bare(&["pkg.mod:application"]).file("pkg/__init__.py", "").file("pkg/mod.py", HELLO),
        "hello from a file",
    );
}

#[test]
fn positional_configuration() {
    let ini = "[uwsgi]\nsocket = 127.0.0.1:0\nwsgi-file = app.py\n";
    let setup = Setup::new(Wire::Uwsgi).file("app.ini", ini).file("app.py", HELLO).arg("app.ini");
    answers(setup, "hello from a file");
}

#[test]
fn options_come_from_the_environment() {
    let setup = Setup::new(Wire::Uwsgi).file("app.py", HELLO);
    answers(
        setup.env("UWSGI_SOCKET", "127.0.0.1:0").env("UWSGI_WSGI_FILE", "app.py"),
        "hello from a file",
    );
}

#[test]
fn placeholders_of_an_ini_file() {
    let ini = "[uwsgi]\nhere = %d\nname = app\nsocket = $(ADDRESS)\nchdir = %(here)\nwsgi-file = %(name).py ; not a comment\nwsgi-file = %(name).py\n";
    let setup = Setup::new(Wire::Uwsgi).file("app.ini", ini).file("app.py", HELLO);
    answers(setup.env("ADDRESS", "127.0.0.1:0").args(["--ini", "app.ini"]), "hello from a file");
}

#[test]
fn pythonpath_is_searched_first() {
    let other = HELLO.replace("hello", "other");
    let setup = bare(&["--pythonpath", "first", "--pp", "second", "-w", "twice"]);
    answers(
        setup.file("first/twice.py", HELLO).file("second/twice.py", &other),
        "other from a file",
    );
}

#[test]
fn modules_are_imported_before_the_application() {
    let setup = bare(&["--import", "early", "--wsgi-file", "app.py"]);
    let setup = setup.file("early.py", "import builtins\nbuiltins.early = 'yes'\n");
    let code = "def application(e, s):\n    s('200 OK', [])\n    return [early.encode()]\n";
    answers(setup.file("app.py", code), "yes");
}

#[test]
fn applications_of_a_dictionary() {
    ours_only!("it finds no application in such a module");
    let code = "import who\napplications = {'': who.application, '/one': who.one}\n";
    let server = beside_apps(&["--wsgi-file", "many.py", "--manage-script-name"])
        .file("many.py", code)
        .start();
    assert_eq!(server.get("/one/x").text(), "one script='/one' path='/x'");
    assert_eq!(server.get("/x").text(), "default script='' path='/x'");
}

#[test]
fn mounts_with_managed_script_name() {
    let args = ["--manage-script-name", "--mount", "/one=who:one", "--mount", "/one/two=who:two"];
    let server = beside_apps(&args).start();
    assert_eq!(server.get("/one/x").text(), "one script='/one' path='/x'");
    assert_eq!(server.get("/one/two/x").text(), "two script='/one/two' path='/x'");
    assert_eq!(server.get("/one").text(), "one script='/one' path=''");
}

#[test]
fn mounts_end_at_a_slash() {
    let args = ["-w", "who", "--manage-script-name", "--mount", "/one=who:one"];
    assert_eq!(
        beside_apps(&args).start().get("/onetwo").text(),
        "default script='' path='/onetwo'"
    );
}

#[test]
fn mounts_without_management_follow_the_front_end() {
    let server = beside_apps(&["-w", "who", "--mount", "/one=who:one"]).start();
    let request = Request::get("/one/x").var("SCRIPT_NAME", "/one").var("PATH_INFO", "/x");
    assert_eq!(server.send(&request).text(), "one script='/one' path='/x'");
    assert_eq!(server.get("/one/x").text(), "default script='' path='/one/x'");
}

#[test]
fn path_outside_all_mounts_is_not_given_to_the_first() {
    ours_only!("the first mount becomes the default application");
    let server = beside_apps(&["--manage-script-name", "--mount", "/one=who:one"]).start();
    let answer = server.get("/elsewhere");
    assert!(answer.status >= 400, "{answer:?}");
}

#[test]
fn missing_application_ends_with_22_when_needed() {
    for args in [
        ["-w", "no_such_module"],
        ["--wsgi-file", "no-such-file.py"],
        ["-w", "who:no_such_callable"],
    ] {
        let (status, log) = beside_apps(&args).arg("--need-app").run();
        assert_eq!(status.code(), Some(22), "{args:?}: {log}");
    }
}

#[test]
fn lazy_application_that_is_missing_ends_the_whole_server() {
    let args = ["--need-app", "--lazy-apps", "-w", "no_such_module"];
    let (status, log) = beside_apps(&args).master(2).run();
    assert_eq!(status.code(), Some(22), "{log}");
}

#[test]
fn import_error_shows_its_traceback() {
    let code = "def load():\n    import no_such_dependency\nload()\n";
    let server = bare(&["--wsgi-file", "broken.py"]).file("broken.py", code).start();
    for line in [
        "Traceback (most recent call last):",
        "<*>broken.py\", line 2, in load",
        "ModuleNotFoundError: No module named 'no_such_dependency'",
        "unable to load app 0 (mountpoint='') (callable not found or import error)",
        "*** no app loaded. going in full dynamic mode ***",
    ] {
        server.wait_for(line);
    }
    assert_eq!(server.get("/").status, 500);
}

#[test]
fn import_error_shows_where_was_searched() {
    ours_only!("it shows the traceback only");
    let server = bare(&["-w", "no_such_module", "--pythonpath", "/some/where"]).start();
    server.wait_for("<*>/some/where<*>");
}

#[test]
fn syntax_error_shows_its_place() {
    let server =
        bare(&["--wsgi-file", "syntax.py"]).file("syntax.py", "def application(:\n").start();
    server.wait_for("<*>syntax.py\", line 1<*>");
    server.wait_for("SyntaxError: <*>");
}

#[test]
fn missing_virtualenv_is_named() {
    let (status, log) = bare(&["-w", "who", "--virtualenv", "/nonexistent/venv"]).run();
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("/nonexistent/venv"), "{log}");
    if !original() {
        assert!(!log.contains("Fatal Python error"), "{log}");
    }
}

#[test]
fn virtualenv_is_used() {
    let Some(venv) = python::virtualenv("frameworks") else {
        return println!("skipped: tests/setup.sh frameworks was not run");
    };
    for option in ["--virtualenv", "-H", "--home", "--venv", "--pyhome"] {
        let server = Setup::uwsgi().arg(option).arg(&venv).start();
        let answer = server.get("/where");
        assert_eq!(answer.line("prefix"), venv.display().to_string());
        assert!(answer.line("path").contains("site-packages"));
    }
}

#[test]
fn executable_is_the_virtualenvs() {
    ours_only!("sys.executable is the server");
    let Some(venv) = python::virtualenv("frameworks") else {
        return println!("skipped: tests/setup.sh frameworks was not run");
    };
    let server = Setup::uwsgi().arg("-H").arg(&venv).start();
    assert_eq!(
        server.get("/where").line("executable"),
        venv.join("bin/python").display().to_string()
    );
}

#[test]
fn uwsgi_module_is_there_while_the_application_loads() {
    let code = format!("import uwsgi\nassert uwsgi.worker_id() == 0\n{HELLO}");
    answers(bare(&["--wsgi-file", "app.py"]).master(1).file("app.py", &code), "hello from a file");
}

#[test]
fn options_of_recipes_are_accepted() {
    let args =
        ["--enable-threads", "--single-interpreter", "--thunder-lock", "--need-app", "--strict"];
    let server = Setup::uwsgi().master(1).args(args).start();
    assert_eq!(server.get("/hello").text(), "hello");
}

#[test]
fn help_and_version() {
    for option in ["--help", "--version"] {
        let (status, text) = Setup::new(Wire::Uwsgi).arg(option).run();
        assert_eq!(status.code(), Some(0));
        assert!(!text.trim().is_empty());
        if option == "--help" {
            assert!(text.contains("--http-socket") && text.contains("--harakiri"), "{text}");
        }
    }
}

#[test]
fn the_command_of_the_readme() {
    let code = HELLO;
    let setup = Setup::new(Wire::Uwsgi).file("app.py", code);
    let args = ["-s", ":0", "-M", "-p", "4", "-t", "30", "-R", "10000", "-w", "app"];
    let server: Server = setup.args(args).start();
    server.wait_spawned(0, 4);
    assert_eq!(server.get("/").text(), "hello from a file");
}

#[test]
fn a_pattern_of_pythonpath_stands_for_what_it_matches() {
    let code = |text: &str| {
        format!("def application(e, s):\n    s('200 OK', [])\n    return [b'{text}']\n")
    };
    let setup = bare(&["--pythonpath", "libs/*", "--pythonpath", "none*", "-w", "twice"])
        .file("libs/a/twice.py", &code("a"))
        .file("libs/b/twice.py", &code("b"));
    assert_eq!(setup.start().get("/").text(), "b");
}
