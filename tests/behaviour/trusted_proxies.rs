//! Who asks, and by which scheme, where a request came through proxies.

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Answer, Connection, Request, Server, Setup, Wire};

fn trusting(args: &[&str]) -> Server {
    ours(Setup::http(), args)
}

fn ours(setup: Setup, args: &[&str]) -> Server {
    setup.args(args).start()
}

/// A request as a proxy sends it on.
fn forwarded(headers: &[(&str, &str)]) -> Request {
    headers
        .iter()
        .fold(Request::get("/environ"), |request, (name, value)| request.header(name, value))
}

/// Client and scheme as the application sees them.
#[track_caller]
fn seen(answer: &Answer) -> (String, String) {
    let of = |name| answer.line(name).trim_matches('\'').to_owned();
    (of("REMOTE_ADDR"), of("wsgi.url_scheme"))
}

fn is(client: &str, scheme: &str) -> (String, String) {
    (client.to_owned(), scheme.to_owned())
}

const FOR: &str = "X-Forwarded-For";
const PROTO: &str = "X-Forwarded-Proto";

#[test]
fn a_trusted_proxy_says_who_asks_and_how() {
    ours_only!("it has no such option");
    let server = trusting(&["--trusted-proxies", "127.0.0.1,10.0.0.0/8"]);
    let answer =
        server.send(&forwarded(&[(FOR, "6.6.6.6, 192.0.2.9, 10.1.2.3"), (PROTO, "https")]));
    assert_eq!(seen(&answer), is("192.0.2.9", "https"));
    assert_eq!(answer.line("HTTPS"), "'on'");
    assert_eq!(answer.line("HTTP_X_FORWARDED_FOR"), "'6.6.6.6, 192.0.2.9, 10.1.2.3'");
    server.wait_for(
        "[pid: <N>|app: 0|req: 1/1] 192.0.2.9 () {<N> vars in <N> bytes} <*> GET /environ => <*>",
    );
    let answer = server.send(&forwarded(&[(PROTO, "https")]));
    assert_eq!(seen(&answer), is("127.0.0.1", "https"));
    let answer = server.send(&forwarded(&[("X-Forwarded-Ssl", "on"), (FOR, "2001:db8::1")]));
    assert_eq!(seen(&answer), is("2001:db8::1", "https"));
    assert_eq!(seen(&server.get("/environ")), is("127.0.0.1", "http"));
}

#[test]
fn others_are_not_believed() {
    ours_only!("it believes everybody");
    let headers = [(FOR, "192.0.2.9"), (PROTO, "https"), ("X-Forwarded-Ssl", "on")];
    for args in [&[][..], &["--trusted-proxies", "10.0.0.0/8,unix"]] {
        let answer = trusting(args).send(&forwarded(&headers));
        assert_eq!(seen(&answer), is("127.0.0.1", "http"));
        assert!(!answer.has_line("HTTPS"));
        assert_eq!(answer.line("HTTP_X_FORWARDED_PROTO"), "'https'", "it is only passed on");
    }
}

#[test]
fn a_peer_of_a_unix_socket_is_one_of_its_own() {
    ours_only!("it has no such option");
    for (trusted, client) in [("unix", "192.0.2.9"), ("127.0.0.1", "")] {
        let setup = Setup::new(Wire::Http);
        let path = setup.path("http.sock");
        let app = crate::support::setup::app("probe.py");
        let setup = setup.args(["--http-socket".into(), path.into_os_string()]);
        let setup = setup.args(["--wsgi-file".into(), app.into_os_string()]);
        let server = setup.args(["--trusted-proxies", trusted]).start();
        assert_eq!(seen(&server.send(&forwarded(&[(FOR, "192.0.2.9")]))).0, client);
    }
}

/// The front end itself says whom it speaks for. Whoever stands before it is another proxy, or the client.
#[test]
fn behind_a_front_end_the_one_before_it_is_looked_at() {
    ours_only!("it has no such option");
    let server = ours(Setup::uwsgi(), &["--trusted-proxies", "10.0.0.0/8"]);
    let by = |address: &str, scheme: &str| {
        let request = forwarded(&[(FOR, "192.0.2.9"), (PROTO, "http")]);
        let request = request.var("REMOTE_ADDR", address).var("HTTPS", scheme);
        seen(&server.send(&request))
    };
    assert_eq!(by("10.0.0.1", "on"), is("192.0.2.9", "http"));
    assert_eq!(by("198.51.100.7", "on"), is("198.51.100.7", "https"));
    let liar = forwarded(&[(PROTO, "https")]).var("REMOTE_ADDR", "198.51.100.7");
    assert_eq!(seen(&server.send(&liar)), is("198.51.100.7", "http"));
}

#[test]
fn forwarded_counts_where_proxies_write_it() {
    ours_only!("it has no such option");
    let both = [("Forwarded", "for=6.6.6.6, for=192.0.2.9;proto=https"), (FOR, "203.0.113.5")];
    let server = trusting(&["--trusted-proxies", "127.0.0.1", "--trusted-headers", "forwarded"]);
    assert_eq!(seen(&server.send(&forwarded(&both))), is("192.0.2.9", "https"));
    let server = trusting(&["--trusted-proxies", "127.0.0.1"]);
    assert_eq!(seen(&server.send(&forwarded(&both))), is("203.0.113.5", "http"));
}

#[test]
fn each_request_of_a_connection_speaks_for_itself() {
    ours_only!("it has no such option");
    let server = trusting(&["--trusted-proxies", "127.0.0.1"]);
    let mut connection = server.connect();
    for client in ["192.0.2.1", "192.0.2.2"] {
        assert_eq!(seen(&connection.ask(&forwarded(&[(FOR, client), (PROTO, "https")]))).0, client);
        assert_eq!(seen(&connection.ask(&Request::get("/environ"))), is("127.0.0.1", "http"));
    }
}

/// A header of the PROXY protocol names the nearest one: that one is looked at, not the balancer.
#[test]
fn behind_a_balancer_the_one_that_it_names_is_looked_at() {
    ours_only!("it has no such option");
    let args = ["--enable-proxy-protocol", "--trusted-proxies", "10.0.0.0/8"];
    let server = trusting(&args);
    for (nearest, client) in [("10.0.0.1", "192.0.2.9"), ("198.51.100.7", "198.51.100.7")] {
        let mut connection = Connection::open(&server.address());
        connection.send(format!("PROXY TCP4 {nearest} 127.0.0.1 4711 80\r\n"));
        assert_eq!(seen(&connection.ask(&forwarded(&[(FOR, "192.0.2.9")]))).0, client);
    }
}

#[test]
fn mistakes_are_told_at_the_start() {
    ours_only!("it has no such option");
    for (args, words) in [
        (&["--trusted-proxies", "10.0.0.0/33"][..], "accepted: addresses, networks"),
        (&["--trusted-headers", "forwarded"], "trusted-proxies says whose headers count"),
        (
            &["--trusted-proxies", "unix", "--trusted-headers", "x"],
            "accepted: x-forwarded, forwarded",
        ),
    ] {
        let (status, log) = Setup::http().args(args.iter().copied()).run();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log.contains(words), "{log}");
    }
}

#[test]
fn nginx_passes_on_what_a_balancer_wrote() {
    ours_only!("it has no such option");
    needs!(program("nginx").is_some(), "nginx is not installed");
    let headers = [(FOR, "6.6.6.6, 192.0.2.9"), (PROTO, "https"), ("X-Request-Id", "clients-own")];
    let plan = Plan::new(Pass::Uwsgi).in_location("uwsgi_param HTTP_X_REQUEST_ID $request_id;");
    // To nginx, the test is the balancer.
    for (trusted, want) in
        [("127.0.0.1", is("192.0.2.9", "https")), ("10.0.0.0/8", is("127.0.0.1", "http"))]
    {
        let server = ours(Setup::uwsgi(), &["--request-id", "--trusted-proxies", trusted]);
        let nginx = Front::nginx(plan, &server.address());
        let answer = nginx.connect().ask(&forwarded(&headers));
        assert_eq!(seen(&answer), want);
        let id = answer.header("x-request-id").expect("an id");
        assert_eq!(answer.line("HTTP_X_REQUEST_ID"), format!("'{id}'"));
        assert!(id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "nginx's: {id}");
    }
}
