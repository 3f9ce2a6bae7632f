//! Requests with doubtful borders, to the server itself and through front ends that keep their connections to it:
//! both sides must see the same requests, and everybody gets the answer to what he asked.
//!
//! Each case of `smuggling/cases.txt` is followed by a marked request on the same connection, and by somebody else's on
//! another one. What the application saw is compared with what the front end says that it passed on.

mod case;

use std::collections::BTreeMap;

use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Address, Answer, Connection, PATIENCE, Server, Setup, Wire};

use case::{Case, Expected};

/// Says what it saw, in the log and in the answer, which has the request's body for a body.
const APP: &str = "
def application(environ, start_response):
    uri = environ['REQUEST_URI']
    seen = environ['REQUEST_METHOD'] + ' ' + uri.encode('ascii', 'backslashreplace').decode()
    body = b''
    if not uri.endswith('/unread'):
        try:
            body = environ['wsgi.input'].read()
        except OSError:
            body = b'cut'
    print('SEEN ' + seen, flush=True)
    status = {'none': '204 None', 'same': '304 Same'}.get(uri.rsplit('/')[-1], '200 OK')
    start_response(status, [('X-Seen', seen)])
    return [body] if status == '200 OK' else []
";

fn server(option: &str) -> Server {
    let setup = Setup::new(Wire::Http).file("app.py", APP).args([option, "127.0.0.1:0"]);
    setup
        .args([
            "--wsgi-file",
            "app.py",
            "--threads",
            "4",
            "--buffer-size",
            "32768",
            "--disable-logging",
        ])
        .start()
}

/// The case and the marked request, and all answers until the connection ends.
fn exchange(address: &Address, case: &Case) -> Vec<Answer> {
    let mut connection = Connection::open(address);
    let marked = ask(&case.uri("marked"));
    // Whoever refuses what comes first may close before all is sent.
    let _ = connection.try_send(&[&case.bytes[..], marked.as_bytes()].concat());
    connection.finish();
    let (answers, rest) = answers(&connection.rest());
    assert!(!rest.contains("X-Seen"), "{}: {rest:?} behind {answers:?}", case.name);
    answers
}

fn ask(uri: &str) -> String {
    format!("GET {uri} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
}

/// The final answers on one connection, and what is none: front ends also know HTTP/0.9 and HTTP/2.
fn answers(mut bytes: &[u8]) -> (Vec<Answer>, String) {
    let mut all = Vec::new();
    while let Some((head, _)) = Answer::head(bytes) {
        let bodiless = head.status < 200
            || matches!(head.status, 204 | 304)
            || seen(&head).is_some_and(|seen| seen.starts_with("HEAD "));
        let Some(mut answer) = Answer::whole(bytes, bodiless) else { break };
        if bodiless {
            answer.surplus = std::mem::take(&mut answer.body);
        }
        bytes = &bytes[bytes.len() - answer.surplus.len()..];
        answer.surplus.clear();
        all.push(answer);
    }
    all.retain(|answer| answer.status >= 200);
    (all, String::from_utf8_lossy(bytes).into_owned())
}

/// The request that the application answered so.
fn seen(answer: &Answer) -> Option<&str> {
    answer.header("X-Seen")
}

/// Nobody gets what was not his.
#[track_caller]
fn check_ownership(address: &Address, case: &Case, answers: &[Answer]) {
    let name = &case.name;
    for (at, answer) in answers.iter().enumerate() {
        let Some(request) = seen(answer) else { continue };
        let own = request.contains(&format!("/{}/", case.number)) || request.ends_with(" *");
        assert!(own, "{name}: got the answer to {request}");
        let marked = request == format!("GET {}", case.uri("marked"));
        assert!(!marked || at + 1 == answers.len(), "{name}: more than the marked answer");
    }
    let mut next = Connection::open(address);
    next.send(ask(&case.uri("next")));
    let bytes = next.rest();
    let (got, _) = self::answers(&bytes);
    let got: Vec<_> = got.iter().map(|answer| (answer.status, seen(answer))).collect();
    let wanted = format!("GET {}", case.uri("next"));
    assert_eq!(got, [(200, Some(&*wanted))], "{name}: what the next client got");
}

/// What differs from the table, or nothing.
fn judge(case: &Case, answers: &[Answer]) -> Option<String> {
    let expected = case.answers.as_ref()?;
    let marked = format!("GET {}", case.uri("marked"));
    let is = |(answer, expected): (&Answer, &Expected)| match expected {
        Expected::Marked => seen(answer) == Some(&marked),
        Expected::Status(statuses, body) => {
            let body = body.as_ref().is_none_or(|body| *body == answer.body);
            statuses.contains(&answer.status) && body && seen(answer) != Some(&marked)
        }
    };
    let good = answers.len() == expected.len() && answers.iter().zip(expected).all(is);
    let got = || answers.iter().map(|answer| (answer.status, seen(answer), answer.text()));
    (!good).then(|| format!("{}: {:?}, got {:?}", case.name, expected, got().collect::<Vec<_>>()))
}

#[test]
fn the_server_itself_takes_only_what_is_beyond_doubt() {
    ours_only!("it accepts nearly anything");
    let server = server("--http-socket");
    let address = server.address();
    let mut wrong = Vec::new();
    for case in Case::all() {
        let answers = exchange(&address, &case);
        wrong.extend(judge(&case, &answers));
        check_ownership(&address, &case, &answers);
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// How often each request was there: at the application, and at the front end with its statuses.
#[derive(Debug, Default, PartialEq)]
struct Count {
    seen: usize,
    passed: usize,
    answered: usize,
}

fn count(front: &Front, server: &Server) -> BTreeMap<String, Count> {
    let mut counts = BTreeMap::<String, Count>::new();
    for request in server.log.text().lines().filter_map(|line| line.strip_prefix("SEEN ")) {
        counts.entry(origin_form(request)).or_default().seen += 1;
    }
    for passed in front.passed() {
        let count = counts.entry(origin_form(&passed.request)).or_default();
        count.passed += 1;
        // What our server says in the application's place is never one of these.
        count.answered += usize::from(matches!(passed.status, Some(200 | 204 | 304)));
    }
    counts
}

/// Without what is before the path, and as HAProxy does not write it: that escapes by `#`.
fn origin_form(request: &str) -> String {
    let request = request.to_lowercase().replace("#23", "#");
    match request.split_once("://") {
        Some((before, rest)) => {
            let method = before.split(' ').next().unwrap_or_default();
            format!("{method} /{}", rest.split_once('/').unwrap_or((rest, "")).1)
        }
        None => request,
    }
}

/// Doubtful requests that reach the server, at the least.
const CASES_PASSED_MIN: usize = 100;

#[track_caller]
fn agree(front: &Front, server: &Server) {
    let cases = Case::all();
    for case in &cases {
        let answers = exchange(&front.address, case);
        check_ownership(&front.address, case, &answers);
        let first = answers.first().filter(|answer| answer.status == 200);
        if let (Some(answer), Some(body)) = (first, case.body()) {
            assert_eq!(answer.text(), String::from_utf8_lossy(body), "{}", case.name);
        }
    }
    // A front end writes its log when a request is over, which may be after the client has its answer.
    let start = std::time::Instant::now();
    loop {
        let counts = count(front, server);
        let agrees = |count: &Count| count.answered <= count.seen && count.seen <= count.passed;
        let wrong: Vec<_> = counts.iter().filter(|(_, count)| !agrees(count)).collect();
        let next = cases.iter().filter(|case| {
            counts.get(&format!("get {}", case.uri("next"))).is_none_or(|count| count.passed != 1)
        });
        if wrong.is_empty() && next.count() == 0 {
            let passed = counts.iter().filter(|(request, count)| {
                count.passed > 0 && (request.contains("/case") || request.contains("/unread"))
            });
            // Front ends refuse some themselves; what they pass on is what this test is about.
            assert!(passed.count() >= CASES_PASSED_MIN);
            return;
        }
        assert!(start.elapsed() < PATIENCE, "the two sides saw different requests:\n{wrong:#?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn behind(front: fn(Plan, &Address) -> Front, pass: Pass, extra: &'static str) {
    let own = if pass == Pass::FastCgi { "--fastcgi-socket" } else { "--http-socket" };
    // A socket that recognizes what comes has to see the same.
    for option in [own, "--auto-socket"] {
        let server = server(option);
        agree(&front(Plan::new(pass).keep().with(extra), &server.address()), &server);
    }
}

#[test]
fn nginx_and_the_server_see_the_same_requests() {
    ours_only!("it has no keep-alive");
    needs!(program("nginx").is_some(), "nginx is not installed");
    // The client ends its side before it has its answers.
    let extra = "proxy_ignore_client_abort on; proxy_next_upstream off;";
    behind(Front::nginx, Pass::Http, extra);
}

#[test]
fn a_careless_nginx_and_the_server_see_the_same_requests() {
    ours_only!("it has no keep-alive");
    needs!(program("nginx").is_some(), "nginx is not installed");
    let extra =
        "proxy_ignore_client_abort on; proxy_next_upstream off; proxy_request_buffering off;
         ignore_invalid_headers off; underscores_in_headers on; merge_slashes off;";
    behind(Front::nginx, Pass::Http, extra);
}

#[test]
fn nginx_and_the_server_see_the_same_requests_by_fastcgi() {
    ours_only!("it has no keep-alive");
    needs!(program("nginx").is_some(), "nginx is not installed");
    let extra =
        "fastcgi_ignore_client_abort on; fastcgi_next_upstream off; fastcgi_request_buffering off;
         ignore_invalid_headers off; underscores_in_headers on;";
    behind(Front::nginx, Pass::FastCgi, extra);
}

#[test]
fn haproxy_and_the_server_see_the_same_requests() {
    ours_only!("it has no keep-alive");
    needs!(program("haproxy").is_some(), "HAProxy is not installed");
    behind(Front::haproxy, Pass::Http, "");
}

#[test]
fn a_careless_haproxy_and_the_server_see_the_same_requests() {
    ours_only!("it has no keep-alive");
    needs!(program("haproxy").is_some(), "HAProxy is not installed");
    behind(Front::haproxy, Pass::Http, "option accept-invalid-http-request");
}

#[test]
fn haproxy_and_the_server_see_the_same_requests_by_fastcgi() {
    ours_only!("it has no keep-alive");
    needs!(program("haproxy").is_some(), "HAProxy is not installed");
    behind(Front::haproxy, Pass::FastCgi, "option accept-invalid-http-request");
}
