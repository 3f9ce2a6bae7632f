//! Into the surroundings that were asked for: limits, namespaces, another root, fewer rights, processors.
//!
//! The steps are in uWSGI's order (behaviour note 3.1), with the hooks and waits that stand between them. Later images
//! of an instance are inside already: for them only hooks and waits are left.

use std::fmt::Display;
use std::io;

use nix::unistd::geteuid;
use uwsgi_plugin_api::WorkerId;

use crate::config::Config;
use crate::config::model::hooks::Phase;
use crate::config::model::isolation::Isolation;
use crate::config::model::sites::AppIsolation;
use crate::hooks::{self, Stop, wait};
use crate::log;
use crate::sys::namespace::{self, Namespaces};
use crate::sys::privileges::{Identity, PrivilegesError};
use crate::sys::{allowance, refork};

/// What this image of the program is to its instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// The first one, which goes into the surroundings.
    First,
    /// The process that loads the next generation: inside already; hooks and waits are its configuration's.
    Generation,
    /// The next one of the master: all is done.
    Master,
}

/// Why the surroundings cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// The system refused what an option asks for.
    #[error("--{option} {value}: {source}{}", hint(source))]
    Refused {
        /// The option.
        option: &'static str,
        /// Its value.
        value: String,
        /// Why.
        source: io::Error,
    },
    /// What was waited for did not come.
    #[error(transparent)]
    Waited(#[from] wait::WaitError),
    /// A hook ended the start; the log says why.
    #[error("a hook ended the start")]
    Hook(Stop),
}

impl From<Stop> for IsolationError {
    fn from(stop: Stop) -> Self {
        Self::Hook(stop)
    }
}

/// What helps against a refusal.
fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied if !geteuid().is_root() => {
            " (it needs root: start the server as root, with uid and gid, or leave the option out)"
        }
        io::ErrorKind::PermissionDenied => {
            " (root is not allowed to here: a container or the system forbids it)"
        }
        _ => "",
    }
}

fn refused<T: Display>(option: &'static str, value: T) -> impl FnOnce(io::Error) -> IsolationError {
    move |source| IsolationError::Refused { option, value: value.to_string(), source }
}

/// Everything up to the moment before uid and gid take effect: hooks, namespaces, root, waits, hooks as root, limits.
///
/// # Errors
/// [`IsolationError`]; the start ends.
pub fn before_privileges(config: &Config, image: Image) -> Result<(), IsolationError> {
    if image == Image::Master {
        return Ok(());
    }
    let (hooks, first) = (&config.hooks, image == Image::First);
    let inside = Isolation::default();
    let isolation = if first { &config.isolation } else { &inside };
    hooks::run(Phase::PreJail, hooks)?;
    leave(isolation.namespaces, "unshare")?;
    if isolation.refork.post_jail {
        fork_again("refork-post-jail")?;
    }
    hooks::run(Phase::InJail, hooks)?;
    if config.isolation.namespaces.is_some() || config.isolation.jailed {
        hooks::run(Phase::PostJail, hooks)?;
    }
    change_root(isolation)?;
    leave(isolation.late_namespaces, "unshare2")?;
    wait::before_privileges(&hooks.waits)?;
    if isolation.refork.as_root {
        fork_again("refork-as-root")?;
    }
    if geteuid().is_root() {
        hooks::run(Phase::AsRoot, hooks)?;
    } else if first && hooks.of(Phase::AsRoot).next().is_some() {
        log::line(format_args!("not running as root: what is asked for as root is not done"));
    }
    limit(config)
}

/// Who to run as.
///
/// # Errors
/// An unknown user or group.
pub fn identity(config: &Config) -> Result<Identity, PrivilegesError> {
    let (runtime, isolation) = (&config.runtime, &config.isolation);
    let identity = Identity::resolve(runtime.uid.as_deref(), runtime.gid.as_deref())?;
    Ok(Identity {
        no_initgroups: isolation.no_initgroups,
        capabilities: isolation.capabilities,
        ..identity.with_groups(&isolation.groups)?
    })
}

/// When uid and gid took effect: hooks as the user, then sockets that are waited for.
///
/// # Errors
/// As [`before_privileges`].
pub fn after_privileges(config: &Config, image: Image) -> Result<(), IsolationError> {
    if image == Image::Master {
        return Ok(());
    }
    if image == Image::First && config.isolation.refork.as_user {
        fork_again("refork")?;
    }
    hooks::run(Phase::AsUser, &config.hooks)?;
    Ok(wait::after_privileges(&config.hooks.waits)?)
}

/// Limits of each process, and their priority: before privileges are dropped, since only root may raise them.
fn limit(config: &Config) -> Result<(), IsolationError> {
    /// A site takes three in the master, and one in each worker; the largest number of sites is 65,535.
    const DESCRIPTORS_OF_SITES: u64 = 1 << 18;
    let isolation = &config.isolation;
    if let Some(most) = isolation.processes_max {
        log::line(format_args!("limiting number of processes to {most}..."));
        allowance::limit_processes(most).map_err(refused("limit-nproc", most))?;
    }
    if let Some(nice) = isolation.priority {
        allowance::set_priority(nice).map_err(refused("prio", nice))?;
        log::line(format_args!("scheduler priority set to {nice}"));
    }
    match isolation.descriptors_max {
        Some(most) => allowance::limit_descriptors(most).map_err(refused("max-fd", most))?,
        // Where that cannot be, fewer sites can be known at once.
        None if config.sites.isolation == AppIsolation::Process => {
            let _ = allowance::allow_descriptors(DESCRIPTORS_OF_SITES);
        }
        None => {}
    }
    Ok(())
}

/// Binds a worker to its processors, in the worker, before it starts threads. What cannot be is said; the worker goes on.
pub fn bind(isolation: &Isolation, worker: WorkerId) {
    let Some(count) = isolation.processors else { return };
    let bound = allowance::processors().and_then(|all| {
        let own = share(&all, worker, count.into());
        allowance::bind_to(&own).map(|()| own)
    });
    match bound {
        Ok(own) => {
            let list = own.iter().map(usize::to_string).collect::<Vec<_>>().join(" ");
            log::line(format_args!("mapping worker {worker} to CPUs: {list}"));
        }
        Err(error) => log::line(format_args!("worker {worker}: --cpu-affinity {count}: {error}")),
    }
}

/// As uWSGI shares them out: worker 1 has the first `count`, worker 2 the next ones, and so on around.
fn share(all: &[usize], worker: WorkerId, count: usize) -> Vec<usize> {
    let first = usize::from(worker.0.saturating_sub(1)) * count;
    let turn = all.iter().cycle().skip(first % all.len().max(1));
    turn.take(count.min(all.len())).copied().collect()
}

fn leave(namespaces: Option<Namespaces>, option: &'static str) -> Result<(), IsolationError> {
    let Some(namespaces) = namespaces else { return Ok(()) };
    let mask = namespaces.mask();
    namespaces.unshare().map_err(refused(option, namespaces))?;
    log::line(format_args!("[linux-namespace] applied unshare() mask: {mask}"));
    Ok(())
}

fn change_root(isolation: &Isolation) -> Result<(), IsolationError> {
    if let Some(directory) = &isolation.root {
        let name = directory.display();
        log::line(format_args!("chroot() to {name}"));
        namespace::change_root(directory).map_err(refused("chroot", name))?;
    }
    if let Some((new, old)) = &isolation.pivot {
        let names = format!("{} {}", new.display(), old.display());
        log::line(format_args!("pivot_root() to {names}"));
        namespace::pivot_root(new, old).map_err(refused("pivot-root", names))?;
    }
    Ok(())
}

fn fork_again(option: &'static str) -> Result<(), IsolationError> {
    log::line(format_args!("re-fork()ing..."));
    refork::continue_in_child().map_err(refused(option, "true"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_shared_out_in_turns() {
        let two = [4, 6];
        for (worker, count, expected) in [
            (1, 1, vec![4]),
            (2, 1, vec![6]),
            (3, 1, vec![4]),
            (1, 2, vec![4, 6]),
            (2, 3, vec![6, 4]),
            (2, 5, vec![6, 4]),
        ] {
            assert_eq!(share(&two, WorkerId(worker), count), expected, "{worker} {count}");
        }
        assert_eq!(share(&[0, 1, 2, 3], WorkerId(2), 3), [3, 0, 1]);
        assert!(share(&[], WorkerId(1), 3).is_empty());
    }
}
