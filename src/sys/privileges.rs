//! From root to the user that was asked for, for good.

use std::ffi::CString;
use std::io;

use nix::errno::Errno;
use nix::unistd::{self, Gid, Group, Uid, User};

use super::capabilities::Capabilities;

/// Why another identity could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegesError {
    /// No such user.
    #[error("unable to find user {0}")]
    NoUser(String),
    /// No such group.
    #[error("unable to find group {0}")]
    NoGroup(String),
    /// Only root may change.
    #[error(
        "{what} {id} was asked for, but this process runs as uid {uid} and may not change it: start it as root, or leave the option out"
    )]
    NotRoot {
        /// `uid` or `gid`.
        what: &'static str,
        /// The number asked for.
        id: u32,
        /// The number this process has.
        uid: u32,
    },
    /// The kernel refused.
    #[error("{call}: {source}")]
    Call {
        /// The system call.
        call: &'static str,
        /// Its error.
        source: io::Error,
    },
    /// Root could be had again: the drop did not work.
    #[error("the process could take root's rights back after dropping them")]
    NotDropped,
}

/// Who the server is to run as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User id, with the login name where there is one.
    pub user: Option<(u32, Option<String>)>,
    /// Group id.
    pub group: Option<u32>,
    /// Further groups (`add-gid`).
    pub groups: Vec<u32>,
    /// Not the user's own further groups (`no-initgroups`).
    pub no_initgroups: bool,
    /// What is kept of root's rights (`cap`).
    pub capabilities: Option<Capabilities>,
}

impl Identity {
    /// Looks up `uid` and `gid` by name or number. As in uWSGI a group that was not asked for stays.
    ///
    /// # Errors
    /// [`PrivilegesError::NoUser`], [`PrivilegesError::NoGroup`].
    pub fn resolve(user: Option<&str>, group: Option<&str>) -> Result<Self, PrivilegesError> {
        Ok(Self {
            user: user.map(find_user).transpose()?,
            group: group.map(find_group).transpose()?,
            ..Self::default()
        })
    }

    /// The same with further groups, by name or number.
    ///
    /// # Errors
    /// [`PrivilegesError::NoGroup`].
    pub fn with_groups(mut self, names: &[String]) -> Result<Self, PrivilegesError> {
        self.groups = names.iter().map(|name| find_group(name)).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Takes the identity: supplementary groups, then group, then user, real, effective and saved. Does
    /// nothing for what the process has already.
    ///
    /// # Errors
    /// [`PrivilegesError::NotRoot`] before anything is changed; the others in the middle: exit then.
    pub fn take(&self) -> Result<(), PrivilegesError> {
        let group = self
            .group
            .filter(|&gid| gid != unistd::getegid().as_raw() || unistd::getgid().as_raw() != gid);
        let user = self.user.as_ref().filter(|(uid, _)| {
            unistd::getuid().as_raw() != *uid || unistd::geteuid().as_raw() != *uid
        });
        let root = unistd::geteuid().is_root();
        let asked = group.map(|gid| ("gid", gid)).or(user.map(|(uid, _)| ("uid", *uid)));
        if let (false, Some((what, id))) = (root, asked) {
            return Err(PrivilegesError::NotRoot { what, id, uid: unistd::geteuid().as_raw() });
        }
        if root && (self.user.is_some() || self.group.is_some() || !self.groups.is_empty()) {
            self.take_groups()?;
        }
        if let Some(gid) = group {
            let gid = Gid::from_raw(gid);
            call("setresgid()", unistd::setresgid(gid, gid, gid))?;
        }
        // A process that is not root's any more has what it was left with.
        let capabilities = self.capabilities.filter(|_| root);
        if let Some(set) = capabilities {
            set.prepare().map_err(|source| PrivilegesError::Call { call: "prctl()", source })?;
        }
        if let Some((uid, _)) = user {
            take_user(Uid::from_raw(*uid))?;
        }
        if let Some(set) = capabilities {
            set.take().map_err(|source| PrivilegesError::Call { call: "capset()", source })?;
        }
        // With the right to, changing the user back is no mistake.
        let dropped = user.is_some_and(|(uid, _)| *uid != 0);
        let may = capabilities.is_some_and(Capabilities::may_change_user);
        if dropped && !may && unistd::setuid(Uid::from_raw(0)).is_ok() {
            return Err(PrivilegesError::NotDropped);
        }
        Ok(())
    }

    /// The user's own supplementary groups, none where the user has no name, and those that were asked for.
    fn take_groups(&self) -> Result<(), PrivilegesError> {
        let gid = Gid::from_raw(self.group.unwrap_or_else(|| unistd::getegid().as_raw()));
        let mut groups = match &self.user {
            Some((_, Some(name))) if !self.no_initgroups => {
                let name = CString::new(name.as_str())
                    .map_err(|_| PrivilegesError::NoUser(name.clone()))?;
                let found = unistd::getgrouplist(&name, gid);
                found.map_err(|errno| PrivilegesError::Call {
                    call: "getgrouplist()",
                    source: errno.into(),
                })?
            }
            _ => vec![gid],
        };
        groups.extend(self.groups.iter().map(|&gid| Gid::from_raw(gid)));
        call("setgroups()", unistd::setgroups(&groups))
    }
}

fn take_user(uid: Uid) -> Result<(), PrivilegesError> {
    call("setresuid()", unistd::setresuid(uid, uid, uid))
}

/// The ids of `user[:group]`, for `chown-socket`; by name or number.
///
/// # Errors
/// [`PrivilegesError::NoUser`], [`PrivilegesError::NoGroup`].
pub fn find_owner(text: &str) -> Result<(u32, Option<u32>), PrivilegesError> {
    let (user, group) =
        text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    Ok((find_user(user)?.0, group.map(find_group).transpose()?))
}

/// The id of a user, by name or number.
///
/// # Errors
/// [`PrivilegesError::NoUser`].
pub fn find_uid(text: &str) -> Result<u32, PrivilegesError> {
    Ok(find_user(text)?.0)
}

fn find_user(text: &str) -> Result<(u32, Option<String>), PrivilegesError> {
    if let Ok(uid) = text.parse() {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        return Ok((uid, user.map(|user| user.name)));
    }
    match User::from_name(text) {
        Ok(Some(user)) => Ok((user.uid.as_raw(), Some(user.name))),
        _ => Err(PrivilegesError::NoUser(text.to_owned())),
    }
}

/// The id of a group, by name or number.
///
/// # Errors
/// [`PrivilegesError::NoGroup`].
pub fn find_group(text: &str) -> Result<u32, PrivilegesError> {
    if let Ok(gid) = text.parse() {
        return Ok(gid);
    }
    match Group::from_name(text) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err(PrivilegesError::NoGroup(text.to_owned())),
    }
}

fn call(call: &'static str, result: Result<(), Errno>) -> Result<(), PrivilegesError> {
    result.map_err(|errno| PrivilegesError::Call { call, source: errno.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_have_names_and_numbers() {
        let identity = Identity::resolve(Some("root"), Some("root")).unwrap();
        assert_eq!(identity.user, Some((0, Some("root".into()))));
        assert_eq!(identity.group, Some(0));
        let identity = Identity::resolve(Some("54321"), Some("54322")).unwrap();
        assert_eq!(identity.user, Some((54321, None)));
        assert_eq!(identity.group, Some(54322));
        assert_eq!(find_owner("root:7").unwrap(), (0, Some(7)));
        assert_eq!(find_owner("9").unwrap(), (9, None));
    }

    #[test]
    fn an_unknown_name_is_said() {
        let error = Identity::resolve(Some("no-such-user"), None).unwrap_err();
        assert_eq!(error.to_string(), "unable to find user no-such-user");
        let error = Identity::resolve(None, Some("no-such-group")).unwrap_err();
        assert_eq!(error.to_string(), "unable to find group no-such-group");
    }

    #[test]
    fn the_identity_one_has_needs_no_rights() {
        let user = Some((unistd::getuid().as_raw(), None));
        let identity = Identity { user, ..Identity::default() };
        if !unistd::geteuid().is_root() {
            identity.take().unwrap();
        }
        Identity::default().take().unwrap();
    }
}
