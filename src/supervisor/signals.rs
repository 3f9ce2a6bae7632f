//! What a signal to the master means.

use super::{Command, Signal};

/// Which set of signals the instance obeys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// uWSGI's (behaviour note 3.6).
    #[default]
    Uwsgi,
    /// Gunicorn's: TERM finishes requests, TTIN and TTOU change the number of workers, USR1 reopens logs, USR2 and
    /// WINCH upgrade.
    Gunicorn,
}

/// Signals and their meaning; the first row of a signal counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalTable(Vec<(Signal, Command)>);

const UWSGI: &[(Signal, Command)] = &[
    (Signal::SIGHUP, Command::Reload),
    (Signal::SIGTERM, Command::BrutalReload),
    (Signal::SIGINT, Command::Stop),
    (Signal::SIGQUIT, Command::Stop),
    (Signal::SIGUSR1, Command::PrintStatus),
    (Signal::SIGTSTP, Command::Pause),
    // uWSGI has no meaning for these two; it dies of neither.
    (Signal::SIGTTIN, Command::MoreWorkers),
    (Signal::SIGTTOU, Command::FewerWorkers),
];

/// `die-on-term` turns these two around.
const DIE_ON_TERM: &[(Signal, Command)] =
    &[(Signal::SIGTERM, Command::Stop), (Signal::SIGQUIT, Command::BrutalReload)];

const GUNICORN: &[(Signal, Command)] = &[
    (Signal::SIGHUP, Command::Reload),
    (Signal::SIGTERM, Command::GracefulStop),
    (Signal::SIGINT, Command::Stop),
    (Signal::SIGQUIT, Command::Stop),
    (Signal::SIGTTIN, Command::MoreWorkers),
    (Signal::SIGTTOU, Command::FewerWorkers),
    (Signal::SIGUSR1, Command::ReopenLogs),
    (Signal::SIGUSR2, Command::Upgrade),
    (Signal::SIGWINCH, Command::DrainWorkers),
    (Signal::SIGTSTP, Command::Pause),
];

impl SignalTable {
    /// The set, with `die-on-term` and `graceful-on-term` where they are on.
    pub fn new(dialect: Dialect, die_on_term: bool, graceful_on_term: bool) -> Self {
        let mut table = Vec::new();
        if graceful_on_term {
            table.push((Signal::SIGTERM, Command::GracefulStop));
        }
        if dialect == Dialect::Uwsgi && die_on_term {
            table.extend(DIE_ON_TERM);
        }
        table.extend(match dialect {
            Dialect::Uwsgi => UWSGI,
            Dialect::Gunicorn => GUNICORN,
        });
        Self(table)
    }

    /// Gives a signal another meaning (`hook-master-start = unix_signal:15 gracefully_kill_them_all`).
    pub fn set(&mut self, signal: Signal, command: Command) {
        // Hooks may say it again and again.
        self.0.retain(|(known, _)| *known != signal);
        self.0.push((signal, command));
    }

    /// What it means; `None` where it is taken and nothing follows.
    pub fn meaning(&self, signal: Signal) -> Option<Command> {
        self.0.iter().find(|(known, _)| *known == signal).map(|(_, command)| *command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn term_has_the_meaning_that_was_asked_for() {
        let meaning = |dialect, die, graceful| {
            let table = SignalTable::new(dialect, die, graceful);
            (table.meaning(Signal::SIGTERM), table.meaning(Signal::SIGQUIT))
        };
        use Command::{BrutalReload, GracefulStop, Stop};
        assert_eq!(meaning(Dialect::Uwsgi, false, false), (Some(BrutalReload), Some(Stop)));
        assert_eq!(meaning(Dialect::Uwsgi, true, false), (Some(Stop), Some(BrutalReload)));
        assert_eq!(meaning(Dialect::Uwsgi, true, true), (Some(GracefulStop), Some(BrutalReload)));
        assert_eq!(meaning(Dialect::Gunicorn, true, false), (Some(GracefulStop), Some(Stop)));
    }

    #[test]
    fn a_hook_changes_one_signal() {
        let mut table = SignalTable::new(Dialect::Uwsgi, true, false);
        table.set(Signal::SIGTERM, Command::GracefulStop);
        assert_eq!(table.meaning(Signal::SIGTERM), Some(Command::GracefulStop));
        assert_eq!(table.meaning(Signal::SIGUSR2), None);
    }
}
