//! Requests that are out of time.
//!
//! uWSGI kills the whole worker at once. Here the worker is told which core is stuck, so that it can log
//! the stack, answer the client and let its other requests finish; the master's SIGKILL comes when
//! nothing else runs there any more, and in any case after one more harakiri time.

use uwsgi_plugin_api::CoreId;

use super::fleet::{Harakiri, Process, Stage};
use super::{Action, Cores, Millis, Order, Pid, Running, Settings, Signal, lines};

/// The worker has this long to log a stack and to answer before it is killed.
const LAST_WORDS_MS: u64 = 1_000;

/// Looks at one worker's cores. Returns the earliest deadline that is still to come.
pub(super) fn check(
    process: &mut Process,
    (now, cores, settings): (Millis, &dyn Cores, &Settings),
    actions: &mut Vec<Action>,
) -> Option<Millis> {
    let pid = process.pid.filter(|_| !matches!(process.stage, Stage::Killed { .. }))?;
    let seat = process.seat;
    let mut next: Option<Millis> = None;
    let known = |process: &Process, core| {
        process.harakiri.as_ref().is_some_and(|harakiri| harakiri.cores.contains(&core))
    };
    for core in (0..settings.cores).map(CoreId) {
        match cores.due(seat, core) {
            Some(due) if due > now => next = Some(next.map_or(due, |next| next.min(due))),
            Some(_) if !known(process, core) => {
                report(process, pid, core, (now, cores, settings), actions);
                condemn(process, core, now, settings);
                actions.push(Action::Tell { seat, pid, order: Order::Harakiri { core } });
            }
            Some(_) | None => {}
        }
    }
    let Some(harakiri) = &process.harakiri else { return next };
    let others = (0..settings.cores)
        .map(CoreId)
        .any(|core| !harakiri.cores.contains(&core) && cores.running(seat, core).is_some());
    let last_words = harakiri.last + LAST_WORDS_MS;
    if (!others && now >= last_words) || now >= harakiri.kill_at {
        actions.push(Action::Kill { pid, signal: Signal::SIGKILL });
        process.stage = Stage::Killed { since: now };
        return None;
    }
    let kill = if last_words > now { last_words } else { harakiri.kill_at };
    Some(next.map_or(kill, |next| next.min(kill)))
}

/// From here on it takes nothing new, so that its worker gets another process at once.
fn condemn(process: &mut Process, core: CoreId, now: Millis, settings: &Settings) {
    let longest_ms =
        settings.harakiri_ms.unwrap_or(settings.mercy_ms).saturating_add(LAST_WORDS_MS);
    let harakiri = process.harakiri.get_or_insert_with(|| Harakiri {
        cores: Vec::new(),
        last: now,
        kill_at: now + longest_ms,
    });
    harakiri.cores.push(core);
    harakiri.last = now;
    process.must_end(now, longest_ms, true);
}

/// The lines of uWSGI, and the request's age.
fn report(
    process: &Process,
    pid: Pid,
    stuck: CoreId,
    (now, cores, settings): (Millis, &dyn Cores, &Settings),
    actions: &mut Vec<Action>,
) {
    let (worker, seat) = (process.worker, process.seat);
    let mut log = |line| actions.push(Action::Log(line));
    log(lines::harakiri(worker, pid));
    log(lines::harakiri_status(worker));
    let mut age = None;
    for core in (0..settings.cores).map(CoreId) {
        let running = cores.running(seat, core);
        // The stuck core gets its line even where its request ended between two looks.
        let Some(running) = running.or_else(|| (core == stuck).then(Running::default)) else {
            continue;
        };
        log(lines::harakiri_core(core, &running));
        if core == stuck && running != Running::default() {
            age = Some(lines::harakiri_age(worker, core, &running, now));
        }
    }
    log(lines::harakiri_status_end(worker));
    log(lines::harakiri_trigger(worker, stuck));
    age.into_iter().for_each(log);
}
