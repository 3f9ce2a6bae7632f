//! Actions in the master, which never waits: what takes time is done by a child, and the next action follows when
//! the master has collected it.

use std::collections::VecDeque;
use std::io;

use super::perform::{self, HookError};
use super::{Stop, announce, failed};
use crate::config::model::hooks::{Action, Hook, Hooks};
use crate::log;
use crate::supervisor::{Command, Ended, Pid, Signal};
use crate::sys::process::{self, Fork};
use crate::sys::{command, signal};

/// Actions of one moment (`hook-master-start`, a touched file), in order.
#[derive(Debug)]
pub struct Sequence {
    label: &'static str,
    waiting: VecDeque<Hook>,
    /// The action that a child does.
    running: Option<(Pid, Hook)>,
}

/// How far a sequence is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing is left.
    Done,
    /// A child is at work; go on with [`Sequence::ended`].
    Waiting,
    /// From now on this signal means this; go on with [`Sequence::advance`].
    OnSignal(Signal, Command),
    /// The instance stops.
    Stop(Stop),
}

impl Sequence {
    /// `label` is what the log calls the moment.
    pub fn new<'a>(label: &'static str, hooks: impl IntoIterator<Item = &'a Hook>) -> Self {
        let waiting = hooks.into_iter().cloned().collect();
        Self { label, waiting, running: None }
    }

    /// Does what can be done at once.
    pub fn advance(&mut self, hooks: &Hooks) -> Step {
        if self.running.is_some() {
            return Step::Waiting;
        }
        while let Some(hook) = self.waiting.pop_front() {
            announce(&hook, self.label);
            if let Action::OnSignal { signal, function } = hook.action {
                return Step::OnSignal(signal, function.into());
            }
            if hook.action.takes_time() {
                match begin(&hook.action, hooks) {
                    Ok(pid) => {
                        self.running = Some((pid, hook));
                        return Step::Waiting;
                    }
                    Err(source) => {
                        let error = HookError::System { what: hook.text.clone(), source };
                        return self.fail(Some(&error), &hook);
                    }
                }
            }
            match perform::perform(&hook.action, hooks, None) {
                Ok(None) => {}
                Ok(Some(status)) => return self.stop(Stop::Exit(status)),
                Err(error) => return self.fail(Some(&error), &hook),
            }
        }
        Step::Done
    }

    /// Tells of a child that has ended; `None` where it was none of this sequence's.
    pub fn ended(&mut self, pid: Pid, ended: Ended, hooks: &Hooks) -> Option<Step> {
        let (_, hook) = self.running.take_if(|(child, _)| *child == pid)?;
        let Action::Run { command, may_fail } = &hook.action else {
            // Such a child has said itself what was wrong.
            return Some(match ended {
                Ended::Code(0) => self.advance(hooks),
                _ => self.fail(None, &hook),
            });
        };
        match perform::judge(command, ended) {
            Ok(()) => Some(self.advance(hooks)),
            Err(error) if *may_fail => {
                log::line(format_args!("{error}"));
                Some(self.advance(hooks))
            }
            Err(error) => Some(self.fail(Some(&error), &hook)),
        }
    }

    fn fail(&mut self, error: Option<&HookError>, hook: &Hook) -> Step {
        failed(error, hook);
        self.stop(Stop::Failed)
    }

    /// What follows is not done.
    fn stop(&mut self, stop: Stop) -> Step {
        self.waiting.clear();
        Step::Stop(stop)
    }
}

/// Starts the child that does `action`.
fn begin(action: &Action, hooks: &Hooks) -> io::Result<Pid> {
    if let Action::Run { command, .. } = action {
        return Ok(command::spawn(command::shell(&hooks.shells), command)?.pid());
    }
    match process::fork()? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            // The master's descriptors would outlive it here.
            process::close_all_but_standard();
            let prepared = signal::restore_defaults()
                .map_err(|source| HookError::System { what: "signals".to_owned(), source });
            match prepared.and_then(|()| perform::perform(action, hooks, None)) {
                Ok(_) => process::exit_now(0),
                Err(error) => {
                    log::line(format_args!("{error}"));
                    process::exit_now(1)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::wait::{WaitStatus, waitpid};

    use super::*;
    use crate::config::model::hooks::{Awaited, Form, MasterFunction};

    fn hook(action: Action) -> Hook {
        Hook { form: Form::Hook, text: "text".to_owned(), action }
    }

    fn command(command: &str) -> Hook {
        hook(Action::Run { command: command.to_owned(), may_fail: false })
    }

    /// Collects the child of a sequence as the master does.
    fn collect(sequence: &mut Sequence, hooks: &Hooks) -> Step {
        let pid = sequence.running.as_ref().expect("a child is at work").0;
        let ended = match waitpid(pid, None).unwrap() {
            WaitStatus::Exited(_, code) => Ended::Code(code),
            WaitStatus::Signaled(_, signal, _) => Ended::Signal(signal as i32),
            other => panic!("{other:?}"),
        };
        assert_eq!(sequence.ended(Pid::from_raw(1), ended, hooks), None, "not its child");
        sequence.ended(pid, ended, hooks).expect("its child")
    }

    #[test]
    fn what_takes_time_is_left_to_a_child_and_the_order_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        let written = || std::fs::read_to_string(&file).unwrap();
        let append = |text: &str| {
            hook(Action::Write { path: file.clone(), text: text.to_owned(), append: true })
        };
        let function = MasterFunction::GracefullyKillThemAll;
        let hooks = Hooks::default();
        let actions = [
            append("1"),
            command(&format!("printf 2 >> {}", file.display())),
            hook(Action::OnSignal { signal: Signal::SIGTERM, function }),
            hook(Action::WaitFor(Awaited::Path(file.clone()))),
            append("3"),
        ];
        let mut sequence = Sequence::new("test", &actions);
        assert_eq!(sequence.advance(&hooks), Step::Waiting);
        assert_eq!(sequence.advance(&hooks), Step::Waiting);
        let meaning = Step::OnSignal(Signal::SIGTERM, Command::GracefulStop);
        assert_eq!(collect(&mut sequence, &hooks), meaning);
        assert_eq!(written(), "12");
        assert_eq!(sequence.advance(&hooks), Step::Waiting);
        assert_eq!(collect(&mut sequence, &hooks), Step::Done);
        assert_eq!(written(), "123");
    }

    #[test]
    fn a_failure_stops_the_instance_and_what_follows() {
        let hooks = Hooks::default();
        for first in [command("exit 4"), command("kill -9 $$")] {
            let mut sequence = Sequence::new("test", &[first, command("exit 0")]);
            assert_eq!(sequence.advance(&hooks), Step::Waiting);
            assert_eq!(collect(&mut sequence, &hooks), Step::Stop(Stop::Failed));
            assert_eq!(sequence.advance(&hooks), Step::Done);
        }
        let mut sequence = Sequence::new("test", &[hook(Action::Remove("/nonexistent".into()))]);
        assert_eq!(sequence.advance(&hooks), Step::Stop(Stop::Failed));
        let mut sequence = Sequence::new("test", &[hook(Action::Exit(3))]);
        assert_eq!(sequence.advance(&hooks), Step::Stop(Stop::Exit(3)));
    }

    #[test]
    fn a_command_of_safeexec_may_fail() {
        let hooks = Hooks::default();
        let safe = Action::Run { command: "exit 4".to_owned(), may_fail: true };
        let mut sequence = Sequence::new("test", &[hook(safe)]);
        assert_eq!(sequence.advance(&hooks), Step::Waiting);
        assert_eq!(collect(&mut sequence, &hooks), Step::Done);
    }
}
