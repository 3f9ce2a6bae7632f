//! How many processors a control group lets its processes use (`processes = auto`).
//!
//! A limit of any group above counts too, so every level is looked at: `cpu.max` of version 2, `cpu.cfs_quota_us` and
//! `cpu.cfs_period_us` of version 1. Where a container hides the levels above, its root is the group.

use std::fs;
use std::path::{Path, PathBuf};

use super::allowance;

/// Where both versions are mounted.
const MOUNT: &str = "/sys/fs/cgroup";
/// Deepest nesting that is looked at.
const LEVELS_MAX: usize = 64;

/// Processors that this process may use at a time, rounded up, at least 1: what its affinity mask and its control
/// groups allow.
pub fn processors() -> usize {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let affinity = allowance::processors().map_or(1, |processors| processors.len());
    at_least_one(affinity, quota(&groups, Path::new(MOUNT)))
}

fn at_least_one(affinity: usize, quota: Option<Quota>) -> usize {
    let allowed = quota.map_or(usize::MAX, Quota::processors);
    affinity.min(allowed).max(1)
}

/// Time on processors within a period, both in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Quota {
    time_us: u64,
    period_us: u64,
}

impl Quota {
    fn new(time_us: u64, period_us: u64) -> Option<Self> {
        (period_us > 0).then_some(Self { time_us, period_us })
    }

    fn processors(self) -> usize {
        usize::try_from(self.time_us.div_ceil(self.period_us)).unwrap_or(usize::MAX)
    }

    fn is_less_than(&self, other: &Self) -> bool {
        u128::from(self.time_us) * u128::from(other.period_us)
            < u128::from(other.time_us) * u128::from(self.period_us)
    }
}

/// The smallest quota of the groups in `/proc/self/cgroup` and those above; `None` without one.
fn quota(groups: &str, mount: &Path) -> Option<Quota> {
    let mut least: Option<Quota> = None;
    for line in groups.lines() {
        // hierarchy:controllers:path; version 2 has no controllers there.
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let (root, read): (PathBuf, fn(&Path) -> Option<Quota>) = match controllers {
            "" => (mount.to_owned(), version_2),
            names if names.split(',').any(|name| name == "cpu") => {
                (version_1_mount(mount, names), version_1)
            }
            _ => continue,
        };
        for folder in levels(&root, path) {
            let found = read(&folder)
                .filter(|found| least.as_ref().is_none_or(|least| found.is_less_than(least)));
            least = found.or(least);
        }
    }
    least
}

/// `cpu,cpuacct` or `cpu`.
fn version_1_mount(mount: &Path, names: &str) -> PathBuf {
    let together = mount.join(names);
    if together.is_dir() { together } else { mount.join("cpu") }
}

/// The group's folder and those above up to the root.
fn levels(root: &Path, group: &str) -> Vec<PathBuf> {
    let group = Path::new(group.trim_start_matches('/'));
    group.ancestors().take(LEVELS_MAX).map(|above| root.join(above)).collect()
}

/// `cpu.max`: quota or `max`, and period.
fn version_2(folder: &Path) -> Option<Quota> {
    let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
    let mut words = text.split_whitespace();
    let time = words.next()?.parse().ok()?;
    Quota::new(time, words.next()?.parse().ok()?)
}

/// A quota of -1 is none.
fn version_1(folder: &Path) -> Option<Quota> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse().ok();
    Quota::new(number("cpu.cfs_quota_us")?, number("cpu.cfs_period_us")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files as the kernel shows them.
    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn the_smallest_limit_counts_rounded_up() {
        for (groups, files, expected) in [
            ("0::/\n", &[][..], None),
            ("0::/\n", &[("cpu.max", "max 100000\n")], None),
            ("0::/\n", &[("cpu.max", "150000 100000\n")], Some(2)),
            (
                "0::/a/b\n",
                &[("a/cpu.max", "50000 100000\n"), ("a/b/cpu.max", "max 100000\n")],
                Some(1),
            ),
            (
                "0::/a/b\n",
                &[("a/cpu.max", "400000 100000\n"), ("a/b/cpu.max", "30000 10000\n")],
                Some(3),
            ),
            // What a container does not see.
            ("0::/../../x\n", &[("cpu.max", "200000 100000\n")], Some(2)),
            (
                "3:cpuset:/\n2:cpu,cpuacct:/x\n",
                &[
                    ("cpu,cpuacct/x/cpu.cfs_quota_us", "250000\n"),
                    ("cpu,cpuacct/x/cpu.cfs_period_us", "100000\n"),
                ],
                Some(3),
            ),
            (
                "1:cpu:/\n0::/\n",
                &[("cpu/cpu.cfs_quota_us", "-1\n"), ("cpu/cpu.cfs_period_us", "100000\n")],
                None,
            ),
            ("0::/\n", &[("cpu.max", "1 0\n")], None),
            ("0::/\n", &[("cpu.max", "rubbish")], None),
            ("rubbish\n", &[("cpu.max", "100000 100000\n")], None),
        ] {
            let folder = tree(files);
            let found = quota(groups, folder.path()).map(Quota::processors);
            assert_eq!(found, expected, "{groups:?} {files:?}");
        }
    }

    #[test]
    fn the_mask_bounds_it_too_and_one_is_the_least() {
        let quota = |time_us| Quota::new(time_us, 100_000);
        assert_eq!(at_least_one(4, None), 4);
        assert_eq!(at_least_one(4, quota(150_000)), 2);
        assert_eq!(at_least_one(1, quota(800_000)), 1);
        assert_eq!(at_least_one(0, quota(0)), 1);
        assert!(processors() >= 1);
    }
}
