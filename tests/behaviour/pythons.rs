//! Every CPython this machine has.

use crate::support::{Setup, python};

/// Serves from a virtualenv of CPython `wanted`, or prints why not.
fn serves_from(wanted: &str) {
    ours_only!("it is built for one Python");
    let Some(venv) = python::virtualenv(&format!("python{wanted}")) else {
        return println!(
            "skipped: no virtualenv of Python {wanted} (tests/setup.sh pythons makes those it can)"
        );
    };
    assert_eq!(python::version(&venv).as_deref(), Some(wanted));
    let server = Setup::http().master(2).args(["--threads", "2", "-H"]).arg(&venv).start();
    server.wait_for(&format!("Python version: {wanted}.<*>"));
    let answer = server.get("/where");
    assert_eq!(answer.line("version"), wanted);
    assert_eq!(answer.line("prefix"), venv.display().to_string());
    assert_eq!(server.post("/echo", "hello").text(), "hello");
    assert_eq!(server.get("/generator").text(), "one two");
    assert_eq!(server.get("/file").status, 200);
    assert_eq!(server.get("/boom").status, 500);
    server.wait_for("ValueError: boom before start_response");
}

#[test]
fn python_3_9() {
    serves_from("3.9");
}

#[test]
fn python_3_10() {
    serves_from("3.10");
}

#[test]
fn python_3_11() {
    serves_from("3.11");
}

#[test]
fn python_3_12() {
    serves_from("3.12");
}

#[test]
fn python_3_13() {
    serves_from("3.13");
}

#[test]
fn python_of_the_system() {
    ours_only!("it is built for one Python");
    let binary = std::path::Path::new("/usr/bin/python3");
    needs!(binary.exists(), "there is no /usr/bin/python3");
    let server = Setup::http().arg("--python").arg(binary).start();
    assert_eq!(server.get("/where").line("prefix"), "/usr");
}
