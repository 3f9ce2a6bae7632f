//! Behind real front ends, by every protocol that they speak: what a site needs of them.

use std::io;
use std::process::{Command, Stdio};

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Address, Answer, Connection, Request, Server, Setup, Wire};

/// Goes by `REQUEST_URI`: front ends do not agree on what is `SCRIPT_NAME` and what is `PATH_INFO`.
const APP: &str = "
import hashlib
def application(environ, start_response):
    path = environ['REQUEST_URI'].split('?')[0]
    start_response('200 OK', [('Content-Type', 'text/plain')])
    if path == '/upload':
        try:
            data = environ['wsgi.input'].read()
        except OSError:
            print('upload cut', flush=True)
            return [b'']
        return [('%d %s' % (len(data), hashlib.md5(data).hexdigest())).encode()]
    if path == '/stream':
        return (b'line %d\\n' % number for number in range(200))
    if path == '/big':
        return [b'x' * 65536] * 64
    if path == '/header':
        return [str(len(environ.get('HTTP_X_LARGE', ''))).encode()]
    return [environ['REQUEST_METHOD'].encode(), b' ', path.encode()]
";

fn server(pass: Pass) -> Server {
    let option = match pass {
        Pass::Uwsgi => "--uwsgi-socket",
        Pass::FastCgi => "--fastcgi-socket",
        Pass::Scgi => "--scgi-socket",
        Pass::Http => "--http-socket",
    };
    let setup = Setup::new(Wire::Uwsgi).file("app.py", APP).args([option, "127.0.0.1:0"]);
    let setup = setup.args(["--wsgi-file", "app.py", "--buffer-size", "65535", "--listen", "256"]);
    setup.master(2).start()
}

fn once(front: &Front, request: &Request) -> Answer {
    front.connect().ask(request)
}

/// All that is in the table of the issue. `chunked`: the front end takes bodies without a length.
#[track_caller]
fn serves(front: &Front, server: &Server, chunked: bool) {
    assert_eq!(once(front, &Request::get("/a/b?c=d")).text(), "GET /a/b");
    let body: Vec<u8> = (0..10 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    let answer = once(front, &Request::post("/upload", body));
    assert!(answer.text().starts_with("10485760 "), "{} {}", answer.status, answer.text());
    if chunked {
        let mut connection = front.connect();
        connection
            .send("POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        connection.send("5\r\nhello\r\n6\r\n world\r\n");
        connection.send("0\r\n\r\n");
        assert!(connection.answer(false).text().starts_with("11 "));
    }
    let stream = once(front, &Request::get("/stream"));
    assert!(stream.complete && stream.text().ends_with("line 199\n"), "{stream:?}");
    assert_eq!(stream.text().lines().count(), 200);
    let head = once(front, &Request::new("HEAD", "/head"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    let large = Request::get("/header").header("X-Large", &"v".repeat(7_000));
    assert_eq!(once(front, &large).text(), "7000");
    aborts(front, server);
    sequential(front, 1_000);
    parallel(front, 200);
}

/// Clients that leave, before they have sent or taken everything.
#[track_caller]
fn aborts(front: &Front, server: &Server) {
    let mut connection = front.connect();
    connection.send("POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000\r\n\r\n");
    connection.send(vec![b'x'; 200_000]);
    drop(connection);
    let mut connection = front.connect();
    connection.send(Request::get("/big").to_http());
    connection.take(10_000);
    drop(connection);
    assert_eq!(once(front, &Request::get("/after")).text(), "GET /after");
    assert!(!server.logged("DAMN ! worker <*>"));
}

/// One after the other, on as few connections as the front end lets.
#[track_caller]
fn sequential(front: &Front, count: usize) {
    let mut connection = front.connect();
    for number in 0..count {
        let request = Request::get(&format!("/{number}"));
        let answer = ask_again(&mut connection, front, &request).expect("an answer");
        assert_eq!(answer.text(), format!("GET /{number}"));
    }
}

/// Front ends close kept connections when they want to.
fn ask_again(connection: &mut Connection, front: &Front, request: &Request) -> io::Result<Answer> {
    let sent = connection.try_send(&request.to_http());
    if let Ok(answer) = sent.and_then(|()| connection.try_answer(false)) {
        return Ok(answer);
    }
    *connection = front.connect();
    connection.try_send(&request.to_http())?;
    connection.try_answer(false)
}

#[track_caller]
fn parallel(front: &Front, count: usize) {
    let mut waiting: Vec<Connection> = (0..count).map(|_| front.connect()).collect();
    for (number, connection) in waiting.iter_mut().enumerate() {
        connection.send(Request::get(&format!("/{number}")).to_http());
    }
    for (number, connection) in waiting.iter_mut().enumerate() {
        assert_eq!(connection.answer(false).text(), format!("GET /{number}"));
    }
}

/// A front end by the name of its program.
struct Kind(&'static str, fn(Plan, &Address) -> Front);

const NGINX: Kind = Kind("nginx", Front::nginx);
const APACHE: Kind = Kind("apache2", Front::apache);
const LIGHTTPD: Kind = Kind("lighttpd", Front::lighttpd);
const CADDY: Kind = Kind("caddy", Front::caddy);
const HAPROXY: Kind = Kind("haproxy", Front::haproxy);

fn behind(Kind(name, start): &Kind, plan: Plan, chunked: bool) {
    needs!(program(name).is_some(), "{name} is not installed");
    let server = server(plan.pass);
    serves(&start(plan, &server.address()), &server, chunked);
}

#[test]
fn nginx_by_uwsgi() {
    behind(&NGINX, Plan::new(Pass::Uwsgi), true);
    behind(&NGINX, Plan::new(Pass::Uwsgi).unbuffered(), true);
}

#[test]
fn nginx_by_fastcgi() {
    ours_only!("it drops what it has of a request when the front end's record is split");
    behind(&NGINX, Plan::new(Pass::FastCgi), true);
    behind(&NGINX, Plan::new(Pass::FastCgi).unbuffered(), true);
}

#[test]
fn nginx_by_fastcgi_on_kept_connections() {
    ours_only!("it closes after each request");
    behind(&NGINX, Plan::new(Pass::FastCgi).keep(), true);
    behind(&NGINX, Plan::new(Pass::FastCgi).keep().unbuffered(), true);
}

#[test]
fn nginx_by_scgi() {
    // With scgi_request_buffering off, nginx 1.22 announces what it has of the body for all of it.
    behind(&NGINX, Plan::new(Pass::Scgi), true);
}

#[test]
fn nginx_by_http() {
    ours_only!("it does not decode chunks");
    behind(&NGINX, Plan::new(Pass::Http), true);
    behind(&NGINX, Plan::new(Pass::Http).keep(), true);
    behind(&NGINX, Plan::new(Pass::Http).keep().unbuffered(), true);
}

#[test]
fn apache_by_uwsgi() {
    behind(&APACHE, Plan::new(Pass::Uwsgi), false);
}

#[test]
fn apache_by_fastcgi() {
    ours_only!("it closes after each request");
    behind(&APACHE, Plan::new(Pass::FastCgi), true);
    behind(&APACHE, Plan::new(Pass::FastCgi).keep(), true);
}

#[test]
fn apache_by_scgi() {
    behind(&APACHE, Plan::new(Pass::Scgi), false);
}

#[test]
fn apache_by_http() {
    ours_only!("it does not decode chunks");
    behind(&APACHE, Plan::new(Pass::Http).keep(), true);
}

#[test]
fn lighttpd_by_uwsgi() {
    behind(&LIGHTTPD, Plan::new(Pass::Uwsgi), true);
}

#[test]
fn lighttpd_by_fastcgi() {
    ours_only!("it drops what it has of a request when the front end's record is split");
    behind(&LIGHTTPD, Plan::new(Pass::FastCgi), true);
    behind(&LIGHTTPD, Plan::new(Pass::FastCgi).unbuffered(), true);
}

#[test]
fn lighttpd_by_scgi() {
    behind(&LIGHTTPD, Plan::new(Pass::Scgi), true);
}

#[test]
fn lighttpd_by_http() {
    behind(&LIGHTTPD, Plan::new(Pass::Http), true);
}

#[test]
fn caddy_by_fastcgi() {
    ours_only!("it reads no body whose length is not known");
    behind(&CADDY, Plan::new(Pass::FastCgi), true);
}

#[test]
fn caddy_by_http() {
    ours_only!("it does not decode chunks");
    behind(&CADDY, Plan::new(Pass::Http), true);
}

#[test]
fn haproxy_by_fastcgi() {
    ours_only!("it does not answer the question for its limits");
    behind(&HAPROXY, Plan::new(Pass::FastCgi).keep(), true);
}

#[test]
fn haproxy_by_http() {
    ours_only!("it does not decode chunks");
    behind(&HAPROXY, Plan::new(Pass::Http), true);
    behind(&HAPROXY, Plan::new(Pass::Http).keep(), true);
}

/// The command line's own front end.
#[test]
fn cgi_fcgi() {
    needs!(program("cgi-fcgi").is_some(), "cgi-fcgi is not installed");
    let server = server(Pass::FastCgi);
    let Address::Tcp(address) = server.address() else { panic!("a TCP socket") };
    let run = |method: &str, uri: &str, body: &[u8]| {
        let mut command = Command::new(program("cgi-fcgi").unwrap());
        command.args(["-bind", "-connect", &address.to_string()]).env_clear();
        command.env("REQUEST_METHOD", method).env("REQUEST_URI", uri);
        command.env("CONTENT_LENGTH", body.len().to_string()).env("SERVER_PROTOCOL", "HTTP/1.1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        io::Write::write_all(&mut child.stdin.take().unwrap(), body).unwrap();
        String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
    };
    let answer = run("GET", "/cgi", b"");
    assert!(answer.starts_with("Status: 200 OK\r\n") && answer.ends_with("GET /cgi"), "{answer}");
    assert!(run("POST", "/upload", &[b'x'; 100_000]).contains("100000 "));
    assert!(!server.logged("DAMN ! worker <*>"));
}
