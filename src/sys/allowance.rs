//! What the kernel allows this process: descriptors, processes, processors, priority.

#![allow(unsafe_code)]

use std::io;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::unistd::Pid;

/// Limits the number of open descriptors (`max-fd`), the hard limit too where it is lower and may be raised.
///
/// # Errors
/// `EPERM` where the hard limit is lower and the process may not raise it.
pub fn limit_descriptors(most: u64) -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, hard.max(most))?)
}

/// Lets this process have more open descriptors, up to so many, where the hard limit allows more than it has.
///
/// # Errors
/// None that are known.
pub fn allow_descriptors(most: u64) -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let wanted = hard.min(most);
    if wanted > soft {
        setrlimit(Resource::RLIMIT_NOFILE, wanted, hard)?;
    }
    Ok(())
}

/// Limits the number of the user's processes (`limit-nproc`).
///
/// # Errors
/// `EPERM` where the hard limit is lower and the process may not raise it.
pub fn limit_processes(most: u64) -> io::Result<()> {
    Ok(setrlimit(Resource::RLIMIT_NPROC, most, most)?)
}

/// Sets the priority of this process and of those that it forks, from -20 (first) to 20.
///
/// # Errors
/// `EACCES` where it may not be as urgent as that.
pub fn set_priority(nice: i32) -> io::Result<()> {
    // SAFETY: setpriority takes numbers only.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })?;
    Ok(())
}

/// Numbers of the processors that this process may run on, in their order.
///
/// # Errors
/// `EINVAL` where the machine has more than a `cpu_set_t` can hold.
pub fn processors() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0))?;
    Ok((0..CpuSet::count()).filter(|&number| set.is_set(number).unwrap_or(false)).collect())
}

/// Lets this thread, and what it starts, run on these processors only.
///
/// # Errors
/// `EINVAL` where none of them may be used.
pub fn bind_to(processors: &[usize]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for &number in processors {
        set.set(number)?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_is_bound_to_a_processor() {
        std::thread::spawn(|| {
            let all = processors().unwrap();
            bind_to(&all[..1]).unwrap();
            assert_eq!(processors().unwrap(), all[..1]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn a_processor_that_is_not_there_is_refused() {
        assert!(bind_to(&[]).is_err());
        assert!(bind_to(&[1_000_000]).is_err());
    }
}
