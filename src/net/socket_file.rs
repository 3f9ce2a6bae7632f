//! The files of unix sockets: made way for, and given to their owner. The master removes them (`vacuum`).

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, User, chown};

use crate::sys::listen as system;

/// Removes the file of a socket that nobody serves any more. Everything else at `path` is an error: uWSGI
/// removes whatever is there, and cuts a running server off so.
pub(super) fn clear_the_way(path: &Path) -> Result<(), String> {
    let Ok(data) = fs::symlink_metadata(path) else { return Ok(()) }; // bind says why, where it is not absent
    if !data.file_type().is_socket() {
        return Err(format!("{} is there already and is not a socket", path.display()));
    }
    match system::is_served(path) {
        Ok(true) => Err("address already in use (another server listens there)".to_owned()),
        Ok(false) => {
            fs::remove_file(path).map_err(|error| format!("cannot remove the old socket: {error}"))
        }
        Err(error) => Err(format!("an old socket is there and cannot be tried: {error}")),
    }
}

pub(super) fn change_mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

/// Gives the file to `user[:group]`, names or numbers.
pub(super) fn change_owner(path: &Path, owner: &str) -> Result<(), String> {
    let (user, group) = match owner.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (owner, None),
    };
    let uid = uid(user)?;
    let gid = group.map(gid).transpose()?;
    chown(path, Some(uid), gid).map_err(|error| error.desc().to_lowercase())
}

fn uid(user: &str) -> Result<Uid, String> {
    if let Ok(number) = user.parse() {
        return Ok(Uid::from_raw(number));
    }
    let found = User::from_name(user).map_err(|error| error.to_string())?;
    found.map(|user| user.uid).ok_or_else(|| format!("user {user} not found."))
}

fn gid(group: &str) -> Result<Gid, String> {
    if let Ok(number) = group.parse() {
        return Ok(Gid::from_raw(number));
    }
    let found = Group::from_name(group).map_err(|error| error.to_string())?;
    found.map(|group| group.gid).ok_or_else(|| format!("group {group} not found."))
}
