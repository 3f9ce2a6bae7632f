//! Clusters: five hosts in network namespaces, one of them configured.

mod changes;
mod failures;
mod five;
mod leader;
mod sharing;
