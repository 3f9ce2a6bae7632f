//! How the instance tells of itself.

/// `stats`, `health` and how they answer.
#[derive(Clone, Debug, Default)]
pub struct Monitoring {
    /// `stats`: where the document of the statistics is given away.
    pub stats: Option<EndpointSpec>,
    /// `stats-http`: with an HTTP head.
    pub stats_http: bool,
    /// `stats-minified`: without white space.
    pub stats_minified: bool,
    /// `stats-no-cores`: without the cores.
    pub stats_no_cores: bool,
    /// `health`: where `/healthz` and `/readyz` are answered.
    pub health: Option<EndpointSpec>,
}

/// A socket that the master itself answers, as configured.
#[derive(Clone, Debug)]
pub struct EndpointSpec {
    /// The text of the option's value.
    pub address: String,
    /// The option that asked for it, with its place, for messages.
    pub origin: String,
}
