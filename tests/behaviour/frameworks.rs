//! Applications of real frameworks, over the uwsgi protocol and over HTTP.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Answer, Connection, Request, Server, Setup, Wire, python};

/// The virtualenv with the frameworks, or `None` after printing how to get it.
fn virtualenv() -> Option<PathBuf> {
    let found = python::virtualenv("frameworks");
    if found.is_none() {
        println!("skipped: tests/setup.sh frameworks was not run");
    }
    found
}

/// Runs `check` against the application over both protocols, each with two workers and two threads.
fn serve(
    venv: &PathBuf,
    files: &[(&str, &str)],
    args: &[&str],
    check: impl Fn(&dyn Fn(&Request) -> Answer),
) {
    let mut setup =
        Setup::new(Wire::Uwsgi).args(["-s", "127.0.0.1:0", "--http-socket", "127.0.0.1:0"]);
    for (name, text) in files {
        setup = setup.file(name, text);
    }
    let server = setup
        .arg("-H")
        .arg(venv)
        .args(args.iter().copied())
        .args(["--threads", "2"])
        .master(2)
        .start();
    check(&|request| server.send(request));
    check(&|request| over_http(&server, request));
}

fn over_http(server: &Server, request: &Request) -> Answer {
    let mut connection = Connection::open(&server.address_of(1));
    connection.send(request.clone().header("Connection", "close").to_http());
    Answer::whole(&connection.rest(), request.method == "HEAD").expect("an answer over HTTP")
}

fn form(target: &str, body: &str) -> Request {
    Request::post(target, body).header("Content-Type", "application/x-www-form-urlencoded")
}

#[test]
fn flask() {
    let Some(venv) = virtualenv() else { return };
    let code = "from flask import Flask, request, session, Response\napp = Flask(__name__)\napp.secret_key = 'x'\n\
        @app.route('/hi/<name>')\ndef hi(name):\n    return 'hi ' + name + request.args.get('end', '')\n\
        @app.post('/form')\ndef form():\n    session['seen'] = 'yes'\n    return request.form['field']\n\
        @app.route('/stream')\ndef stream():\n    return Response((str(i) for i in range(5)), mimetype='text/plain')\n";
    serve(&venv, &[("site_flask.py", code)], &["-w", "site_flask:app"], |send| {
        assert_eq!(send(&Request::get("/hi/you?end=!")).text(), "hi you!");
        let answer = send(&form("/form", "field=value+here"));
        assert_eq!(answer.text(), "value here");
        assert!(answer.header("set-cookie").is_some_and(|cookie| cookie.starts_with("session=")));
        assert_eq!(send(&Request::get("/stream")).text(), "01234");
        assert_eq!(send(&Request::get("/missing")).status, 404);
        let head = send(&Request::new("HEAD", "/hi/you"));
        assert_eq!((head.status, head.text().as_str()), (200, ""));
    });
}

#[test]
fn werkzeug() {
    let Some(venv) = virtualenv() else { return };
    serve(&venv, &[], &["-w", "werkzeug.testapp:test_app"], |send| {
        let answer = send(&Request::get("/?x=y"));
        assert_eq!(answer.status, 200);
        let text = answer.text();
        assert!(text.contains("WSGI Information") && text.contains("wsgi.multiprocess"), "{text}");
    });
}

#[test]
fn bottle() {
    let Some(venv) = virtualenv() else { return };
    let code = "import bottle\napp = bottle.Bottle()\n@app.get('/hi/<name>')\ndef hi(name):\n    return 'hi ' + name\n\
        @app.post('/up')\ndef up():\n    return str(len(bottle.request.body.read()))\n\
        @app.get('/self')\ndef own():\n    return bottle.static_file('site_bottle.py', root='.')\n";
    serve(&venv, &[("site_bottle.py", code)], &["-w", "site_bottle:app"], |send| {
        assert_eq!(send(&Request::get("/hi/you")).text(), "hi you");
        assert_eq!(send(&Request::post("/up", vec![b'u'; 100_000])).text(), "100000");
        assert_eq!(send(&Request::get("/self")).text(), code);
        assert_eq!(send(&Request::get("/missing")).status, 404);
    });
}

#[test]
fn web_py() {
    let Some(venv) = virtualenv() else { return };
    let code = "import web\nclass hi:\n    def GET(self, name):\n        return 'hi ' + name\n    def POST(self, name):\n        \
        return web.input().field\napplication = web.application(('/hi/(.*)', 'hi'), globals()).wsgifunc()\n";
    serve(&venv, &[("site_web.py", code)], &["-w", "site_web"], |send| {
        assert_eq!(send(&Request::get("/hi/you")).text(), "hi you");
        assert_eq!(send(&form("/hi/you", "field=v")).text(), "v");
        assert_eq!(send(&Request::get("/missing")).status, 404);
    });
}

#[test]
fn django_with_its_admin() {
    let Some(venv) = virtualenv() else { return };
    let setup = Setup::new(Wire::Uwsgi);
    let run = |args: &[&str]| {
        let mut command = Command::new(venv.join("bin/python"));
        command
            .args(args)
            .current_dir(setup.path(""))
            .env("DJANGO_SUPERUSER_PASSWORD", "secret-word");
        let output = command.output().expect("run django-admin");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["-m", "django", "startproject", "shop", "."]);
    run(&["manage.py", "migrate", "-v0"]);
    run(&[
        "manage.py",
        "createsuperuser",
        "--noinput",
        "--username",
        "root",
        "--email",
        "r@example.test",
    ]);
    let setup =
        setup.args(["-s", "127.0.0.1:0", "--http-socket", "127.0.0.1:0", "-w", "shop.wsgi", "-H"]);
    let server = setup.arg(&venv).args(["--threads", "2"]).master(2).start();
    log_in(&|request| server.send(request));
    log_in(&|request| over_http(&server, request));
}

/// Logs in to Django's admin as a browser does, with its CSRF token and cookies.
fn log_in(send: &dyn Fn(&Request) -> Answer) {
    assert_eq!(
        send(&Request::get("/admin/")).header("location"),
        Some("/admin/login/?next=/admin/")
    );
    let page = send(&Request::get("/admin/login/"));
    assert_eq!(page.status, 200);
    let html = page.text();
    let (_, rest) =
        html.split_once("name=\"csrfmiddlewaretoken\" value=\"").expect("a token in the form");
    let token = rest.split('"').next().expect("split yields one");
    let cookie = |answer: &Answer, name: &str| {
        let found =
            answer.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case("set-cookie"));
        let mut found = found.filter_map(|(_, value)| value.split(';').next());
        found
            .find(|value| value.starts_with(name))
            .unwrap_or_else(|| panic!("no cookie {name}"))
            .to_owned()
    };
    let body =
        format!("csrfmiddlewaretoken={token}&username=root&password=secret-word&next=/admin/");
    let request = form("/admin/login/", &body).header("Cookie", &cookie(&page, "csrftoken"));
    let answer = send(&request);
    assert_eq!(
        (answer.status, answer.header("location")),
        (302, Some("/admin/")),
        "{}",
        answer.text()
    );
    let admin = send(&Request::get("/admin/").header("Cookie", &cookie(&answer, "sessionid")));
    assert_eq!(admin.status, 200);
    assert!(admin.text().contains("Site administration"));
}
