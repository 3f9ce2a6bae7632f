//! What the log says of a worker that has ended.

use super::fleet::{Process, Stage};
use super::{Action, Ended, Millis, Recycle, Signal, exit_code, lines};

/// `stopping`: the instance ends. `candidate`: it was the first of its generation, and no other follows.
pub(super) fn report_death(
    process: &Process,
    ended: Ended,
    (stopping, candidate): (bool, bool),
    now: Millis,
    actions: &mut Vec<Action>,
) {
    match stopping || !process.stays() {
        true => report_buried(process, ended, now, actions),
        false => report_lost(process, ended, candidate, actions),
    }
}

/// Nobody had asked it to end.
fn report_lost(process: &Process, ended: Ended, candidate: bool, actions: &mut Vec<Action>) {
    let (worker, pid) = (process.worker, process.pid.unwrap_or(super::Pid::from_raw(0)));
    let mut log = |line| actions.push(Action::Log(line));
    match ended {
        Ended::Code(exit_code::RECYCLE) => log(lines::recycled(worker, pid)),
        // The worker has logged the exception and its own end.
        Ended::Code(exit_code::EXCEPTION) => {}
        Ended::Code(exit_code::NO_APP) => log(lines::load_failed(worker, pid)),
        Ended::Code(code) => {
            log(lines::exit_status(worker, pid, code));
            if !candidate {
                log(lines::died(worker, pid, ended));
            }
        }
        Ended::Signal(_) => log(lines::died(worker, pid, ended)),
    }
}

/// It was to end.
fn report_buried(process: &Process, ended: Ended, now: Millis, actions: &mut Vec<Action>) {
    let (worker, pid) = (process.worker, process.pid.unwrap_or(super::Pid::from_raw(0)));
    let (since, killed) = match process.stage {
        Stage::Booting | Stage::Serving => (now, false),
        Stage::Leaving { since, .. } => (since, false),
        Stage::Killed { since } => (since, true),
    };
    let asked = [Signal::SIGTERM as i32, Signal::SIGINT as i32, Signal::SIGHUP as i32];
    let went = match ended {
        Ended::Code(code) => [exit_code::RECYCLE, exit_code::END].contains(&code),
        Ended::Signal(signal) => asked.contains(&signal),
    };
    match ended {
        // uWSGI's words for a worker that harakiri ended.
        Ended::Signal(_) if process.harakiri.is_some() => {
            actions.push(Action::Log(lines::died(worker, pid, ended)));
            return;
        }
        Ended::Signal(signal) if !killed && !asked.contains(&signal) => {
            actions.push(Action::Log(format!(
                "worker {worker} (pid: {pid}) was killed by signal {signal}"
            )));
        }
        _ if process.recycle == Some(Recycle::Surplus) && went => {
            actions.push(Action::Log(lines::recycled(worker, pid)));
            actions.push(Action::Log(lines::cheaped(worker)));
            return;
        }
        Ended::Code(exit_code::RECYCLE) if process.recycle.is_some() => {
            actions.push(Action::Log(lines::recycled(worker, pid)));
            return;
        }
        Ended::Code(_) | Ended::Signal(_) => {}
    }
    actions.push(Action::Log(lines::buried(worker, now.since(since))));
}
