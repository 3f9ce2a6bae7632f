//! Static files, as clients see them.

mod front;
mod internal;
mod places;
mod sending;

use std::os::unix::fs::symlink;

use crate::support::{Answer, Request, Server, Setup, Wire, fastcgi};

/// Says what it was asked, so that a test sees who answers.
const APP: &str = "
def application(environ, start_response):
    start_response('200 OK', [('Content-Type', 'text/x-app')])
    return [b'app ' + environ['PATH_INFO'].encode('latin-1')]
";

fn setup(args: &[&str]) -> Setup {
    let setup = Setup::new(Wire::Http).file("app.py", APP).file("www/a.txt", "hello\n");
    let setup = setup.file("www/sub/index.html", "<h1>index</h1>").file("www/none", "data");
    let setup = setup.file("secret/s.txt", "secret").file("www-secret/s.txt", "secret");
    let setup = setup.args(["--http-socket", "127.0.0.1:0", "--wsgi-file", "app.py"]);
    let (www, dir) = (setup.path("www"), setup.path(""));
    let place = |text: &&str| {
        text.replace("WWW", &www.display().to_string()).replace("DIR/", &dir.display().to_string())
    };
    setup.args(args.iter().map(place).collect::<Vec<_>>())
}

fn server(args: &[&str]) -> Server {
    setup(args).start()
}

/// One request on a connection of its own.
#[track_caller]
fn ask(server: &Server, request: &Request) -> Answer {
    server.connect().ask(request)
}

#[track_caller]
fn is_app(answer: &Answer) {
    assert!(answer.text().starts_with("app "), "{} {:?}", answer.status, answer.text());
}

#[test]
fn a_file_is_served_and_what_is_none_goes_to_the_application() {
    for args in [
        &["--static-map", "/s=WWW"][..],
        &["--static-map2", "/sub=WWW"],
        &["--check-static", "WWW"],
    ] {
        let server = server(args);
        let prefix = if args[0] == "--static-map" { "/s" } else { "" };
        let path = if args[0] == "--static-map2" { "/sub/index.html" } else { "/a.txt" };
        let answer = server.get(&format!("{prefix}{path}"));
        assert_eq!(answer.status, 200);
        let kind = if path == "/a.txt" { "text/plain" } else { "text/html" };
        assert_eq!(answer.header("content-type"), Some(kind), "{args:?}");
        assert!(answer.header("last-modified").is_some());
        assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
        is_app(&server.get(&format!("{prefix}/nope.txt")));
        is_app(&server.get(&format!("{prefix}{path}/more")));
        server.wait_for(&format!(
            "[pid: <N>|app: -1|req: -1/1] <*> GET {prefix}{path} => generated <N> bytes in <N> msecs via sendfile() (HTTP/1.1 200) <*>"
        ));
    }
}

#[test]
fn a_file_can_be_mapped_by_itself() {
    let server = server(&["--static-map", "/one=WWW/a.txt"]);
    assert_eq!(server.get("/one").text(), "hello\n");
    ours_only!("whatever begins so is the file there");
    is_app(&server.get("/one/more"));
}

#[test]
fn only_get_and_head_ask_for_files() {
    let server = server(&["--check-static", "WWW"]);
    let head = ask(&server, &Request::new("HEAD", "/a.txt"));
    assert_eq!((head.status, head.header("content-length"), head.body.len()), (200, Some("6"), 0));
    server.wait_for("<*> HEAD /a.txt => generated 0 bytes in <N> msecs (HTTP/1.1 200) <*>");
    for method in ["POST", "PUT", "DELETE"] {
        is_app(&ask(&server, &Request::new(method, "/a.txt")));
    }
}

#[test]
fn a_directory_is_its_index() {
    let server = server(&["--static-map", "/s=WWW", "--static-index", "index.html"]);
    for path in ["/s/sub", "/s/sub/"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.text().as_str(), answer.header("content-type")),
            ("<h1>index</h1>", Some("text/html"))
        );
    }
    is_app(&server.get("/s/"));
    let server = self::server(&["--static-map", "/s=WWW"]);
    is_app(&server.get("/s/sub"));
}

#[test]
fn nothing_leads_out_of_the_directory() {
    let setup = setup(&["--static-map", "/s=WWW", "--check-static", "WWW"]);
    let www = setup.path("www");
    symlink("../secret/s.txt", www.join("out")).unwrap();
    symlink(setup.path("secret"), www.join("dir")).unwrap();
    symlink("/etc/passwd", www.join("absolute")).unwrap();
    symlink("/proc/self/environ", www.join("magic")).unwrap();
    symlink("loop", www.join("loop")).unwrap();
    symlink("a.txt", www.join("inside")).unwrap();
    symlink(www.join("a.txt"), www.join("sub/absolute-inside")).unwrap();
    nix::unistd::mkfifo(&www.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let server = setup.start();
    for path in [
        "/s/../secret/s.txt",
        "/s/..%2fsecret%2fs.txt",
        "/s/sub/../../secret/s.txt",
        "/s/%2e%2e/secret/s.txt",
        "/../secret/s.txt",
        "/s/out",
        "/s/dir/s.txt",
        "/s/absolute",
        "/s/magic",
        "/s/loop",
        "/s/pipe",
        "/s//etc/passwd",
        "/s%2e%2e/secret/s.txt",
        "/s/%5c..%5csecret%5cs.txt",
        "/out",
    ] {
        is_app(&server.get(path));
    }
    if !crate::support::setup::original() {
        // There, a path ends at its NUL, and a mount anywhere.
        is_app(&server.get("/s/a.txt%00"));
        is_app(&server.get("/s-secret/s.txt"));
    }
    server.wait_for("[uwsgi-fileserve] security error: <*>");
    assert_eq!(server.get("/s/inside").text(), "hello\n");
    assert_eq!(server.get("/s/sub/absolute-inside").text(), "hello\n");
    assert_eq!(server.get("/s/sub/../a.txt").text(), "hello\n");
}

#[test]
fn a_mount_ends_at_a_slash() {
    ours_only!("/sa.txt is a.txt there");
    let server = server(&["--static-map", "/s=WWW"]);
    is_app(&server.get("/sa.txt"));
}

#[test]
fn links_may_lead_to_a_safe_place() {
    let setup = setup(&["--static-map", "/s=WWW", "--static-safe", "DIR/secret"]);
    symlink("../secret/s.txt", setup.path("www/out")).unwrap();
    symlink("../www-secret/s.txt", setup.path("www/other")).unwrap();
    let server = setup.start();
    assert_eq!(server.get("/s/out").text(), "secret");
    ours_only!("/www-secret is within /www there");
    is_app(&server.get("/s/other"));
}

#[test]
fn a_new_release_is_served_at_once() {
    ours_only!("it serves the old one until a reload");
    let setup = setup(&["--static-map", "/s=DIR/current"]).file("two/a.txt", "second");
    let current = setup.path("current");
    symlink("www", &current).unwrap();
    let server = setup.start();
    assert_eq!(server.get("/s/a.txt").text(), "hello\n");
    std::fs::remove_file(&current).unwrap();
    symlink("two", &current).unwrap();
    assert_eq!(server.get("/s/a.txt").text(), "second");
}

#[test]
fn some_suffixes_are_the_applications() {
    let server = server(&["--check-static", "WWW", "--static-skip-ext", ".txt"]);
    is_app(&server.get("/a.txt"));
    assert_eq!(server.get("/none").text(), "data");
    // By way of its directory neither.
    let skips = ["--static-index", "index.html", "--static-skip-ext", ".html"];
    let server = self::server(&[&["--check-static", "WWW"], &skips[..]].concat());
    is_app(&server.get("/sub"));
    is_app(&server.get("/sub/"));
}

#[test]
fn the_front_end_may_name_the_directory() {
    let setup = setup(&["--uwsgi-socket", "127.0.0.1:0", "--check-static-docroot"]);
    let www = setup.path("www").display().to_string();
    let server = setup.start();
    let mut connection = crate::support::Connection::open(&server.address_of(1));
    connection.send(Request::get("/a.txt").var("DOCUMENT_ROOT", &www).to_packet());
    assert_eq!(connection.answer(false).text(), "hello\n");
}

#[track_caller]
fn asked(server: &Server, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = Request::get(path);
    ask(server, &headers.iter().fold(request, |request, (name, value)| request.header(name, value)))
}

#[test]
fn what_a_client_has_is_not_sent_again() {
    let server = server(&["--check-static", "WWW"]);
    let first = server.get("/a.txt");
    let date = first.header("last-modified").unwrap().to_owned();
    let again = asked(&server, "/a.txt", &[("If-Modified-Since", &date)]);
    assert_eq!((again.status, again.body.len()), (304, 0));
    ours_only!("it knows no entity tags");
    let etag = first.header("etag").unwrap().to_owned();
    assert_eq!(asked(&server, "/a.txt", &[("If-None-Match", &etag)]).status, 304);
    assert_eq!(
        asked(&server, "/a.txt", &[("If-None-Match", "\"x\""), ("If-Modified-Since", &date)])
            .status,
        200
    );
    assert_eq!(asked(&server, "/a.txt", &[("If-Match", "\"x\"")]).status, 412);
    let late = asked(&server, "/a.txt", &[("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT")]);
    assert_eq!(late.status, 304);
    std::fs::write(server.path("www/a.txt"), "other\n").unwrap();
    assert_eq!(asked(&server, "/a.txt", &[("If-None-Match", &etag)]).text(), "other\n");
}

#[test]
fn parts_are_sent_where_they_are_asked_for() {
    ours_only!("only with honour-range, and only one part");
    let server = server(&["--check-static", "WWW"]);
    let part = asked(&server, "/a.txt", &[("Range", "bytes=1-3")]);
    assert_eq!((part.status, &*part.text()), (206, "ell"));
    assert_eq!(part.header("content-range"), Some("bytes 1-3/6"));
    assert_eq!(asked(&server, "/a.txt", &[("Range", "bytes=-2")]).text(), "o\n");
    let none = asked(&server, "/a.txt", &[("Range", "bytes=6-")]);
    assert_eq!((none.status, none.header("content-range")), (416, Some("bytes */6")));
    let several = asked(&server, "/a.txt", &[("Range", "bytes=0-0,2-3")]);
    let kind = several.header("content-type").unwrap();
    let boundary = kind.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let wanted = format!(
        "\r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-0/6\r\n\r\nh\
         \r\n--{boundary}\r\nContent-Type: text/plain\r\nContent-Range: bytes 2-3/6\r\n\r\nll\r\n--{boundary}--\r\n"
    );
    assert_eq!((several.status, several.text()), (206, wanted));
    let again = asked(&server, "/a.txt", &[("Range", "bytes=0-0,2-3")]);
    assert_ne!(again.header("content-type").unwrap(), kind, "nobody can foresee it");
    for range in ["bytes=5-3", "lines=1-3", "bytes=0-,0-,0-"] {
        let whole = asked(&server, "/a.txt", &[("Range", range)]);
        assert_eq!((whole.status, &*whole.text()), (200, "hello\n"), "{range}");
    }
    let going_on = |version: &str| {
        asked(&server, "/a.txt", &[("Range", "bytes=1-3"), ("If-Range", version)]).status
    };
    assert_eq!([going_on("\"x\""), going_on("Wed, 02 Jan 2019 03:04:05 GMT")], [200, 200]);
    for validator in ["etag", "last-modified"] {
        assert_eq!(going_on(part.header(validator).unwrap()), 206, "{validator}");
    }
    let head = ask(&server, &Request::new("HEAD", "/a.txt").header("Range", "bytes=1-3"));
    assert_eq!((head.status, head.header("content-length")), (200, Some("6")));
}

#[test]
fn compressed_files_are_sent_to_those_who_take_them() {
    let setup = setup(&["--check-static", "WWW", "--static-gzip-all"]);
    std::fs::write(setup.path("www/a.txt.gz"), "zipped").unwrap();
    let server = setup.start();
    let zipped = asked(&server, "/a.txt", &[("Accept-Encoding", "gzip")]);
    assert_eq!((&*zipped.text(), zipped.header("content-encoding")), ("zipped", Some("gzip")));
    assert_eq!(zipped.header("content-type"), Some("text/plain"));
    let plain = server.get("/a.txt");
    assert_eq!((&*plain.text(), plain.header("content-encoding")), ("hello\n", None));
    ours_only!("it does not say that answers differ, and looks for the word gzip only");
    assert_eq!(plain.header("vary"), Some("Accept-Encoding"));
    assert_ne!(plain.header("etag"), zipped.header("etag"));
    let refused = asked(&server, "/a.txt", &[("Accept-Encoding", "gzip;q=0")]);
    assert_eq!(refused.text(), "hello\n");
}

#[test]
fn better_codings_come_first() {
    ours_only!("the option is ours");
    let setup = setup(&["--check-static", "WWW", "--static-precompressed", "br,gz"]);
    for (name, text) in [("www/a.txt.gz", "gz"), ("www/a.txt.br", "br"), ("www/none.gz", "gz")] {
        std::fs::write(setup.path(name), text).unwrap();
    }
    let server = setup.start();
    let text = |path, codings| asked(&server, path, &[("Accept-Encoding", codings)]).text();
    assert_eq!(text("/a.txt", "gzip, br"), "br");
    assert_eq!(text("/a.txt", "gzip, br;q=0.1"), "gz");
    assert_eq!(text("/none", "br, gzip"), "gz");
    assert_eq!(text("/a.txt", "zstd"), "hello\n");
}

#[test]
fn gzip_can_be_for_some_files() {
    for args in
        [["--static-gzip", "a.*t$"], ["--static-gzip-ext", ".txt"], ["--static-gzip-dir", "WWW/a"]]
    {
        let setup = setup(&[&["--check-static", "WWW"], &args[..]].concat());
        for name in ["www/a.txt.gz", "www/none.gz"] {
            std::fs::write(setup.path(name), "zipped").unwrap();
        }
        let server = setup.start();
        let text = |path| asked(&server, path, &[("Accept-Encoding", "gzip")]).text();
        assert_eq!((&*text("/a.txt"), &*text("/none")), ("zipped", "data"), "{args:?}");
    }
}

#[test]
fn brotli_comes_before_gzip_where_both_are_there() {
    let setup = setup(&["--check-static", "WWW", "--static-gzip-all"]);
    for (name, text) in [("www/a.txt.gz", "gz"), ("www/a.txt.br", "br"), ("www/none.br", "br")] {
        std::fs::write(setup.path(name), text).unwrap();
    }
    let server = setup.start();
    let text = |path, codings| asked(&server, path, &[("Accept-Encoding", codings)]).text();
    assert_eq!(text("/a.txt", "gzip, deflate, br"), "br");
    assert_eq!(text("/a.txt", "gzip"), "gz");
    assert_eq!([text("/none", "br"), text("/none", "gzip")], ["br", "data"]);
    ours_only!("a range is one of the plain file");
    let coded = ("Accept-Encoding", "br");
    let part = asked(&server, "/a.txt", &[coded, ("Range", "bytes=1-")]);
    assert_eq!(
        (part.status, &*part.text(), part.header("content-encoding")),
        (206, "r", Some("br"))
    );
    // What was begun without the coding is not gone on with in it.
    let plain = server.get("/a.txt").header("etag").unwrap().to_owned();
    let whole = asked(&server, "/a.txt", &[coded, ("Range", "bytes=1-"), ("If-Range", &plain)]);
    assert_eq!((whole.status, &*whole.text()), (200, "br"));
}

#[test]
fn copies_of_a_file_have_one_tag() {
    ours_only!("it knows no entity tags");
    let setup = setup(&["--static-map", "/one=WWW", "--static-map", "/two=DIR/secret"]);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_millis(1_577_934_245_678);
    for name in ["www/a.txt", "secret/a.txt"] {
        std::fs::write(setup.path(name), "same").unwrap();
        std::fs::File::options()
            .write(true)
            .open(setup.path(name))
            .unwrap()
            .set_modified(time)
            .unwrap();
    }
    let server = setup.start();
    let tag = |path| server.get(path).header("etag").map(str::to_owned);
    assert_eq!(tag("/one/a.txt"), tag("/two/a.txt"));
}

#[test]
fn answers_without_a_body_keep_the_connection() {
    ours_only!("http-socket has no keep-alive");
    let server = setup(&["--check-static", "WWW"]).file("www/empty", "").start();
    let mut connection = server.connect();
    let now = "Fri, 01 Jan 2100 00:00:00 GMT";
    let known = Request::get("/a.txt").header("If-Modified-Since", now);
    assert_eq!(connection.ask(&known).status, 304);
    assert_eq!(connection.ask(&Request::get("/a.txt")).text(), "hello\n");
    let range = Request::get("/a.txt").header("Range", "bytes=99-");
    assert_eq!(connection.ask(&range).status, 416);
    assert_eq!(connection.ask(&Request::get("/empty")).text(), "");
    assert_eq!(connection.ask(&Request::get("/none")).text(), "data");
}

#[test]
fn files_expire() {
    let age = |answer: &Answer, from: &str| {
        let time = |name| httpdate::parse_http_date(answer.header(name).unwrap()).unwrap();
        time("expires").duration_since(time(from)).unwrap().as_secs()
    };
    for option in
        ["--static-expires-mtime", "--static-expires-uri-mtime", "--static-expires-path-info-mtime"]
    {
        let server = server(&["--check-static", "WWW", option, "\\.txt$ 3600"]);
        assert_eq!(age(&server.get("/a.txt"), "last-modified"), 3600, "{option}");
        assert_eq!(server.get("/none").header("expires"), None);
    }
    let server = server(&["--check-static", "WWW", "--static-expires-type-mtime", "text/plain=60"]);
    assert_eq!(age(&server.get("/a.txt"), "last-modified"), 60);
    let server = self::server(&["--check-static", "WWW", "--static-expires", "a 100000000"]);
    assert!(server.get("/a.txt").header("expires").is_some());
    ours_only!("it sends no date");
    let apart = age(&server.get("/a.txt"), "date");
    assert!((99_999_999..=100_000_001).contains(&apart), "{apart}");
}

#[test]
fn types_come_from_a_file() {
    let types = ["--check-static", "WWW", "--mime-file", "DIR/types"];
    let server = setup(&types).file("types", "# comment\ntext/x-own txt none\n").start();
    assert_eq!(server.get("/a.txt").header("content-type"), Some("text/x-own"));
    assert_eq!(server.get("/none").header("content-type"), None);
}

#[test]
fn mistakes_are_told_at_the_start() {
    ours_only!("it starts");
    for (args, text) in [
        (["--static-map", "nonsense"], "--static-map nonsense: no map; accepted: /MOUNT=PATH"),
        (["--static-expires", "(x 60"], "is no regular expression"),
        (["--static-expires", "x soon"], "no time of expiry; accepted: REGEX SECONDS"),
        (["--static-precompressed", "rar"], "\"rar\" is no coding; accepted: br, zst, gz"),
        (["--static-internal", "/s="], "--static-internal /s=: no map; accepted: /MOUNT=PATH"),
        (["--file-serve-mode", "lighttpd"], "accepted: nginx, x-accel-redirect, x-sendfile"),
        (["--mime-file", "/no/such"], "mime-file /no/such: it cannot be read: No such file"),
    ] {
        let (status, log) = setup(&args).run();
        assert_eq!(status.code(), Some(1), "{args:?}");
        assert!(log.contains(text), "{log}");
    }
}

#[test]
fn files_go_by_every_protocol() {
    let big = vec![b'y'; 300_000];
    let sized = |setup: Setup| {
        std::fs::write(setup.path("www/big"), &big).unwrap();
        setup.start()
    };
    let server = sized(setup(&["--check-static", "WWW", "--fastcgi-socket", "127.0.0.1:0"]));
    let mut connection = crate::support::Connection::open(&server.address_of(1));
    connection.send(fastcgi::request(&Request::get("/big"), 1, false));
    assert_eq!(fastcgi::reply(&mut connection, false).answer.body, big);
    let server = sized(setup(&["--check-static", "WWW", "--scgi-socket", "127.0.0.1:0"]));
    let mut connection = crate::support::Connection::open(&server.address_of(1));
    connection.send(fastcgi::scgi(&Request::get("/big")));
    assert_eq!(fastcgi::answer(&connection.rest(), false).body, big);
}
