//! The grades of a request that takes long, before harakiri: its stack is logged, then it is interrupted.
//!
//! Every request gets each grade once. A request is told from the next one on its core by its beginning: the limits
//! are seconds, so two of them never begin in the same millisecond and both reach a limit.

use uwsgi_plugin_api::{CoreId, WorkerId};

use super::{Millis, Running, lines, milliseconds};

/// Ages of a request in milliseconds at which something happens; `None`: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// `harakiri-log`.
    pub log_ms: Option<u64>,
    /// `harakiri-interrupt`.
    pub interrupt_ms: Option<u64>,
}

impl From<&crate::config::model::Timeouts> for Limits {
    fn from(timeouts: &crate::config::model::Timeouts) -> Self {
        Self {
            log_ms: timeouts.log.map(milliseconds),
            interrupt_ms: timeouts.interrupt.map(milliseconds),
        }
    }
}

/// What happens to a request that takes long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grade {
    /// The stack of its thread is logged.
    Log,
    /// It is answered with 504, and an exception is raised in it.
    Interrupt,
}

impl Limits {
    /// The age of a request in milliseconds at which it gets this grade.
    pub fn of(&self, grade: Grade) -> Option<u64> {
        match grade {
            Grade::Log => self.log_ms,
            Grade::Interrupt => self.interrupt_ms,
        }
    }
}

/// The log's line of a grade.
pub fn line(grade: Grade, place: (WorkerId, CoreId), running: &Running, now: Millis) -> String {
    lines::grade(grade, place, running, now)
}

/// What the requests of one worker got already.
#[derive(Debug, Default)]
pub struct Given(Vec<Got>);

/// What the request got that began at this moment.
#[derive(Clone, Copy, Debug, Default)]
struct Got {
    since: Millis,
    log: bool,
    interrupt: bool,
}

impl Given {
    /// The grades that are due for the request that has run on `core` since `since`, each only once, and when
    /// the next one is.
    pub fn due(
        &mut self,
        core: CoreId,
        since: Millis,
        now: Millis,
        limits: &Limits,
    ) -> (Vec<Grade>, Option<Millis>) {
        let index = usize::from(core.0);
        if self.0.len() <= index {
            self.0.resize(index + 1, Got::default());
        }
        let got = &mut self.0[index];
        if got.since != since {
            *got = Got { since, ..Got::default() };
        }
        let (mut due, mut next) = (Vec::new(), None::<Millis>);
        for (grade, done) in [(Grade::Log, &mut got.log), (Grade::Interrupt, &mut got.interrupt)] {
            let Some(limit_ms) = limits.of(grade).filter(|_| !*done) else { continue };
            let moment = since + limit_ms;
            if moment <= now {
                *done = true;
                due.push(grade);
            } else {
                next = Some(next.map_or(moment, |next| next.min(moment)));
            }
        }
        (due, next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { log_ms: Some(1_000), interrupt_ms: Some(2_000) };

    fn due(given: &mut Given, since: u64, now: u64) -> (Vec<Grade>, Option<u64>) {
        let (due, next) = given.due(CoreId(1), Millis(since), Millis(now), &LIMITS);
        (due, next.map(|next| next.0))
    }

    #[test]
    fn each_request_gets_each_grade_once() {
        let mut given = Given::default();
        assert_eq!(due(&mut given, 500, 1_400), (vec![], Some(1_500)));
        assert_eq!(due(&mut given, 500, 1_500), (vec![Grade::Log], Some(2_500)));
        assert_eq!(due(&mut given, 500, 2_499), (vec![], Some(2_500)));
        assert_eq!(due(&mut given, 500, 2_600), (vec![Grade::Interrupt], None));
        assert_eq!(due(&mut given, 500, 9_000), (vec![], None));
        assert_eq!(due(&mut given, 2_700, 4_700), (vec![Grade::Log, Grade::Interrupt], None));
    }

    #[test]
    fn nothing_is_due_where_nothing_is_configured() {
        let mut given = Given::default();
        let nothing = given.due(CoreId(0), Millis(0), Millis(1 << 40), &Limits::default());
        assert_eq!(nothing, (vec![], None));
    }
}
