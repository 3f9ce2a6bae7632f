//! Facts about the machine and the user that the configuration and the start-up lines need.

use std::path::PathBuf;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::utsname::uname;
use nix::unistd::{Gid, Group, SysconfVar, Uid, User, gethostname, sysconf};

use super::cgroup;

/// What was found at start. A plain value, so that tests can invent one.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Working directory; empty where it was removed.
    pub cwd: PathBuf,
    /// Host name.
    pub hostname: String,
    /// Name, release and version of the operating system.
    pub system: String,
    /// Kind of processor (`x86_64`).
    pub architecture: String,
    /// Size of a memory page in bytes.
    pub page_bytes: u64,
    /// Processor cores the process may use.
    pub cores: usize,
    /// Processors that may be in use at a time by the affinity mask and the control groups, rounded up, at least 1.
    pub processors: usize,
    /// This program's file.
    pub binary: PathBuf,
    /// Real user id.
    pub uid: u32,
    /// Its name; the number where it has none.
    pub user: String,
    /// Real group id.
    pub gid: u32,
    /// Its name; the number where it has none.
    pub group: String,
    /// Longest accept queue the kernel allows (net.core.somaxconn), where it says so.
    pub somaxconn: Option<u32>,
    /// Soft limit of open descriptors.
    pub descriptors_max: u64,
    /// Soft limit of the user's processes; `None` without a limit.
    pub processes_max: Option<u64>,
}

impl Machine {
    /// Asks the system. Whatever it does not say gets a harmless value.
    pub fn detect() -> Self {
        let (uid, gid) = (Uid::current(), Gid::current());
        let user = User::from_uid(uid).ok().flatten().map(|user| user.name);
        let group = Group::from_gid(gid).ok().flatten().map(|group| group.name);
        let somaxconn = std::fs::read_to_string("/proc/sys/net/core/somaxconn");
        Self {
            cwd: std::env::current_dir().unwrap_or_default(),
            hostname: hostname(),
            system: system(),
            architecture: std::env::consts::ARCH.to_owned(),
            page_bytes: page_bytes(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            processors: cgroup::processors(),
            binary: std::env::current_exe().unwrap_or_default(),
            uid: uid.as_raw(),
            user: user.unwrap_or_else(|| uid.to_string()),
            gid: gid.as_raw(),
            group: group.unwrap_or_else(|| gid.to_string()),
            somaxconn: somaxconn.ok().and_then(|text| text.trim().parse().ok()),
            descriptors_max: soft_limit(Resource::RLIMIT_NOFILE).unwrap_or(1 << 20),
            processes_max: soft_limit(Resource::RLIMIT_NPROC),
        }
    }
}

/// The machine's name, `localhost` where it has none.
pub fn hostname() -> String {
    let name = gethostname().ok().and_then(|name| name.into_string().ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "localhost".to_owned())
}

/// `Linux-6.1.0 #1 SMP`.
fn system() -> String {
    let Ok(name) = uname() else { return std::env::consts::OS.to_owned() };
    let text = |part: &std::ffi::OsStr| part.to_string_lossy().into_owned();
    format!("{}-{} {}", text(name.sysname()), text(name.release()), text(name.version()))
}

fn page_bytes() -> u64 {
    let size = sysconf(SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(4096)
}

/// The soft limit of a resource; `None` where it is unlimited or unknown.
fn soft_limit(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    (soft != nix::libc::RLIM_INFINITY).then_some(soft)
}

/// IPv4 addresses of the network interfaces.
///
/// # Errors
/// As getifaddrs(3).
pub fn local_ipv4() -> std::io::Result<Vec<std::net::Ipv4Addr>> {
    let all = nix::ifaddrs::getifaddrs()?;
    Ok(all.filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip())).collect())
}
