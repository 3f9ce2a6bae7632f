//! Time of `handle()` alone: environ, call of a hello application, response into nothing.
//!
//! `cargo bench -p uwsgi-plugin-python` prints nanoseconds a request, the best and the median of several
//! rounds. `PYTHON` in the environment names the interpreter.
#![allow(clippy::unwrap_used)] // a failed bench may panic

#[path = "../tests/support/mod.rs"]
mod support;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use support::{MockBody, MockHead, MockHost, browser, http_listener, plain, serve};
use uwsgi_plugin_api::{CoreId, Flow, HeadError, Plugin, Response, Settings, WriteError};
use uwsgi_plugin_python::PythonPlugin;

/// Takes everything and keeps nothing but a length.
#[derive(Default)]
struct Nothing {
    started: bool,
    bytes: usize,
}

impl Response for Nothing {
    fn start(&mut self, status: &[u8]) -> Result<(), HeadError> {
        self.started = true;
        self.bytes += status.len();
        Ok(())
    }
    fn header(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        self.bytes += name.len() + value.len();
        Ok(())
    }
    fn started(&self) -> bool {
        self.started
    }
    fn head_sent(&self) -> bool {
        false
    }
    fn whole_body(&mut self, _length: u64) {}
    fn write(&mut self, data: &[u8]) -> Result<Flow, WriteError> {
        self.bytes += data.len();
        Ok(Flow::Ready)
    }
    fn write_file(
        &mut self,
        _file: OwnedFd,
        _offset: u64,
        _length: u64,
    ) -> Result<Flow, WriteError> {
        Ok(Flow::Ready)
    }
    fn wait(&mut self) -> Result<(), WriteError> {
        Ok(())
    }
    fn flush_head(&mut self) -> Result<(), WriteError> {
        Ok(())
    }
    fn abort(&mut self) {}
}

fn main() {
    const ROUNDS: usize = 15;
    const REQUESTS: u32 = 50_000;

    let mut settings = vec![(
        String::from("wsgi-file"),
        format!("{}/tests/apps/hello.py", env!("CARGO_MANIFEST_DIR")),
    )];
    settings.extend(std::env::var("PYTHON").ok().map(|python| (String::from("python"), python)));
    let plugin = PythonPlugin::new();
    let listener = http_listener();
    plugin
        .start(
            &Settings::new(settings),
            Arc::new(MockHost::default()),
            std::slice::from_ref(&listener),
        )
        .unwrap();
    assert_eq!(plugin.load().unwrap().apps, 1);
    let mut handler = plugin.handler(CoreId(0));

    let mut body = MockBody::new(&[]);
    for (name, vars) in [
        ("browser headers, same client", vec![browser()]),
        ("browser headers, path, cookie and port differ", changing()),
        ("one header", vec![plain("/", "")]),
    ] {
        let heads: Vec<MockHead> = vars.iter().map(|vars| MockHead::new(vars)).collect();
        let mut rounds: Vec<f64> = (0..ROUNDS)
            .map(|_| {
                let begun = Instant::now();
                for number in 0..REQUESTS {
                    let head = &heads[number as usize % heads.len()];
                    let mut response = Nothing::default();
                    let outcome = serve(&mut *handler, &listener, head, &mut body, &mut response);
                    assert!(!outcome.exception && response.bytes > 12);
                }
                begun.elapsed().as_nanos() as f64 / f64::from(REQUESTS)
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        println!("{name}: best {:.0} ns, median {:.0} ns", rounds[0], rounds[ROUNDS / 2]);
    }
}

/// Requests as several users send them: the same headers, but other paths, cookies and ports.
fn changing() -> Vec<Vec<(&'static str, &'static [u8])>> {
    (0..64)
        .map(|user: usize| {
            let mut vars = browser();
            for (name, value) in &mut vars {
                match *name {
                    "PATH_INFO" | "REQUEST_URI" => {
                        *value = format!("/item/{user}").leak().as_bytes()
                    }
                    "HTTP_COOKIE" => *value = format!("session={user:032x}").leak().as_bytes(),
                    "REMOTE_PORT" => *value = format!("{}", 40_000 + user).leak().as_bytes(),
                    _ => {}
                }
            }
            vars
        })
        .collect()
}
