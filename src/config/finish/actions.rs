//! From the text of a hook (`chmod:/run/app.sock 660`) to an [`Action`]: one row for each name.

use std::path::PathBuf;

use super::runtime::octal;
use crate::config::model::hooks::{Action, Awaited, MasterFunction};
use crate::sys::mount::{MountFlags, UnmountFlags};
use crate::sys::signal::Signal;

/// What an action's text becomes; an error says what is wrong with it.
type Parsed = Result<Action, String>;
/// Name, form of its text, reader of its text.
type Row = (&'static str, &'static str, fn(&str) -> Option<Parsed>);

/// Every action. A reader answers `None` where the text has not the form.
const ACTIONS: &[Row] = &[
    ("cd", "DIR", |text| path(text, Action::ChangeDirectory)),
    ("chdir", "DIR", |text| path(text, Action::ChangeDirectory)),
    ("mkdir", "DIR", |text| path(text, Action::MakeDirectory)),
    ("putenv", "NAME=VALUE", variable),
    ("chmod", "PATH MODE", mode),
    ("chown", "PATH USER GROUP", |text| owner(text, false)),
    ("chown2", "PATH UID GID", |text| owner(text, true)),
    ("sticky", "DIR", |text| path(text, Action::SetSticky)),
    ("exec", "COMMAND", |text| command(text, false)),
    ("safeexec", "COMMAND", |text| command(text, true)),
    ("create", "FILE", |text| path(text, Action::Create)),
    ("creat", "FILE", |text| path(text, Action::Create)),
    ("write", "FILE TEXT", |text| write(text, "", false)),
    ("writen", "FILE TEXT", |text| write(text, "\n", false)),
    ("append", "FILE TEXT", |text| write(text, "", true)),
    ("appendn", "FILE TEXT", |text| write(text, "\n", true)),
    ("writefifo", "FIFO TEXT", |text| fifo(text, false)),
    ("spinningfifo", "FIFO TEXT", |text| fifo(text, true)),
    ("unlink", "FILE", |text| path(text, Action::Remove)),
    ("mount", "TYPE SOURCE DIR [FLAG,...]", mount),
    ("umount", "DIR [FLAG,...]", unmount),
    ("hostname", "NAME", |text| Some(Ok(Action::SetHostname(text.to_owned())))),
    ("wait_for_fs", "PATH", |text| path(text, |path| Action::WaitFor(Awaited::Path(path)))),
    ("wait_for_file", "FILE", |text| path(text, |path| Action::WaitFor(Awaited::File(path)))),
    ("wait_for_dir", "DIR", |text| path(text, |path| Action::WaitFor(Awaited::Directory(path)))),
    ("wait_for_mountpoint", "DIR", |text| {
        path(text, |path| Action::WaitFor(Awaited::MountPoint(path)))
    }),
    ("wait_for_socket", "ADDRESS", |text| {
        filled(text).map(|text| Ok(Action::WaitFor(Awaited::Socket(text.to_owned()))))
    }),
    ("unix_signal", "SIGNAL FUNCTION", on_signal),
    ("exit", "[STATUS]", exit),
    ("print", "TEXT", |text| Some(Ok(Action::Print(text.to_owned())))),
    ("log", "TEXT", |text| Some(Ok(Action::Print(text.to_owned())))),
];

/// Actions of uWSGI that cannot be here, and what to do instead.
const ABSENT: &[(&str, &str)] = &[
    ("call", NO_C),
    ("callret", NO_C),
    ("callint", NO_C),
    ("callintret", NO_C),
    ("rpc", "there are no RPC functions; do the work in the application"),
    ("retryrpc", "there are no RPC functions; do the work in the application"),
    ("alarm", "there are no alarms; use exec with a command that tells of it"),
    ("emperor", NO_EMPEROR),
    ("vassal", NO_EMPEROR),
];
const NO_C: &str =
    "no C functions are called; use exec with a command, or do the work in the application";
const NO_EMPEROR: &str = "there is no Emperor";

/// Reads `NAME:TEXT`.
///
/// # Errors
/// What is wrong, and what is accepted.
pub(super) fn parse(text: &str) -> Parsed {
    let Some((name, rest)) = text.split_once(':') else {
        return Err(format!("accepted: ACTION:TEXT, where ACTION is one of {}", names()));
    };
    if let Some((_, form, read)) = ACTIONS.iter().find(|(known, ..)| *known == name) {
        return read(rest).unwrap_or_else(|| Err(format!("accepted: {name}:{form}")));
    }
    match ABSENT.iter().find(|(known, _)| *known == name) {
        Some((_, instead)) => Err(format!("the action {name} is not supported: {instead}")),
        None => Err(format!("there is no action {name}; accepted: {}", names())),
    }
}

/// Reads the value of `exec-*`.
pub(super) fn legacy_exec(text: &str) -> Parsed {
    command(text, false).unwrap_or_else(|| Err("accepted: a command for the shell".to_owned()))
}

/// Reads the value of `mount-*`.
pub(super) fn legacy_mount(text: &str) -> Parsed {
    mount(text).unwrap_or_else(|| Err("accepted: TYPE SOURCE DIR [FLAG,...]".to_owned()))
}

/// Reads the value of `umount-*`.
pub(super) fn legacy_unmount(text: &str) -> Parsed {
    unmount(text).unwrap_or_else(|| Err("accepted: DIR [FLAG,...]".to_owned()))
}

fn names() -> String {
    ACTIONS.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn path(text: &str, action: impl FnOnce(PathBuf) -> Action) -> Option<Parsed> {
    filled(text).map(|text| Ok(action(text.into())))
}

/// A path and what stands behind the first blank.
fn pair(text: &str) -> Option<(PathBuf, &str)> {
    let (path, rest) = text.split_once(' ')?;
    (!path.is_empty()).then(|| (path.into(), rest))
}

fn variable(text: &str) -> Option<Parsed> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (text, None),
    };
    filled(name).map(|name| Ok(Action::SetVariable { name: name.to_owned(), value }))
}

fn mode(text: &str) -> Option<Parsed> {
    let (path, mode) = pair(text)?;
    let mode = octal(mode.trim(), 0o7777);
    Some(mode.map(|mode| Action::ChangeMode { path, mode }).ok_or_else(|| {
        "accepted: chmod:PATH MODE, where MODE is octal digits such as 660".to_owned()
    }))
}

fn owner(text: &str, numbers: bool) -> Option<Parsed> {
    let parts: Vec<_> = text.split_ascii_whitespace().collect();
    let &[path, user, group] = parts.as_slice() else { return None };
    if numbers && [user, group].iter().any(|id| id.parse::<u32>().is_err()) {
        return None;
    }
    let (path, user, group) = (path.into(), user.to_owned(), group.to_owned());
    Some(Ok(Action::ChangeOwner { path, user, group }))
}

fn command(text: &str, may_fail: bool) -> Option<Parsed> {
    let command = filled(text.trim_start())?.to_owned();
    Some(Ok(Action::Run { command, may_fail }))
}

fn write(text: &str, end: &str, append: bool) -> Option<Parsed> {
    let (path, text) = pair(text)?;
    Some(Ok(Action::Write { path, text: format!("{text}{end}"), append }))
}

fn fifo(text: &str, wait: bool) -> Option<Parsed> {
    let (path, text) = pair(text)?;
    Some(Ok(Action::WriteFifo { path, text: text.to_owned(), wait }))
}

fn mount(text: &str) -> Option<Parsed> {
    let parts: Vec<_> = text.split_ascii_whitespace().collect();
    let (kind, source, directory, flags) = match *parts.as_slice() {
        [kind, source, directory] => (kind, source, directory, ""),
        [kind, source, directory, flags] => (kind, source, directory, flags),
        _ => return None,
    };
    Some(MountFlags::parse(flags).map(|flags| Action::Mount {
        kind: kind.to_owned(),
        source: source.to_owned(),
        directory: directory.into(),
        flags,
    }))
}

fn unmount(text: &str) -> Option<Parsed> {
    let parts: Vec<_> = text.split_ascii_whitespace().collect();
    let (directory, flags) = match *parts.as_slice() {
        [directory] => (directory, ""),
        [directory, flags] => (directory, flags),
        _ => return None,
    };
    let directory = directory.into();
    Some(UnmountFlags::parse(flags).map(|flags| Action::Unmount { directory, flags }))
}

/// A number as uWSGI has it, or a name (`TERM`, `SIGTERM`).
fn signal(text: &str) -> Option<Signal> {
    let signal = match text.parse::<i32>() {
        Ok(number) => Signal::try_from(number).ok(),
        Err(_) => format!("SIG{}", text.strip_prefix("SIG").unwrap_or(text)).parse().ok(),
    };
    // Nobody can give these a meaning; the last is the end of a child, which the master needs itself.
    let own = [Signal::SIGKILL, Signal::SIGSTOP, Signal::SIGCHLD];
    signal.filter(|signal| !own.contains(signal))
}

fn on_signal(text: &str) -> Option<Parsed> {
    let (number, name) = text.trim().split_once(' ')?;
    let Some(signal) = signal(number) else {
        return Some(Err(format!(
            "{number} is no signal that the master can be given; accepted: a number or name such as 15 or TERM"
        )));
    };
    let name = name.trim();
    let function = MasterFunction::ALL.iter().find(|(known, _)| *known == name);
    Some(function.map(|&(_, function)| Action::OnSignal { signal, function }).ok_or_else(|| {
        let names: Vec<_> = MasterFunction::ALL.iter().map(|(known, _)| *known).collect();
        format!("there is no function {name}; accepted: {}", names.join(", "))
    }))
}

fn exit(text: &str) -> Option<Parsed> {
    let status = if text.is_empty() { Some(0) } else { text.parse::<u8>().ok() };
    status.map(|status| Ok(Action::Exit(status.into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_actions() {
        let path = || PathBuf::from("/f");
        let write =
            |text: &str, append| Action::Write { path: path(), text: text.to_owned(), append };
        let run = |command: &str, may_fail| Action::Run { command: command.to_owned(), may_fail };
        let owner = |user: &str, group: &str| Action::ChangeOwner {
            path: path(),
            user: user.to_owned(),
            group: group.to_owned(),
        };
        let term = |function| Action::OnSignal { signal: Signal::SIGTERM, function };
        for (text, action) in [
            ("cd:/f", Action::ChangeDirectory(path())),
            ("mkdir:/f", Action::MakeDirectory(path())),
            ("chmod:/f 0700", Action::ChangeMode { path: path(), mode: 0o700 }),
            ("chown:/f www-data 7", owner("www-data", "7")),
            ("chown2:/f 1 2", owner("1", "2")),
            ("exec:echo a:b", run("echo a:b", false)),
            ("safeexec:false", run("false", true)),
            ("creat:/f", Action::Create(path())),
            ("write:/f a  b", write("a  b", false)),
            ("writen:/f ", write("\n", false)),
            ("append:/f  x", write(" x", true)),
            ("appendn:/f x", write("x\n", true)),
            ("putenv:A=b=c", Action::SetVariable { name: "A".into(), value: Some("b=c".into()) }),
            ("putenv:A", Action::SetVariable { name: "A".into(), value: None }),
            ("wait_for_dir:/f", Action::WaitFor(Awaited::Directory(path()))),
            (
                "unix_signal:15 gracefully_kill_them_all",
                term(MasterFunction::GracefullyKillThemAll),
            ),
            ("unix_signal:TERM  stats", term(MasterFunction::Stats)),
            ("unix_signal:SIGTERM uwsgi_log_rotate", term(MasterFunction::LogRotate)),
            ("exit:", Action::Exit(0)),
            ("exit:3", Action::Exit(3)),
            ("print: x ", Action::Print(" x ".into())),
        ] {
            assert_eq!(parse(text), Ok(action), "{text}");
        }
    }

    #[test]
    fn what_is_no_action_says_what_is() {
        for (text, said) in [
            ("print", "accepted: ACTION:TEXT"),
            ("nosuch:x", "there is no action nosuch; accepted: cd, "),
            ("call:f", "the action call is not supported: no C functions"),
            ("rpc:f", "the action rpc is not supported: "),
            ("mkdir:", "accepted: mkdir:DIR"),
            ("chmod:/f", "accepted: chmod:PATH MODE"),
            ("chmod:/f u+x", "accepted: chmod:PATH MODE, where MODE is octal"),
            ("chmod:/f 17777", "accepted: chmod:PATH MODE, where MODE is octal"),
            ("chown:/f a:b", "accepted: chown:PATH USER GROUP"),
            ("chown2:/f a b", "accepted: chown2:PATH UID GID"),
            ("exec: ", "accepted: exec:COMMAND"),
            ("write:/f", "accepted: write:FILE TEXT"),
            ("mount:tmpfs none", "accepted: mount:TYPE"),
            ("mount:tmpfs none /f size=1m", "unknown flag size=1m; accepted: ro, "),
            ("umount:/f fast", "unknown flag fast; accepted: force, "),
            ("unix_signal:15", "accepted: unix_signal:SIGNAL FUNCTION"),
            ("unix_signal:9 stats", "9 is no signal that"),
            ("unix_signal:CHLD stats", "CHLD is no signal that"),
            ("unix_signal:15 end_me", "there is no function end_me; accepted: gracefully_"),
            ("exit:abc", "accepted: exit:[STATUS]"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.starts_with(said), "{text}: {error}");
        }
    }
}
