//! Actions of the configuration at moments of the server's life (behaviour note 3.11).
//!
//! [`run`] does what a phase asks for, one thing after the other, in the calling process: the first process, the
//! one that loads the applications, a worker. The master must not wait: it walks through a [`Sequence`], which
//! leaves to children what takes time. [`wait`] is what is waited for before the start.
//!
//! Who calls what when is not decided here; nothing here belongs to one of the processes.

mod perform;
mod sequence;
mod touched;
pub mod wait;

use std::time::Duration;

use crate::config::model::hooks::{Form, Hook, Hooks, MasterFunction, Phase};
use crate::log;
use crate::supervisor::Command;

pub use perform::HookError;
pub use sequence::{Sequence, Step};
pub use touched::Touched;

/// At the end nobody is there any more who could be asked; a command that hangs must not keep the end from coming.
const AT_EXIT_COMMAND_SECONDS_MAX: u64 = 60;

/// Why the process goes no further. What there is to say is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A hook failed: the start fails, or the instance stops.
    Failed,
    /// The action `exit`, with its status.
    Exit(i32),
}

impl Stop {
    /// The exit status of a process that ends for it during the start.
    pub fn status(self) -> i32 {
        match self {
            Self::Failed => 1,
            Self::Exit(status) => status,
        }
    }
}

/// Does what `phase` asks for, in this process. The first failure ends it, but not at the exit.
///
/// # Errors
/// [`Stop`] where the process must not go on.
pub fn run(phase: Phase, hooks: &Hooks) -> Result<(), Stop> {
    let at_exit = phase == Phase::AsUserAtExit;
    let limit = at_exit.then_some(Duration::from_secs(AT_EXIT_COMMAND_SECONDS_MAX));
    for hook in hooks.of(phase) {
        announce(hook, phase.label());
        match perform::perform(&hook.action, hooks, limit) {
            Err(error) if at_exit => log::line(format_args!("{error}")),
            Err(error) => {
                failed(Some(&error), hook);
                return Err(Stop::Failed);
            }
            Ok(Some(status)) => return Err(Stop::Exit(status)),
            Ok(None) => {}
        }
    }
    Ok(())
}

/// The line before an action, in uWSGI's words.
fn announce(hook: &Hook, label: &str) {
    let text = &hook.text;
    match (hook.form, label) {
        (Form::Mount, _) => log::line(format_args!("mounting \"{text}\" ({label})...")),
        (Form::Unmount, _) => log::line(format_args!("un-mounting \"{text}\" ({label})...")),
        (Form::Exec, "as user" | "atexit") => {
            let (uid, gid) = (nix::unistd::getuid(), nix::unistd::getgid());
            log::line(format_args!("running \"{text}\" (as uid: {uid} gid: {gid}) ..."));
        }
        _ => log::line(format_args!("running \"{text}\" ({label})...")),
    }
}

/// Without an `error` it is in the log already.
fn failed(error: Option<&HookError>, hook: &Hook) {
    if let Some(error) = error {
        log::line(format_args!("{error}"));
    }
    if hook.form == Form::Hook {
        log::line(format_args!("FATAL hook failed, destroying instance"));
    }
}

impl From<MasterFunction> for Command {
    fn from(function: MasterFunction) -> Self {
        match function {
            MasterFunction::GracefullyKillThemAll => Self::GracefulStop,
            MasterFunction::KillThemAll => Self::Stop,
            MasterFunction::GraceThemAll => Self::Reload,
            MasterFunction::ReapThemAll => Self::BrutalReload,
            MasterFunction::SuspendResumeThemAll => Self::Pause,
            MasterFunction::Stats => Self::PrintStatus,
            MasterFunction::ChainReload => Self::ChainReload,
            MasterFunction::ReloadWorkers => Self::ReloadWorkers,
            MasterFunction::BrutallyReloadWorkers => Self::BrutalReloadWorkers,
            MasterFunction::LogReopen => Self::ReopenLogs,
            MasterFunction::LogRotate => Self::RotateLogs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::hooks::Action;

    fn hook(action: Action) -> (Phase, Hook) {
        (Phase::PreApp, Hook { form: Form::Hook, text: String::new(), action })
    }

    fn command(command: &str, may_fail: bool) -> (Phase, Hook) {
        hook(Action::Run { command: command.to_owned(), may_fail })
    }

    #[test]
    fn the_first_failure_ends_a_phase() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("made");
        let made = || hook(Action::Create(file.clone()));
        let hooks = |hooks| Hooks { hooks, ..Hooks::default() };
        let failing = hooks(vec![command("exit 3", false), made()]);
        assert_eq!(run(Phase::PreApp, &failing), Err(Stop::Failed));
        assert!(!file.exists());
        assert_eq!(run(Phase::PostApp, &failing), Ok(()), "another phase has no hooks");
        let ending = hooks(vec![hook(Action::Exit(7)), made()]);
        assert_eq!(run(Phase::PreApp, &ending), Err(Stop::Exit(7)));
        assert!(!file.exists());
        let safe = hooks(vec![command("exit 3", true), made()]);
        assert_eq!(run(Phase::PreApp, &safe), Ok(()));
        assert!(file.exists());
    }

    #[test]
    fn all_is_done_at_the_exit_even_where_something_fails() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("made");
        let mut hooks = vec![command("exit 3", false), hook(Action::Create(file.clone()))];
        hooks.iter_mut().for_each(|(phase, _)| *phase = Phase::AsUserAtExit);
        assert_eq!(run(Phase::AsUserAtExit, &Hooks { hooks, ..Hooks::default() }), Ok(()));
        assert!(file.exists());
    }
}
