//! What the instance as a whole knows of sites: who may name them, and what was done for each.

use std::sync::Arc;

use super::{ServeError, failed};
use crate::config::Config;
use crate::log;
use crate::master::Passed;
use crate::shm::{Board, ClusterMemory, SitesBoard};

/// The scoreboard of a generation, the figures of sites, and what is shared with the node of a cluster.
pub(super) type Boards<'a> = (&'a Arc<Board>, &'a Arc<SitesBoard>, Option<&'a ClusterMemory>);

/// Users and groups of `dynamic-apps-from`, before the process may be where it cannot read who there is.
pub(super) fn find_loaders(config: &mut Config) -> Result<(), ServeError> {
    config.sites.from.resolve().map_err(ServeError::Loaders)
}

/// Where requests of sites are counted: one memory for all generations of an instance.
pub(super) fn figures(config: &Config, shared: &mut Passed) -> Result<Arc<SitesBoard>, ServeError> {
    let passed = shared.remove(SitesBoard::passed_as());
    // Another version of the program may have counted in another way.
    let Some(board) = passed.and_then(|file| SitesBoard::adopt(file).ok()) else {
        return SitesBoard::new(config.sites.sites_max).map_err(failed("map shared memory"));
    };
    let (kept, wanted) = (board.max(), config.sites.sites_max);
    if kept != u64::from(wanted) && config.life_cycle.replaces {
        log::line(format_args!(
            "max-sites counts from the start on: statistics have room for {kept} sites until the instance is started again, not for {wanted}"
        ));
    }
    Ok(board)
}
