//! How the instance tells of itself.

use crate::config::model::{EndpointSpec, Monitoring};
use crate::config::values::Values;

pub(super) fn monitoring(values: &mut Values<'_>) -> Monitoring {
    Monitoring {
        stats: endpoint(values, "stats"),
        stats_http: values.flag("stats-http"),
        stats_minified: values.flag("stats-minified"),
        stats_no_cores: values.flag("stats-no-cores"),
        health: endpoint(values, "health"),
    }
}

/// The address itself is read where sockets are bound, with all others.
fn endpoint(values: &mut Values<'_>, name: &str) -> Option<EndpointSpec> {
    let directive = values.last(name)?;
    Some(EndpointSpec { address: directive.text().to_owned(), origin: directive.place() })
}
