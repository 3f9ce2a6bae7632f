//! Behind a real nginx.

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Connection, Request, Setup};

fn front(setup: Setup, location: &'static str) -> (crate::support::Server, Front) {
    let server = setup.start();
    let plan = Plan::new(Pass::Uwsgi).in_location(location);
    let nginx = Front::nginx(plan, &server.address());
    (server, nginx)
}

fn once(nginx: &Front, request: &Request) -> crate::support::Answer {
    nginx.connect().ask(request)
}

#[test]
fn requests_pass() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (server, nginx) = front(Setup::uwsgi().master(2), "");
    let mut connection = nginx.connect();
    for _ in 0..20 {
        let answer = connection.ask(&Request::get("/hello"));
        assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    }
    let answer = connection.ask(&Request::get("/environ?a=b").header("X-Own", "v"));
    assert_eq!(answer.line("PATH_INFO"), "'/environ'");
    assert_eq!(answer.line("QUERY_STRING"), "'a=b'");
    assert_eq!(answer.line("SERVER_NAME"), "'example.test'");
    assert_eq!(answer.line("HTTP_X_OWN"), "'v'");
    assert_eq!(answer.line("REMOTE_ADDR"), "'127.0.0.1'");
    assert_eq!(nginx.errors(), "");
    drop(server);
}

#[test]
fn large_post_passes_buffered_and_unbuffered() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let body = (0..1_048_576).map(|byte: u32| byte.to_le_bytes()[0]).collect::<Vec<_>>();
    for location in ["", "uwsgi_request_buffering off;"] {
        let (_server, nginx) = front(Setup::uwsgi(), location);
        assert_eq!(once(&nginx, &Request::post("/echo", body.clone())).body, body, "{location}");
    }
}

#[test]
fn chunked_post_arrives_with_a_length() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (_server, nginx) = front(Setup::uwsgi(), "");
    let mut connection: Connection = nginx.connect();
    connection.send("POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(connection.answer(false).text(), "hello");
}

#[test]
fn head_and_bodiless_statuses_pass() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (_server, nginx) = front(Setup::uwsgi(), "");
    let mut connection = nginx.connect();
    assert_eq!(connection.ask(&Request::new("HEAD", "/hello")).status, 200);
    assert_eq!(connection.ask(&Request::get("/status?204%20No%20Content")).status, 204);
    assert_eq!(connection.ask(&Request::get("/status?304%20Not%20Modified")).status, 304);
    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn large_headers_pass_with_a_large_buffer() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (_server, nginx) = front(Setup::uwsgi().args(["--buffer-size", "65535"]), "");
    let value = "v".repeat(30_000);
    let answer = once(&nginx, &Request::get("/environ").header("X-Large", &value));
    assert_eq!(answer.line("HTTP_X_LARGE").len(), value.len() + 2);
}

#[test]
fn headers_over_the_buffer_are_a_502() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (server, nginx) = front(Setup::uwsgi(), "");
    let value = "v".repeat(8000);
    assert_eq!(once(&nginx, &Request::get("/environ").header("X-Large", &value)).status, 502);
    server.wait_for("<*>invalid request block size: <N> (max 4096)...skip<*>");
}

#[test]
fn large_answers_pass() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (_server, nginx) = front(Setup::uwsgi(), "");
    assert_eq!(once(&nginx, &Request::get("/big?5000000")).body.len(), 5_000_000);
    assert_eq!(once(&nginx, &Request::get("/pieces?50")).body.len(), 50 * 65536);
}

#[test]
fn client_that_leaves_does_no_harm() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (server, nginx) = front(Setup::uwsgi().master(1), "");
    let worker = server.worker(1);
    for _ in 0..10 {
        let mut connection = nginx.connect();
        connection.send(Request::get("/pieces?30").to_http());
        connection.take(1000);
    }
    assert_eq!(once(&nginx, &Request::get("/pid")).text(), worker.to_string());
}

#[test]
fn unix_socket_is_an_upstream() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let setup = Setup::new(crate::support::Wire::Uwsgi);
    let path = setup.path("up.sock");
    let probe = crate::support::setup::app("probe.py");
    let setup = setup.arg("-s").arg(&path).args(["--chmod-socket=666", "--wsgi-file"]).arg(probe);
    let (_server, nginx) = front(setup.master(2), "");
    assert_eq!(once(&nginx, &Request::get("/hello")).text(), "hello");
}

#[test]
fn exceptions_are_an_error_page() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let (_server, nginx) = front(Setup::uwsgi(), "");
    let status = once(&nginx, &Request::get("/boom")).status;
    assert_eq!(status, if crate::support::setup::original() { 502 } else { 500 });
}
