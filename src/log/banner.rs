//! The lines at start, as uWSGI writes them where they are true here; scripts look for these texts.
//!
//! Each function gives lines, the caller logs them at their place of the boot order (behaviour note 3.1).

use std::time::Duration;

use crate::sys::machine::Machine;
use crate::sys::{clock, time};

/// The first lines: what starts, and on what.
pub fn starting(machine: &Machine) -> Vec<String> {
    let bits = usize::BITS;
    let now = time::ctime(clock::unix_seconds());
    vec![
        format!(
            "*** Starting uWSGI (uwsgi-rs {}) ({bits}bit) on [{}] ***",
            env!("CARGO_PKG_VERSION"),
            String::from_utf8_lossy(&now)
        ),
        format!("os: {}", machine.system),
        format!("nodename: {}", machine.hostname),
        format!("machine: {}", machine.architecture),
        format!("detected number of CPU cores: {}", machine.cores),
        format!("current working directory: {}", machine.cwd.display()),
        format!("detected binary path: {}", machine.binary.display()),
    ]
}

/// Warnings about how it runs, and the limits of the process; after privileges were dropped.
pub fn process(machine: &Machine, runs_as_root: bool, master: bool, vhost: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if runs_as_root {
        lines.push(
            "*** WARNING: you are running uWSGI as root !!! (use the --uid flag) *** ".to_owned(),
        );
    }
    if !master {
        lines.push(
            "*** WARNING: you are running uWSGI without its master process manager ***".to_owned(),
        );
    }
    if let Some(processes) = machine.processes_max {
        lines.push(format!("your processes number limit is {processes}"));
    }
    lines.push(format!("your memory page size is {} bytes", machine.page_bytes));
    lines.push(format!("detected max file descriptor number: {}", machine.descriptors_max));
    if vhost {
        lines.push("VirtualHosting mode enabled.".to_owned());
    }
    lines
}

/// What is going to serve.
#[derive(Clone, Copy, Debug)]
pub struct Serving {
    /// `listen`.
    pub backlog: u32,
    /// `worker-reload-mercy`.
    pub worker_mercy: Duration,
    /// Size of the shared memory in bytes.
    pub mapped_bytes: usize,
    /// `processes`.
    pub workers: u16,
    /// `threads`.
    pub threads: u16,
}

/// Lines after the sockets were opened and before the applications are loaded.
pub fn serving(serving: &Serving) -> Vec<String> {
    let Serving { backlog, worker_mercy, mapped_bytes, workers, threads } = *serving;
    let cores = u32::from(workers) * u32::from(threads);
    vec![
        format!("your server socket listen backlog is limited to {backlog} connections"),
        format!(
            "your mercy for graceful operations on workers is {} seconds",
            worker_mercy.as_secs()
        ),
        format!("mapped {mapped_bytes} bytes ({} KB) for {cores} cores", mapped_bytes / 1024),
        format!("*** Operational MODE: {} ***", operational_mode(workers, threads)),
    ]
}

/// uWSGI's name for the number of processes and threads.
pub fn operational_mode(workers: u16, threads: u16) -> &'static str {
    match (workers > 1, threads > 1) {
        (false, false) => "single process",
        (false, true) => "threaded",
        (true, false) => "preforking",
        (true, true) => "preforking+threaded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_keeps_its_shape() {
        let lines = starting(&Machine::detect());
        assert!(
            lines[0].starts_with("*** Starting uWSGI (uwsgi-rs ") && lines[0].ends_with("] ***")
        );
        assert!(lines[1].starts_with("os: Linux-"), "{}", lines[1]);
    }

    #[test]
    fn modes_have_uwsgis_names() {
        assert_eq!(operational_mode(1, 1), "single process");
        assert_eq!(operational_mode(4, 1), "preforking");
        assert_eq!(operational_mode(1, 2), "threaded");
        assert_eq!(operational_mode(2, 2), "preforking+threaded");
    }

    #[test]
    fn serving_counts_cores() {
        let lines = serving(&Serving {
            backlog: 100,
            worker_mercy: Duration::from_secs(60),
            mapped_bytes: 250_128,
            workers: 2,
            threads: 2,
        });
        assert_eq!(lines[2], "mapped 250128 bytes (244 KB) for 4 cores");
    }
}
