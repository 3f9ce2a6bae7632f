//! Clusters that exist in memory only: nodes as they are, a network that loses, delays, doubles, reorders and cuts, clocks that run
//! apart, instances that pretend. One number decides everything that happens; it is printed where a run fails.
//!
//! `UWSGI_CLUSTER_SEED=N` runs with that number alone, `UWSGI_LONG_TESTS=1` with many.

mod chaos;
mod leaders;
mod meeting;
mod process;
mod rolls;
mod votes;
mod world;

pub(crate) use process::Memory;
pub(crate) use world::{Network, World};

/// Runs something with one seed after the other, and says with which one it failed.
pub(crate) fn with_seeds(usual: u64, long: u64, run: impl Fn(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds: Vec<u64> = match number("UWSGI_CLUSTER_SEED") {
        Some(seed) => vec![seed],
        None if std::env::var_os("UWSGI_LONG_TESTS").is_some() => {
            let first = number("UWSGI_CLUSTER_SEED_FIRST").unwrap_or(1);
            (first..first + number("UWSGI_CLUSTER_SEEDS").unwrap_or(long)).collect()
        }
        None => (1..=usual).collect(),
    };
    for seed in seeds {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(seed)));
        if let Err(panic) = result {
            eprintln!("failed with UWSGI_CLUSTER_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
