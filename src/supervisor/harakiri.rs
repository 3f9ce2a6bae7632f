//! Requests that are out of time.
//!
//! uWSGI kills the whole worker at once. Here a request that takes long is first logged and interrupted
//! (`grades`); the worker of one that is out of time is told which core is stuck, so that it can log the stack,
//! answer the client and let its other requests finish. The master's SIGKILL comes when nothing else runs there
//! any more, and in any case after one more harakiri time.

use uwsgi_plugin_api::CoreId;

use super::fleet::{Harakiri, Process, Stage};
use super::grades::{Given, Grade};
use super::{Action, Cores, Millis, Order, Pid, Running, Settings, Signal, lines};

/// The worker has this long to log a stack and to answer before it is killed.
const LAST_WORDS_MS: u64 = 1_000;

/// What a worker's requests got before harakiri.
#[derive(Debug, Default)]
pub(super) struct Warned {
    given: Given,
    /// Cores whose worker got the graceful signal for their request; at most one entry a core.
    attempts: Vec<Attempt>,
}

/// A graceful signal was sent for a request.
#[derive(Debug)]
struct Attempt {
    core: CoreId,
    /// The request's deadline, by which it is told from the next one.
    due: Millis,
    until: Millis,
}

/// What is known at a look.
#[derive(Clone, Copy)]
pub(super) struct Look<'a> {
    pub(super) now: Millis,
    pub(super) cores: &'a dyn Cores,
    pub(super) settings: &'a Settings,
}

impl Look<'_> {
    fn all_cores(&self) -> impl Iterator<Item = CoreId> + use<> {
        (0..self.settings.cores).map(CoreId)
    }
}

/// Looks at one worker's cores. Returns the earliest deadline that is still to come.
pub(super) fn check(
    process: &mut Process,
    look: Look<'_>,
    actions: &mut Vec<Action>,
) -> Option<Millis> {
    let pid = process.pid.filter(|_| !matches!(process.stage, Stage::Killed { .. }))?;
    let mut next: Option<Millis> = None;
    let mut look_again = |at: Option<Millis>| next = [next, at].into_iter().flatten().min();
    for core in look.all_cores() {
        if process.harakiri.as_ref().is_some_and(|harakiri| harakiri.cores.contains(&core)) {
            continue;
        }
        look_again(grade(process, (pid, core), look, actions));
        match look.cores.due(process.seat, core) {
            Some(due) if due > look.now => look_again(Some(due)),
            Some(due) => look_again(out_of_time(process, (pid, core, due), look, actions)),
            None => process.warned.attempts.retain(|attempt| attempt.core != core),
        }
    }
    match kill_at(process, look) {
        Some(at) if at <= look.now => {
            actions.push(Action::Kill { pid, signal: Signal::SIGKILL });
            process.stage = Stage::Killed { since: look.now };
            None
        }
        kill_at => [next, kill_at].into_iter().flatten().min(),
    }
}

/// Logs and interrupts a request that takes long. Returns when there is more to do about it.
fn grade(
    process: &mut Process,
    (pid, core): (Pid, CoreId),
    look: Look<'_>,
    actions: &mut Vec<Action>,
) -> Option<Millis> {
    let limits = &look.settings.timeouts.grades;
    if *limits == Default::default() {
        return None;
    }
    let (worker, seat) = (process.worker, process.seat);
    let since = look.cores.since(seat, core)?;
    let (due, next) = process.warned.given.due(core, since, look.now, limits);
    for grade in due {
        let running = look.cores.running(seat, core).filter(|running| running.since == since);
        // It may have ended since the look before.
        let Some(running) = running else { continue };
        actions.push(Action::Log(lines::grade(grade, (worker, core), &running, look.now)));
        let order = match grade {
            Grade::Log => Order::LogStack { core },
            Grade::Interrupt => Order::Interrupt { core },
        };
        actions.push(Action::Tell { seat, pid, order });
    }
    next
}

/// A request is past its deadline. Returns when it is to be looked at again.
fn out_of_time(
    process: &mut Process,
    (pid, core, due): (Pid, CoreId, Millis),
    look: Look<'_>,
    actions: &mut Vec<Action>,
) -> Option<Millis> {
    if let Some((waiting, threshold)) = below_threshold(look) {
        let line = lines::harakiri_skipped(process.worker, waiting, threshold);
        actions.push(Action::Log(line));
        return None;
    }
    let attempts = &mut process.warned.attempts;
    attempts.retain(|attempt| attempt.core != core || attempt.due == due);
    let attempt = attempts.iter().find(|attempt| attempt.core == core).map(|attempt| attempt.until);
    match (attempt, look.settings.timeouts.graceful) {
        (Some(until), _) if look.now < until => Some(until),
        (None, Some((signal, timeout_ms))) => {
            let until = look.now + timeout_ms;
            attempts.push(Attempt { core, due, until });
            report(process, (pid, core, 1), look, actions);
            actions.push(Action::Kill { pid, signal });
            Some(until)
        }
        (attempt, _) => {
            let attempt = 1 + u32::from(attempt.is_some());
            report(process, (pid, core, attempt), look, actions);
            condemn(process, core, look);
            let (seat, order) = (process.seat, Order::Harakiri { core });
            actions.push(Action::Tell { seat, pid, order });
            None
        }
    }
}

/// How many connections wait and the threshold, where they are fewer.
fn below_threshold(look: Look<'_>) -> Option<(u64, u64)> {
    let threshold = look.settings.timeouts.queue_threshold?;
    let waiting = u64::from(look.cores.backlog()?.length);
    (waiting < threshold).then_some((waiting, threshold))
}

/// When a condemned worker is killed; the moment may be over.
fn kill_at(process: &Process, look: Look<'_>) -> Option<Millis> {
    let harakiri = process.harakiri.as_ref()?;
    let others = look.all_cores().any(|core| {
        !harakiri.cores.contains(&core) && look.cores.running(process.seat, core).is_some()
    });
    let last_words = harakiri.last + LAST_WORDS_MS;
    Some(match others {
        // The others may end before; whoever looks then finds `last_words` over.
        true if last_words <= look.now => harakiri.kill_at,
        _ => last_words.min(harakiri.kill_at),
    })
}

/// From here on it takes nothing new, so that its worker gets another process at once.
fn condemn(process: &mut Process, core: CoreId, look: Look<'_>) {
    let longest_ms =
        look.settings.harakiri_ms.unwrap_or(look.settings.mercy_ms).saturating_add(LAST_WORDS_MS);
    let harakiri = process.harakiri.get_or_insert_with(|| Harakiri {
        cores: Vec::new(),
        last: look.now,
        kill_at: look.now + longest_ms,
    });
    harakiri.cores.push(core);
    harakiri.last = look.now;
    process.must_end(look.now, longest_ms, true);
}

/// The lines of uWSGI, and the request's age. The first attempt is a graceful one, as uWSGI says it.
fn report(
    process: &Process,
    (pid, stuck, attempt): (Pid, CoreId, u32),
    look: Look<'_>,
    actions: &mut Vec<Action>,
) {
    let (worker, seat) = (process.worker, process.seat);
    let mut log = |line| actions.push(Action::Log(line));
    log(lines::harakiri(worker, pid, attempt));
    log(lines::harakiri_status(worker));
    let (mut age, mut next) = (None, None);
    for core in look.all_cores() {
        let running = look.cores.running(seat, core);
        // The stuck core gets its line even where its request ended between two looks.
        let Some(running) = running.or_else(|| (core == stuck).then(Running::default)) else {
            continue;
        };
        log(lines::harakiri_core(core, &running));
        if core == stuck && running != Running::default() {
            age = Some(lines::harakiri_age(worker, core, &running, look.now));
            next = Some(running.since_unix + look.now.since(running.since) / 1_000);
        }
    }
    log(lines::harakiri_status_end(worker));
    if let (1, Some((signal, timeout_ms))) = (attempt, look.settings.timeouts.graceful) {
        let next_unix = next.unwrap_or_default() + timeout_ms.div_ceil(1_000);
        log(lines::harakiri_graceful(worker, signal, next_unix));
    }
    log(lines::harakiri_trigger(worker, stuck));
    age.into_iter().for_each(log);
}
