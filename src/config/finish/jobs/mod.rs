//! Crons, attached daemons and touch files.

mod cron;
mod daemon;
mod keys;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use crate::config::model::jobs::{Jobs, Then, Touch};
use crate::config::values::Values;

/// uWSGI's patience with daemons where `reload-mercy` is not given.
const DAEMON_MERCY: Duration = Duration::from_secs(3);

/// `reload_mercy` and `worker_mercy` as they were read, with their defaults.
pub(super) fn jobs(
    values: &mut Values<'_>,
    (reload_mercy, worker_mercy): (Duration, Duration),
) -> Jobs {
    let given = values.last("reload-mercy").is_some();
    Jobs {
        crons: cron::crons(values),
        daemons: daemon::daemons(values),
        touches: touches(values),
        mercy: if given { reload_mercy } else { DAEMON_MERCY },
        gateway_mercy: worker_mercy,
        workers_wait: false,
    }
}

const TOUCHES: [(&str, Then); 7] = [
    ("touch-reload", Then::Reload),
    ("touch-workers-reload", Then::ReloadWorkers),
    ("touch-chain-reload", Then::ChainReload),
    ("touch-logrotate", Then::RotateLogs),
    ("touch-logreopen", Then::ReopenLogs),
    ("fs-reload", Then::FsReload),
    ("fs-brutal-reload", Then::FsBrutalReload),
];

fn touches(values: &mut Values<'_>) -> Vec<Touch> {
    let mut touches = Vec::new();
    for (option, then) in TOUCHES {
        for directive in values.all(option).to_vec() {
            match directive.text() {
                "" => values.error(directive, "no file is named; accepted: the path of a file"),
                path => touches.push(Touch { path: path.into(), then: then.clone() }),
            }
        }
    }
    for directive in values.all("touch-exec").to_vec() {
        let parts = directive.text().split_once(' ');
        let parts = parts.map(|(path, command)| (path, command.trim_start()));
        match parts.filter(|(path, command)| !path.is_empty() && !command.is_empty()) {
            Some((path, command)) => {
                let path = PathBuf::from(path);
                touches.push(Touch { path, then: Then::Run(command.to_owned()) });
            }
            None => values.error(directive, "accepted: FILE COMMAND"),
        }
    }
    touches
}
