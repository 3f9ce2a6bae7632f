//! Behind real front ends, by every protocol that they speak: what a site needs of them.

use std::io;
use std::process::{Command, Stdio};

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Address, Answer, Connection, Request, Server, Setup, Wire};

/// Goes by `REQUEST_URI`: front ends do not agree on what is `SCRIPT_NAME` and what is `PATH_INFO`.
const APP: &str = "
import hashlib, os, time
def live():
    yield b'first'
    while not os.path.exists('go'):
        time.sleep(0.005)
    yield b'last'

def application(environ, start_response):
    path = environ['REQUEST_URI'].split('?')[0]
    headers = [('Content-Type', 'text/plain'), ('X-Accel-Buffering', 'no')]
    if path == '/header':
        headers.append(('X-Large', 'w' * 3000))
    if path == '/boom':
        raise RuntimeError(path)
    start_response('200 OK', headers)
    if path == '/upload':
        try:
            data = environ['wsgi.input'].read()
        except OSError:
            print('upload cut', flush=True)
            return [b'']
        return [('%d %s' % (len(data), hashlib.md5(data).hexdigest())).encode()]
    if path == '/stream':
        return (b'line %d\\n' % number for number in range(200))
    if path == '/live':
        return live()
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

/// Which bodies without a length a front end takes.
#[derive(Clone, Copy)]
enum Chunked {
    /// None: it answers 411.
    Refused,
    /// Those that it has whole before it passes them on.
    Small,
    Any,
}

/// All that is in the table of the issue.
#[track_caller]
fn serves(front: &Front, server: &Server, chunked: Chunked) {
    assert_eq!(once(front, &Request::get("/a/b?c=d")).text(), "GET /a/b");
    let body: Vec<u8> = (0..10 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    let in_chunks = match chunked {
        Chunked::Refused => None,
        Chunked::Small => Some((chunks(&body[..10_000]), "10000 17cb34dbe2e07ae8d094ad685b978187")),
        Chunked::Any => {
            Some((chunks(&body[..1 << 20]), "1048576 3631ab3cfe8d5ff920187615690f68d2"))
        }
    };
    let answer = once(front, &Request::post("/upload", body));
    assert_eq!(
        (answer.status, &*answer.text()),
        (200, "10485760 b23d0b7e210645dbec6b7e681627d9e3")
    );
    if let Some((chunks, wanted)) = in_chunks {
        let mut connection = front.connect();
        connection
            .send("POST /upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        chunks.iter().for_each(|chunk| connection.send(chunk));
        assert_eq!(connection.answer(false).text(), wanted);
    }
    let big = once(front, &Request::get("/big"));
    assert!(big.complete && big.body == vec![b'x'; 4 << 20], "{} bytes", big.body.len());
    streams(front, server);
    let stream = once(front, &Request::get("/stream"));
    assert!(stream.complete && stream.text().ends_with("line 199\n"), "{stream:?}");
    assert_eq!(stream.text().lines().count(), 200);
    let head = once(front, &Request::new("HEAD", "/head"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    let large = Request::get("/header").header("X-Large", &"v".repeat(7_000));
    let answer = once(front, &large);
    assert_eq!(answer.text(), "7000");
    assert_eq!(answer.header("X-Large").map(str::len), Some(3_000));
    aborts(front, server);
    sequential(front, 1_000);
    parallel(front, 200);
}

/// Chunks of several sizes, and the end.
fn chunks(body: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = body;
    let mut chunks = Vec::new();
    for size in [1, 5, 1_000, 70_000].into_iter().cycle() {
        let (chunk, left) = rest.split_at(rest.len().min(size));
        if chunk.is_empty() {
            break;
        }
        chunks.push([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        rest = left;
    }
    chunks.push(b"0\r\n\r\n".to_vec());
    chunks
}

/// What the application sends is there before it has finished: it waits for us.
#[track_caller]
fn streams(front: &Front, server: &Server) {
    let mut connection = front.connect();
    connection.send(Request::get("/live").to_http());
    let mut until = |word: &str| {
        let mut got = Vec::new();
        while !got.ends_with(word.as_bytes()) {
            got.extend(connection.take(1));
        }
    };
    until("first");
    std::fs::write(server.path("go"), "").expect("write a file");
    until("last");
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
    let mut closed = 0;
    for number in 0..count {
        let request = Request::get(&format!("/{number}"));
        let answer = ask(&mut connection, &request).unwrap_or_else(|_| {
            // Front ends close kept connections when they want to.
            closed += 1;
            connection = front.connect();
            connection.ask(&request)
        });
        assert_eq!((answer.status, answer.text()), (200, format!("GET /{number}")));
    }
    assert!(closed <= count / 50, "{closed} of {count} found their connection closed");
}

fn ask(connection: &mut Connection, request: &Request) -> io::Result<Answer> {
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

/// A front end: the name of its program, how it is started, which bodies without a length it takes.
struct Kind(&'static str, fn(Plan, &Address) -> Front, fn(Plan) -> Chunked);

const NGINX: Kind = Kind("nginx", Front::nginx, |_| Chunked::Any);
const APACHE: Kind = Kind("apache2", Front::apache, |plan| match plan.pass {
    Pass::Uwsgi | Pass::Scgi => Chunked::Refused,
    Pass::FastCgi | Pass::Http => Chunked::Any,
});
// What it does not read whole it passes on by HTTP only.
const LIGHTTPD: Kind = Kind("lighttpd", Front::lighttpd, |plan| match plan.pass {
    Pass::Http => Chunked::Any,
    _ if plan.buffer => Chunked::Any,
    _ => Chunked::Refused,
});
const CADDY: Kind = Kind("caddy", Front::caddy, |_| Chunked::Any);
// By FastCGI, version 2.6 only takes those that fit its buffer.
const HAPROXY: Kind = Kind("haproxy", Front::haproxy, |plan| match plan.pass {
    Pass::FastCgi => Chunked::Small,
    _ => Chunked::Any,
});

fn behind(Kind(name, start, chunked): &Kind, plan: Plan) {
    needs!(program(name).is_some(), "{name} is not installed");
    let server = server(plan.pass);
    serves(&start(plan, &server.address()), &server, chunked(plan));
}

#[test]
fn nginx_by_uwsgi() {
    behind(&NGINX, Plan::new(Pass::Uwsgi));
    behind(&NGINX, Plan::new(Pass::Uwsgi).unbuffered());
}

#[test]
fn nginx_by_fastcgi() {
    ours_only!("it drops what it has of a request when the front end's record is split");
    behind(&NGINX, Plan::new(Pass::FastCgi));
    behind(&NGINX, Plan::new(Pass::FastCgi).unbuffered());
}

#[test]
fn nginx_by_fastcgi_on_kept_connections() {
    ours_only!("it closes after each request");
    behind(&NGINX, Plan::new(Pass::FastCgi).keep());
    behind(&NGINX, Plan::new(Pass::FastCgi).keep().unbuffered());
}

#[test]
fn nginx_by_scgi() {
    // With scgi_request_buffering off, nginx 1.22 announces what it has of the body for all of it.
    behind(&NGINX, Plan::new(Pass::Scgi));
}

#[test]
fn nginx_by_http() {
    ours_only!("it does not decode chunks");
    behind(&NGINX, Plan::new(Pass::Http));
    behind(&NGINX, Plan::new(Pass::Http).unbuffered());
    behind(&NGINX, Plan::new(Pass::Http).keep());
    behind(&NGINX, Plan::new(Pass::Http).keep().unbuffered());
}

#[test]
fn apache_by_uwsgi() {
    behind(&APACHE, Plan::new(Pass::Uwsgi));
}

#[test]
fn apache_by_fastcgi() {
    ours_only!("it closes after each request");
    behind(&APACHE, Plan::new(Pass::FastCgi));
    behind(&APACHE, Plan::new(Pass::FastCgi).keep());
}

#[test]
fn apache_by_scgi() {
    behind(&APACHE, Plan::new(Pass::Scgi));
}

#[test]
fn apache_by_http() {
    ours_only!("it does not decode chunks");
    behind(&APACHE, Plan::new(Pass::Http));
    behind(&APACHE, Plan::new(Pass::Http).keep());
}

#[test]
fn lighttpd_by_uwsgi() {
    behind(&LIGHTTPD, Plan::new(Pass::Uwsgi));
    behind(&LIGHTTPD, Plan::new(Pass::Uwsgi).unbuffered());
}

#[test]
fn lighttpd_by_fastcgi() {
    ours_only!("it drops what it has of a request when the front end's record is split");
    behind(&LIGHTTPD, Plan::new(Pass::FastCgi));
    behind(&LIGHTTPD, Plan::new(Pass::FastCgi).unbuffered());
}

#[test]
fn lighttpd_by_scgi() {
    behind(&LIGHTTPD, Plan::new(Pass::Scgi));
    behind(&LIGHTTPD, Plan::new(Pass::Scgi).unbuffered());
}

#[test]
fn lighttpd_by_http() {
    behind(&LIGHTTPD, Plan::new(Pass::Http));
}

#[test]
fn lighttpd_by_http_as_it_comes() {
    ours_only!("it does not decode chunks");
    behind(&LIGHTTPD, Plan::new(Pass::Http).unbuffered());
}

#[test]
fn caddy_by_fastcgi() {
    ours_only!("it reads no body whose length is not known");
    behind(&CADDY, Plan::new(Pass::FastCgi));
}

#[test]
fn caddy_by_http() {
    ours_only!("it does not decode chunks");
    behind(&CADDY, Plan::new(Pass::Http));
}

#[test]
fn haproxy_by_fastcgi() {
    ours_only!("it does not answer the question for its limits");
    behind(&HAPROXY, Plan::new(Pass::FastCgi));
    behind(&HAPROXY, Plan::new(Pass::FastCgi).keep());
}

/// Where it is told that it may, it puts them on one connection.
#[test]
fn haproxy_passes_large_bodies_side_by_side() {
    ours_only!("it does not answer the question for its limits");
    needs!(program("haproxy").is_some(), "haproxy is not installed");
    let server = server(Pass::FastCgi);
    let front = Front::haproxy(Plan::new(Pass::FastCgi).keep(), &server.address());
    assert_eq!(once(&front, &Request::get("/first")).status, 200);
    let mut uploads: Vec<Connection> = (0..8).map(|_| front.connect()).collect();
    let head = "POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000\r\n\r\n";
    uploads.iter_mut().for_each(|upload| upload.send(head));
    for _ in 0..40 {
        uploads.iter_mut().for_each(|upload| upload.send(vec![b'x'; 50_000]));
    }
    for upload in &mut uploads {
        let answer = upload.answer(false);
        assert!(answer.text().starts_with("2000000 "), "{} {}", answer.status, answer.text());
    }
}

/// Version 2.6 ends when a record for its log is the first one that it reads of an answer.
#[test]
fn haproxy_survives_what_it_is_told_of_an_exception() {
    ours_only!("it closes the connection");
    needs!(program("haproxy").is_some(), "haproxy is not installed");
    let server = server(Pass::FastCgi);
    let plan = Plan::new(Pass::FastCgi).keep().with("option accept-invalid-http-request");
    let front = Front::haproxy(plan, &server.address());
    for _ in 0..20 {
        assert_eq!(once(&front, &Request::get("/boom")).status, 500);
        assert_eq!(once(&front, &Request::new("CONNECT", "/tunnel")).status, 501);
        assert_eq!(once(&front, &Request::get("/after")).text(), "GET /after");
    }
}

#[test]
fn haproxy_by_http() {
    ours_only!("it does not decode chunks");
    behind(&HAPROXY, Plan::new(Pass::Http));
    behind(&HAPROXY, Plan::new(Pass::Http).keep());
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
