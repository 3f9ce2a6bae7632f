//! What clients are told where no application answers, and how it is found again in the log.

use crate::support::{Answer, Request, Server, Setup, Wire, eventually, fastcgi};

/// One request on a connection of its own.
#[track_caller]
fn ask(server: &Server, request: &Request) -> Answer {
    server.connect().ask(request)
}

fn accepting(target: &str, accept: &str) -> Request {
    Request::get(target).header("Accept", accept)
}

/// Sends these bytes; the answer, up to the end of the connection.
#[track_caller]
fn raw(server: &Server, bytes: &str) -> Answer {
    let mut connection = server.connect();
    connection.send(bytes);
    let is_head = bytes.starts_with("HEAD ");
    Answer::whole(&connection.rest(), is_head).expect("an answer")
}

#[track_caller]
fn id(answer: &Answer) -> String {
    answer.header("x-request-id").expect("an id").to_owned()
}

/// Nothing is loaded, so that the server answers.
const NOTHING: &str = "nothing = None\n";

fn empty(wire: Wire) -> Setup {
    let socket = if wire == Wire::Http { "--http-socket" } else { "--socket" };
    Setup::new(wire).file("empty.py", NOTHING).file("500.html", "<h1>sorry</h1>\n").args([
        socket,
        "127.0.0.1:0",
        "--wsgi-file",
        "empty.py",
    ])
}

#[test]
fn without_an_application_the_answer_is_uwsgis() {
    for wire in [Wire::Http, Wire::Uwsgi] {
        let answer = empty(wire).start().get("/");
        assert_eq!((answer.status, answer.reason.as_str()), (500, "Internal Server Error"));
        assert_eq!(answer.header("content-type"), Some("text/plain"));
        assert_eq!(answer.text(), "Internal Server Error");
    }
}

#[test]
fn a_page_of_the_configuration_is_the_body() {
    for wire in [Wire::Http, Wire::Uwsgi] {
        let setup = empty(wire).args(["--error-page-500", "none.html", "--error-page-500"]);
        let server = setup.args(["500.html", "--add-header", "X-Added: yes"]).start();
        for request in [Request::get("/"), accepting("/", "text/html,*/*")] {
            let answer = server.send(&request);
            assert_eq!((answer.status, answer.text().as_str()), (500, "<h1>sorry</h1>\n"));
            assert_eq!(answer.header("content-type"), Some("text/html"));
            assert_eq!(answer.header("content-length"), Some("15"));
            assert_eq!(answer.header("x-added"), Some("yes"));
        }
    }
}

#[test]
fn pages_may_be_given_for_any_error() {
    ours_only!("it has pages for three of its own errors");
    let ini = "[uwsgi]\nhttp-socket = 127.0.0.1:0\nwsgi-file = empty.py\n\
               error-page = 400 500 down.html\nerror-page-500 = 500.html\n";
    let setup = Setup::new(Wire::Http).file("empty.py", NOTHING).file("app.ini", ini);
    let setup = setup.file("500.html", "own").file("down.html", "down");
    let server = setup.args(["--ini", "app.ini"]).start();
    assert_eq!(ask(&server, &Request::get("/")).text(), "own");
    let answer = raw(&server, "GET  /\r\n\r\n");
    assert_eq!((answer.status, answer.text().as_str()), (400, "down"));
    assert_eq!(answer.header("content-type"), Some("text/html"));
}

#[test]
fn a_page_that_is_not_there_stops_the_start() {
    ours_only!("it does without");
    let (status, log) = empty(Wire::Http).args(["--error-page-500", "none.html"]).run();
    assert_eq!(status.code(), Some(1));
    assert!(log.contains("--error-page-500 none.html: No such file"), "{log}");
    for wrong in ["500", "200 500.html", "5xx 500.html"] {
        let (status, log) = empty(Wire::Http).args(["--error-page", wrong]).run();
        assert_eq!(status.code(), Some(1));
        assert!(log.contains("--error-page") && log.contains("accepted: "), "{log}");
    }
}

#[test]
fn clients_are_answered_in_what_they_read() {
    ours_only!("it has one text, and closes without one after an exception");
    for setup in Setup::both() {
        let server = setup.start();
        let of = |accept| {
            let answer = ask_by(&server, &accepting("/boom", accept));
            assert_eq!(answer.status, 500);
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), Some(&*length));
            let kind = answer.header("content-type").unwrap_or_default().to_owned();
            (kind, answer.text(), id(&answer))
        };
        let (kind, text, _) = of("*/*");
        assert_eq!((&*kind, &*text), ("text/plain", "Internal Server Error"));
        let (kind, text, id) = of("text/html,application/xhtml+xml,*/*;q=0.8");
        assert_eq!(kind, "text/html");
        assert!(
            text.contains("<h1>500 Internal Server Error</h1>") && text.contains(&id),
            "{text}"
        );
        let (kind, text, id) = of("application/json");
        assert_eq!(kind, "application/problem+json");
        let problem = format!(
            r#"{{"type":"about:blank","title":"Internal Server Error","status":500,"request_id":"{id}"}}"#
        );
        assert_eq!(text, problem);
    }
}

#[track_caller]
fn ask_by(server: &Server, request: &Request) -> Answer {
    let mut connection = server.connect();
    connection.send(match server.wire() {
        Wire::Http => request.to_http(),
        Wire::Uwsgi => request.to_packet(),
    });
    Answer::whole(&connection.rest(), request.method == "HEAD").expect("an answer")
}

#[test]
fn an_error_is_a_complete_answer() {
    ours_only!("it closes without an answer");
    let server = Setup::http().args(["--limit-post", "10"]).start();
    let boom = |method: &str| {
        let mut connection = server.connect();
        connection.send(Request::new(method, "/boom").to_http());
        let answer = Answer::whole(&connection.rest(), method == "HEAD").expect("an answer");
        assert_eq!((answer.status, answer.header("connection")), (500, Some("close")));
        assert!(answer.header("date").is_some_and(|date| date.ends_with("GMT")));
        assert!(answer.complete);
        answer
    };
    assert_eq!(boom("GET").text(), "Internal Server Error");
    assert_eq!((boom("HEAD").header("content-length"), &*boom("HEAD").text()), (Some("21"), ""));
    for (status, text) in [
        (400, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"),
        (413, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n"),
        (505, "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
        (501, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"),
    ] {
        let answer = raw(&server, text);
        assert_eq!((answer.status, answer.header("connection")), (status, Some("close")), "{text}");
        assert!(answer.header("date").is_some() && answer.complete, "{text}");
        assert!(answer.text().starts_with(&format!("{status} ")), "{}", answer.text());
        let head = raw(&server, &text.replacen("GET", "HEAD", 1));
        assert_eq!(head.status, status);
        assert_eq!(head.text().is_empty(), text.starts_with("GET"), "{}", head.text());
    }
}

#[test]
fn a_malformed_request_is_answered_in_what_its_client_reads() {
    ours_only!("it closes without an answer");
    let server = Server::http();
    let answer = raw(&server, "GET /a b HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let id = id(&answer);
    let text = answer.text();
    let begin = r#"{"type":"about:blank","title":"Bad Request","status":400,"detail":""#;
    assert!(
        text.starts_with(begin) && text.ends_with(&format!(r#""request_id":"{id}"}}"#)),
        "{text}"
    );
    server.wait_for(&format!(
        "invalid HTTP request (400 <*>, client 127.0.0.1, refusal 1 of this worker, request {id})"
    ));
}

#[test]
fn an_error_is_found_in_the_log_by_its_id() {
    ours_only!("it has no ids");
    let server = Setup::http().master(2).start();
    let ids: Vec<_> = (0..4).map(|_| id(&ask(&server, &Request::get("/boom?x")))).collect();
    for (at, id) in ids.iter().enumerate() {
        assert!(!ids[..at].contains(id), "{ids:?}");
        server.wait_for(&format!(
            "the server answered 500 during GET /boom?x (127.0.0.1), request {id}"
        ));
    }
}

#[test]
fn a_stuck_request_is_found_in_the_log_by_its_id() {
    ours_only!("it closes without an answer");
    let server = Setup::http().master(1).args(["--harakiri", "1"]).start();
    let answer = ask(&server, &accepting("/hang", "application/json"));
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (504, Some("application/problem+json"))
    );
    let id = id(&answer);
    assert!(answer.text().contains(&id), "{}", answer.text());
    server.wait_for(&format!(
        "the server answered 504 in place of the application: 127.0.0.1 - GET /hang, request {id}"
    ));
}

#[test]
fn the_id_of_a_front_end_is_kept() {
    ours_only!("it has no ids");
    let server = Setup::uwsgi().master(1).args(["--harakiri", "1"]).start();
    for target in ["/boom", "/hang"] {
        let given = Request::get(target).header("X-Request-Id", "front-end:1");
        assert_eq!(id(&server.send(&given)), "front-end:1");
        eventually("its line", || {
            server.log.text().lines().any(|line| {
                line.starts_with("the server answered 50")
                    && line.ends_with(", request front-end:1")
            })
        });
    }
    for bad in ["a b", "", "<b>", &"x".repeat(129)] {
        let given = Request::get("/boom").header("X-Request-Id", bad);
        assert_eq!(id(&server.send(&given)).len(), 32, "{bad}");
    }
}

#[test]
fn ids_of_anybody_count_for_nothing() {
    ours_only!("it has no ids");
    let given = Request::get("/boom").header("X-Request-Id", "mine");
    assert_eq!(id(&ask(&Server::http(), &given)).len(), 32);
    let server = Setup::http().args(["--trusted-proxies", "127.0.0.0/8"]).start();
    assert_eq!(id(&ask(&server, &given)), "mine");
    let bad = "GET /a b HTTP/1.1\r\nHost: a\r\nX-Request-Id: mine\r\n\r\n";
    assert_eq!(id(&raw(&server, bad)), "mine");
    assert_eq!(id(&raw(&Server::http(), bad)).len(), 32);
}

#[test]
fn every_request_has_an_id_where_that_is_asked_for() {
    ours_only!("it has no ids");
    for setup in Setup::both() {
        let server = setup.arg("--request-id").start();
        let [first, second] = [0, 1].map(|_| server.get("/environ"));
        assert_eq!(first.line("HTTP_X_REQUEST_ID"), format!("'{}'", id(&first)));
        assert_ne!(id(&first), id(&second));
        let given = Request::get("/environ").header("X-Request-Id", "given");
        let answer = server.send(&given);
        let taken = server.wire() == Wire::Uwsgi;
        assert_eq!(id(&answer) == "given", taken);
        assert_eq!(answer.line("HTTP_X_REQUEST_ID"), format!("'{}'", id(&answer)));
    }
    let answer = Server::http().get("/environ");
    assert_eq!(answer.header("x-request-id"), None);
    assert!(!answer.has_line("HTTP_X_REQUEST_ID"));
}

#[test]
fn the_applications_own_id_stays() {
    ours_only!("it has no ids");
    let app = "def application(environ, start_response):\n\
               \x20   start_response('200 OK', [('x-request-id', 'own')])\n    return [b'x']\n";
    let setup = Setup::new(Wire::Http).file("app.py", app);
    let server = setup
        .args(["--http-socket", "127.0.0.1:0", "--wsgi-file", "app.py", "--request-id"])
        .start();
    let answer = server.get("/");
    let ids = answer.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("x-request-id"));
    assert_eq!(ids.map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["own"]);
}

#[test]
fn errors_are_the_same_by_every_protocol() {
    ours_only!("it closes without an answer");
    let setup = Setup::http().args(["--fastcgi-socket", "127.0.0.1:0"]);
    let server = setup.file("500.html", "page").args(["--error-page-500", "500.html"]).start();
    let mut connection = crate::support::Connection::open(&server.address_of(1));
    let request = Request::get("/boom").header("X-Request-Id", "fcgi-1");
    connection.send(fastcgi::request(&request, 1, true));
    let reply = fastcgi::reply(&mut connection, false);
    assert_eq!((reply.answer.status, reply.answer.text().as_str()), (500, "page"));
    assert_eq!(id(&reply.answer), "fcgi-1");
    assert_eq!(reply.app_status, 1);
}
