//! Where the log goes: a file, or the channel to the gateway that carries it.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use super::{ServeError, failed};
use crate::config::Config;
use crate::log::{self, channel::Channel};
use crate::master::Passed;
use crate::sys::process;

/// The channel of an instance whose log a gateway carries: that of the master that this one is beside of, or a new one.
pub(super) fn log_channel(
    config: &Config,
    passed: &mut Passed,
) -> Result<Vec<(String, Arc<OwnedFd>)>, ServeError> {
    let channel = match Channel::adopt(passed) {
        None if config.runtime.log_leaves => {
            Some(Channel::open().map_err(failed("make a channel for the log"))?)
        }
        channel => channel,
    };
    Ok(channel.map(Channel::descriptors).into_iter().flatten().collect())
}

/// The log of a later image: it leads into the channel, or comes back from there.
///
/// # Errors
/// There is no channel, and earlier processes would write past it.
pub(super) fn keep_log(
    config: &Config,
    passed: &mut Passed,
) -> Result<Option<Channel>, ServeError> {
    match (Channel::adopt(passed), config.runtime.log_leaves) {
        (None, true) => {
            let late = io::Error::other("log-zeromq and logger = zeromq count from the start on");
            Err(failed("send the log away after a reload")(late))
        }
        (Some(channel), false) => {
            channel.close().map_err(failed("turn the log back"))?;
            Ok(None)
        }
        (channel, _) => Ok(channel),
    }
}

pub(super) fn open_log(config: &Config, reloaded: bool) -> Result<(), ServeError> {
    let runtime = &config.runtime;
    if runtime.log_leaves && reloaded {
        return Ok(());
    }
    if let Some(path) = &runtime.daemonize {
        log::redirect(Path::new(path))?;
        if !reloaded {
            process::daemonize(io::stderr()).map_err(failed("leave the terminal"))?;
        }
    }
    if let Some(path) = &runtime.logto {
        log::redirect(Path::new(path))?;
    }
    Ok(())
}
