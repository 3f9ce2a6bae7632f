//! `py-autoreload`.

use crate::support::{Server, Setup, Wire, eventually};

const APP: &str = "import shop\ndef application(e, s):\n    if e['PATH_INFO'] == '/more':\n        import more\n        \
                   s('200 OK', [])\n        return [b'%d' % more.PRICE]\n    s('200 OK', [])\n    return [b'%d' % shop.PRICE]\n";

fn setup() -> Setup {
    let setup = Setup::new(Wire::Uwsgi).file("app.py", APP).file("shop.py", "PRICE = 1\n");
    setup.args(["-s", "127.0.0.1:0", "--wsgi-file", "app.py", "--py-autoreload", "1"])
}

fn start() -> Server {
    let server = setup().master(2).start();
    server.wait_for("Python auto-reloader enabled");
    assert_eq!(server.get("/").text(), "1");
    server
}

fn write(server: &Server, name: &str, text: &str) {
    std::fs::write(server.path(name), text).unwrap();
}

fn price(server: &Server, target: &str, price: &str) {
    eventually(&format!("{target} to be {price}"), || {
        let answer = server.raw(&crate::support::Request::get(target));
        String::from_utf8_lossy(&answer).ends_with(price)
    });
}

/// The original compares times of whole seconds, so the file is given one that differs.
fn age(server: &Server, name: &str) {
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(5);
    let file = std::fs::File::options().write(true).open(server.path(name)).unwrap();
    file.set_modified(later).unwrap();
}

#[test]
fn changed_module_is_loaded_anew() {
    let server = start();
    // The original takes a first look at the files, and sees later changes only.
    price(&server, "/", "1");
    crate::support::eventually("a reload for a change", || {
        write(&server, "shop.py", "PRICE = 22\n");
        age(&server, "shop.py");
        server.logged("<*>[uwsgi-python-reloader] module/file <*>shop.py has been modified")
    });
    ours_only!(
        "it is away for a moment, and on a busy machine reloads again for what the test writes"
    );
    price(&server, "/", "22");
}

#[test]
fn file_that_an_editor_replaces_is_seen() {
    ours_only!("it looks once a second, so that the test would have to wait");
    let server = start();
    write(&server, "shop.py~", "PRICE = 33\n");
    std::fs::rename(server.path("shop.py~"), server.path("shop.py")).unwrap();
    price(&server, "/", "33");
    std::fs::remove_file(server.path("shop.py")).unwrap();
    write(&server, "shop.py", "PRICE = 34\n");
    price(&server, "/", "34");
}

#[test]
fn module_that_is_loaded_late_is_watched_too() {
    ours_only!("it looks once a second, so that the test would have to wait");
    let server = setup().file("more.py", "PRICE = 5\n").master(1).start();
    server.wait_for("Python auto-reloader enabled");
    price(&server, "/more", "5");
    write(&server, "more.py", "PRICE = 66\n");
    price(&server, "/more", "66");
}

#[test]
fn file_that_cannot_be_compiled_causes_no_reload() {
    ours_only!("it reloads onto nothing, and does not come back");
    let server = start();
    write(&server, "shop.py", "PRICE = (\n");
    server.wait_for("[uwsgi-python-reloader] <*>shop.py cannot be compiled<*>SyntaxError<*>");
    assert_eq!(server.get("/").text(), "1");
    write(&server, "shop.py", "PRICE = 7\n");
    price(&server, "/", "7");
}

#[test]
fn application_that_does_not_load_leaves_the_old_one_serving() {
    ours_only!("it reloads onto nothing, and does not come back");
    for lazy in ["--lazy-apps=false", "--lazy-apps"] {
        let server = setup().master(2).arg(lazy).start();
        server.wait_for("Python auto-reloader enabled");
        write(&server, "shop.py", "import no_such_module\n");
        server.wait_for("reload FAILED: <*>");
        assert_eq!(server.get("/").text(), "1");
        write(&server, "shop.py", "PRICE = 8\n");
        price(&server, "/", "8");
    }
}

#[test]
fn application_that_did_not_load_at_the_start_is_loaded_when_it_is_mended() {
    ours_only!("it watches only what was loaded");
    let server = setup().file("shop.py", "import no_such_module\n").master(1).start();
    server.wait_for("Python auto-reloader enabled");
    assert_eq!(server.get("/").status, 500);
    write(&server, "shop.py", "PRICE = 9\n");
    price(&server, "/", "9");
}

#[test]
fn ignored_modules_may_change() {
    ours_only!("it looks once a second, so that the test would have to wait");
    let ignored = ["--py-auto-reload-ignore", "shop"];
    let server = setup().args(ignored).master(1).start();
    server.wait_for("Python auto-reloader enabled");
    write(&server, "shop.py", "PRICE = 10\n");
    // Something that counts comes after it.
    write(&server, "app.py", &APP.replace("import shop", "import shop as other\nimport shop"));
    server.wait_for("[uwsgi-python-reloader] module/file <*>app.py has been modified");
    assert!(!server.logged("<*>shop.py has been modified"));
}
