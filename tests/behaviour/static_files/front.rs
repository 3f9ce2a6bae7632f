//! `file-serve-mode`: the front end sends the files.

use super::setup;
use crate::support::fronts::{Front, Pass, Plan, program};
use crate::support::{Request, Server};

fn server(mode: &str) -> Server {
    let more = ["--static-expires", "www 3600", "--file-serve-mode", mode];
    setup(&[&["--check-static", "WWW", "--uwsgi-socket", "127.0.0.1:0"], &more[..]].concat())
        .start()
}

#[test]
fn the_front_end_is_told_which_file_it_is() {
    for (mode, header) in [
        ("nginx", "X-Accel-Redirect"),
        ("x-accel-redirect", "X-Accel-Redirect"),
        ("X-Sendfile", "X-Sendfile"),
    ] {
        let server = server(mode);
        let link = server.path("www/link");
        std::os::unix::fs::symlink("a.txt", link).unwrap();
        let path = std::fs::canonicalize(server.path("www/a.txt")).unwrap();
        for name in ["/a.txt", "/link"] {
            let answer = server.get(name);
            assert_eq!((answer.status, &*answer.text()), (200, ""), "{mode}");
            assert_eq!(answer.header(header), path.to_str());
            assert!(answer.header("last-modified").is_some() && answer.header("expires").is_some());
        }
        assert_eq!(server.get("/a.txt").header("content-type"), Some("text/plain"));
        let head = server.connect().ask(&Request::new("HEAD", "/a.txt"));
        assert_eq!((head.header(header), head.header("content-length")), (path.to_str(), None));
        assert!(server.get("/nope").text().starts_with("app "));
    }
}

#[test]
fn names_are_escaped_for_the_front_end() {
    ours_only!("a name with a percent sign is another one for nginx");
    let server = server("nginx");
    std::fs::write(server.path("www/50% a?.txt"), "x").unwrap();
    let answer = server.get("/50%25%20a%3f.txt");
    let name = answer.header("x-accel-redirect").unwrap();
    assert!(name.ends_with("/www/50%25%20a%3F.txt"), "{name}");
}

#[test]
fn nginx_sends_the_file() {
    needs!(program("nginx").is_some(), "nginx is not installed");
    let server = server("nginx");
    let www = std::fs::canonicalize(server.path("www")).unwrap();
    std::fs::write(www.join("a.txt.gz"), "zipped").unwrap();
    std::fs::write(www.join("50% a.txt"), "odd").unwrap();
    let location = format!("location {}/ {{ internal; root /; }}", www.display());
    let plan = Plan::new(Pass::Uwsgi).with(location.leak());
    let nginx = Front::nginx(plan, &server.address_of(1));
    let answer = nginx.connect().ask(&Request::get("/a.txt").header("Accept-Encoding", "gzip"));
    assert_eq!((answer.status, &*answer.text()), (200, "hello\n"));
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let part = nginx.connect().ask(&Request::get("/a.txt").header("Range", "bytes=1-2"));
    assert_eq!((part.status, &*part.text()), (206, "el"));
    let tag = answer.header("etag").unwrap().to_owned();
    for name in ["If-Match", "If-None-Match"] {
        let answer = nginx.connect().ask(&Request::get("/a.txt").header(name, &tag));
        assert_eq!(answer.status, if name == "If-Match" { 200 } else { 304 }, "{name}");
    }
    if !crate::support::setup::original() {
        assert_eq!(nginx.connect().ask(&Request::get("/50%25%20a.txt")).text(), "odd");
    }
}
