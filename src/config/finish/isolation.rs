//! Limits, namespaces, the root of the file system, rights.

use uwsgi_plugin_api::settings::leading_number;

use super::narrow;
use crate::config::model::isolation::{Isolation, Refork};
use crate::config::values::Values;
use crate::sys::capabilities::Capabilities;
use crate::sys::namespace::Namespaces;

/// Most open descriptors that Linux lets a process have, whatever `fs.nr_open` says.
const DESCRIPTORS_MAX: u64 = 1 << 30;

pub(super) fn isolation(values: &mut Values<'_>) -> Isolation {
    let isolation = Isolation {
        processors: values
            .positive("cpu-affinity", u16::MAX.into())
            .map(|count| narrow(Some(count), 1)),
        processes_max: values.positive("limit-nproc", u64::MAX),
        descriptors_max: values.positive("max-fd", DESCRIPTORS_MAX),
        priority: priority(values),
        namespaces: namespaces(values, "unshare"),
        late_namespaces: namespaces(values, "unshare2"),
        jailed: values.flag("jailed"),
        root: values.text("chroot").map(Into::into),
        pivot: pivot(values),
        groups: values.all("add-gid").iter().map(|group| group.text().to_owned()).collect(),
        no_initgroups: values.flag("no-initgroups"),
        capabilities: capabilities(values),
        refork: Refork {
            post_jail: values.flag("refork-post-jail"),
            as_root: values.flag("refork-as-root"),
            as_user: values.flag("refork"),
        },
    };
    init_of_processes(values, &isolation);
    isolation
}

fn namespaces(values: &mut Values<'_>, option: &str) -> Option<Namespaces> {
    let directive = values.last(option)?;
    match Namespaces::parse(directive.text()) {
        Ok(namespaces) => Some(namespaces),
        Err(name) => {
            values.error(
                directive,
                format!(
                    "there is no namespace {name:?}; accepted: {}, with commas between them",
                    Namespaces::names()
                ),
            );
            None
        }
    }
}

/// A process that leaves its pid namespace stays in it itself. Its first child is the init of the new one, and with
/// that all of it ends: it must be the master.
fn init_of_processes(values: &mut Values<'_>, isolation: &Isolation) {
    let Refork { post_jail, as_root, as_user } = isolation.refork;
    for (option, asked, reforks) in [
        ("unshare", isolation.namespaces, post_jail || as_root || as_user),
        ("unshare2", isolation.late_namespaces, as_root || as_user),
    ] {
        let lacks = asked.is_some_and(Namespaces::has_processes) && !reforks;
        if let (true, Some(directive)) = (lacks, values.last(option)) {
            values.error(
                directive,
                "a pid namespace is entered by the next fork only; accepted: with refork-as-root = true",
            );
        }
    }
}

fn capabilities(values: &mut Values<'_>) -> Option<Capabilities> {
    let directive = values.last("cap")?;
    match Capabilities::parse(directive.text()) {
        Ok(set) => Some(set),
        Err(name) => {
            let text = format!(
                "there is no capability {name:?}; accepted: names of capabilities(7) such as setgid,net_bind_service"
            );
            values.error(directive, text);
            None
        }
    }
}

fn pivot(values: &mut Values<'_>) -> Option<(std::path::PathBuf, std::path::PathBuf)> {
    let directive = values.last("pivot-root")?;
    let mut parts = directive.text().split_ascii_whitespace();
    match (parts.next(), parts.next(), parts.next()) {
        (Some(new), Some(old), None) => Some((new.into(), old.into())),
        _ => {
            values.error(directive, "accepted: NEW OLD, two directories");
            None
        }
    }
}

/// `prio`, which may be negative.
fn priority(values: &mut Values<'_>) -> Option<i32> {
    let directive = values.last("prio")?;
    let text = directive.text().trim_start();
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    match i32::try_from(leading_number(digits)) {
        Ok(number @ 0..=20) => Some(if negative { -number } else { number }),
        _ => {
            values.error(directive, "out of range; accepted: a whole number from -20 to 20");
            None
        }
    }
}
