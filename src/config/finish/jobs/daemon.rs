//! `attach-daemon` and its like (behaviour note 3.12).

use std::path::PathBuf;
use std::time::Duration;

use super::super::SECONDS_MAX;
use super::keys::Keys;
use crate::config::Directive;
use crate::config::model::jobs::Daemon;
use crate::config::values::Values;
use crate::sys::signal::Signal;

/// Highest number of a signal with a name.
const SIGNAL_MAX: i64 = 31;

pub(super) fn daemons(values: &mut Values<'_>) -> Vec<Daemon> {
    let stdin = values.flag("daemons-honour-stdin");
    let mut daemons = Vec::new();
    for (option, control) in [("attach-daemon", false), ("attach-control-daemon", true)] {
        for directive in values.all(option).to_vec() {
            match directive.text().trim() {
                "" => values.error(directive, "no command; accepted: a command for the shell"),
                command => {
                    let text = format!("{option} {command}");
                    daemons.push(Daemon { control, stdin, ..Daemon::new(text, command) });
                }
            }
        }
    }
    for (option, daemonize) in [("smart-attach-daemon", false), ("smart-attach-daemon2", true)] {
        for directive in values.all(option).to_vec() {
            match smart(directive.text()) {
                Ok((pidfile, freq, command)) => {
                    let text = format!("{option} {}", directive.text());
                    let pidfile = Some(pidfile);
                    let plain = Daemon::new(text, command);
                    daemons.push(Daemon { pidfile, daemonize, freq, stdin, ..plain });
                }
                Err(problem) => values.error(directive, problem),
            }
        }
    }
    for directive in values.all("attach-daemon2").to_vec() {
        daemons.extend(by_keys(directive, stdin, values));
    }
    daemons
}

/// `PIDFILE[,SECONDS] COMMAND`.
fn smart(text: &str) -> Result<(PathBuf, Duration, &str), String> {
    let accepted = "accepted: PIDFILE COMMAND, or PIDFILE,SECONDS COMMAND";
    let (file, command) = text.trim().split_once([' ', '\t']).ok_or(accepted)?;
    let (file, freq) = match file.split_once(',') {
        None => (file, Daemon::FREQ),
        Some((file, seconds)) => {
            let seconds =
                seconds.parse().ok().filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
            (file, Duration::from_secs(seconds.ok_or(accepted)?))
        }
    };
    let command = command.trim();
    if file.is_empty() || command.is_empty() {
        Err(accepted.to_owned())
    } else {
        Ok((file.into(), freq, command))
    }
}

fn by_keys(directive: &Directive, stdin: bool, values: &mut Values<'_>) -> Option<Daemon> {
    let mut keys = Keys::new(directive, directive.text());
    let seconds = 1..=SECONDS_MAX as i64;
    let duration = |number: i64| Duration::from_secs(number.unsigned_abs());
    let command = keys.text(&["command", "cmd", "exec"]).unwrap_or_default();
    let touch = keys.text(&["touch"]).unwrap_or_default();
    let daemon = Daemon {
        pidfile: keys.text(&["pidfile"]).map(PathBuf::from),
        daemonize: keys.flag(&["daemonize", "daemon"], values).unwrap_or(false),
        freq: keys.number("freq", seconds.clone(), values).map_or(Daemon::FREQ, duration),
        control: keys.flag(&["control"], values).unwrap_or(false),
        touch: touch.split(';').filter(|path| !path.is_empty()).map(PathBuf::from).collect(),
        stop_signal: signal(&mut keys, "stopsignal", values).unwrap_or(Signal::SIGTERM),
        reload_signal: signal(&mut keys, "reloadsignal", values),
        notify: keys.flag(&["notifypid"], values).unwrap_or(false),
        stdin: keys.flag(&["stdin"], values).unwrap_or(stdin),
        uid: keys.text(&["uid"]),
        gid: keys.text(&["gid"]),
        pid_namespace: keys.flag(&["ns_pid"], values).unwrap_or(false),
        chdir: keys.text(&["chdir"]).map(PathBuf::from),
        throttle_max: keys
            .number("max_throttle", seconds, values)
            .map_or(Daemon::THROTTLE_MAX, duration),
        ..Daemon::new(format!("attach-daemon2 {}", directive.text()), command.trim())
    };
    keys.refuse_others(values);
    let missing = match &daemon {
        Daemon { command, .. } if command.is_empty() => {
            "no command; accepted: the key command, cmd or exec"
        }
        Daemon { daemonize: true, pidfile: None, .. } => {
            "daemonize needs a file for the process id; accepted: the key pidfile"
        }
        Daemon { notify: true, pidfile, reload_signal, .. }
            if pidfile.is_none() || reload_signal.is_none() =>
        {
            "notifypid tells a program with a pidfile of a reload; accepted: together with the keys pidfile and reloadsignal"
        }
        _ => return Some(daemon),
    };
    values.error(directive, missing);
    None
}

fn signal(keys: &mut Keys<'_>, name: &'static str, values: &mut Values<'_>) -> Option<Signal> {
    let number = keys.number(name, 1..=SIGNAL_MAX, values)?;
    i32::try_from(number).ok().and_then(|number| Signal::try_from(number).ok())
}
