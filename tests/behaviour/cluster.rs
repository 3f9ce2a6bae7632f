//! Clusters: five hosts in network namespaces, one of them configured.

mod changes;
mod failures;
mod five;
mod kinds;
mod leader;
mod sharing;
