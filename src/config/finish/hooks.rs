//! `hook-*`, `exec-*`, `mount-*`, `umount-*`, `wait-for-*`, `binsh`.

use std::path::PathBuf;
use std::time::Duration;

use super::{SECONDS_MAX, actions};
use crate::config::Directive;
use crate::config::model::hooks::{Action, Awaited, Form, Hook, Hooks, Phase, Waits};
use crate::config::values::Values;

/// Options of one phase, in the order in which uWSGI acts: prefix, form, reader of the value, phases that have it.
type Reader = fn(&str) -> Result<Action, String>;
const FORMS: [(&str, Form, Reader, &[Phase]); 4] = [
    ("hook-", Form::Hook, actions::parse, &EVERY),
    ("mount-", Form::Mount, actions::legacy_mount, &UP_TO_ROOT),
    ("umount-", Form::Unmount, actions::legacy_unmount, &UP_TO_ROOT),
    ("exec-", Form::Exec, actions::legacy_exec, &UP_TO_APP),
];
const UP_TO_ROOT: [Phase; 5] =
    [Phase::Asap, Phase::PreJail, Phase::InJail, Phase::PostJail, Phase::AsRoot];
const UP_TO_APP: [Phase; 9] = [
    Phase::Asap,
    Phase::PreJail,
    Phase::InJail,
    Phase::PostJail,
    Phase::AsRoot,
    Phase::AsUser,
    Phase::AsUserAtExit,
    Phase::PreApp,
    Phase::PostApp,
];
const EVERY: [Phase; Phase::ALL.len()] = {
    let mut every = [Phase::Asap; Phase::ALL.len()];
    let mut at = 0;
    while at < every.len() {
        every[at] = Phase::ALL[at].0;
        at += 1;
    }
    every
};

pub(super) fn hooks(values: &mut Values<'_>) -> Hooks {
    let mut hooks = Vec::new();
    for (phase, name, _) in Phase::ALL {
        for (prefix, form, read, phases) in FORMS {
            if !phases.contains(&phase) {
                continue;
            }
            for directive in values.all(&format!("{prefix}{name}")).to_vec() {
                if let Some(action) = checked(values, directive, read(directive.text()), phase) {
                    let text = directive.text().to_owned();
                    hooks.push((phase, Hook { form, text, action }));
                }
            }
        }
    }
    let shells = values.all("binsh").iter().map(|directive| directive.text().into()).collect();
    Hooks { hooks, touch: touch(values), waits: waits(values), shells }
}

/// Only the master has a table of signals.
fn checked(
    values: &mut Values<'_>,
    directive: &Directive,
    action: Result<Action, String>,
    phase: Phase,
) -> Option<Action> {
    match action {
        Ok(Action::OnSignal { .. }) if phase != Phase::MasterStart => values.error(
            directive,
            "unix_signal acts in the master; accepted: in hook-master-start and hook-touch",
        ),
        Ok(action) => return Some(action),
        Err(problem) => values.error(directive, problem),
    }
    None
}

/// `hook-touch`: a file and an action.
fn touch(values: &mut Values<'_>) -> Vec<(PathBuf, Hook)> {
    let mut touch = Vec::new();
    for directive in values.all("hook-touch").to_vec() {
        let Some((file, text)) = directive.text().split_once(' ') else {
            values.error(directive, "accepted: FILE ACTION:TEXT");
            continue;
        };
        // It acts in the master, as master-start does.
        let action = actions::parse(text.trim_start());
        if let Some(action) = checked(values, directive, action, Phase::MasterStart) {
            let hook = Hook { form: Form::Hook, text: text.trim_start().to_owned(), action };
            touch.push((file.into(), hook));
        }
    }
    touch
}

/// Options that wait, in uWSGI's order.
const AWAITED: [(&str, Wanted); 6] = [
    ("wait-for-interface", |text| Awaited::Interface(text.into())),
    ("wait-for-fs", |text| Awaited::Path(text.into())),
    ("wait-for-file", |text| Awaited::File(text.into())),
    ("wait-for-dir", |text| Awaited::Directory(text.into())),
    ("wait-for-mountpoint", |text| Awaited::MountPoint(text.into())),
    ("wait-for-socket", |text| Awaited::Socket(text.into())),
];
type Wanted = fn(&str) -> Awaited;

fn waits(values: &mut Values<'_>) -> Waits {
    let mut waits = Waits::default();
    for (option, awaited) in AWAITED {
        for directive in values.all(option).to_vec() {
            match directive.text() {
                "" => values.error(directive, "nothing is named that could be waited for"),
                text => waits.wanted.push(awaited(text)),
            }
        }
    }
    // As in uWSGI, 0 is the default.
    let mut limit = |option| {
        let seconds = values.positive(option, SECONDS_MAX).unwrap_or(Waits::SECONDS);
        Duration::from_secs(seconds)
    };
    waits.files_timeout = limit("wait-for-fs-timeout");
    waits.sockets_timeout = limit("wait-for-socket-timeout");
    waits.interfaces_timeout = limit("wait-for-interface-timeout");
    waits
}
