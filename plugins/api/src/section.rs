//! The chapters of the option table.

/// Topic of an option, and its chapter in the help.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // the titles say it
pub enum Section {
    Configuration,
    Logic,
    Commands,
    Sockets,
    Http,
    Tls,
    Processes,
    LifeCycle,
    Scaling,
    Limits,
    Python,
    Applications,
    Static,
    Routing,
    Logging,
    Monitoring,
    Paths,
    Isolation,
    Hooks,
    Background,
    Sharing,
    Emperor,
    Cluster,
    Gateways,
    Loops,
    Languages,
}

impl Section {
    /// All chapters in the order of the help.
    pub const ALL: [Self; 26] = [
        Self::Sockets,
        Self::Http,
        Self::Tls,
        Self::Python,
        Self::Applications,
        Self::Processes,
        Self::LifeCycle,
        Self::Scaling,
        Self::Limits,
        Self::Logging,
        Self::Monitoring,
        Self::Paths,
        Self::Configuration,
        Self::Logic,
        Self::Commands,
        Self::Isolation,
        Self::Hooks,
        Self::Background,
        Self::Sharing,
        Self::Static,
        Self::Routing,
        Self::Loops,
        Self::Emperor,
        Self::Cluster,
        Self::Gateways,
        Self::Languages,
    ];

    /// The word that names the chapter on the command line (`--help sockets`).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Logic => "logic",
            Self::Commands => "commands",
            Self::Sockets => "sockets",
            Self::Http => "http",
            Self::Tls => "tls",
            Self::Processes => "processes",
            Self::LifeCycle => "life-cycle",
            Self::Scaling => "scaling",
            Self::Limits => "limits",
            Self::Python => "python",
            Self::Applications => "applications",
            Self::Static => "static",
            Self::Routing => "routing",
            Self::Logging => "logging",
            Self::Monitoring => "monitoring",
            Self::Paths => "paths",
            Self::Isolation => "isolation",
            Self::Hooks => "hooks",
            Self::Background => "background",
            Self::Sharing => "sharing",
            Self::Emperor => "emperor",
            Self::Cluster => "cluster",
            Self::Gateways => "gateways",
            Self::Loops => "loops",
            Self::Languages => "languages",
        }
    }

    /// The heading of the chapter.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Logic => "Conditions and loops in configuration files",
            Self::Commands => "Questions and commands",
            Self::Sockets => "Sockets",
            Self::Http => "HTTP",
            Self::Tls => "TLS",
            Self::Processes => "Processes",
            Self::LifeCycle => "Reloading, recycling, stopping",
            Self::Scaling => "Number of workers",
            Self::Limits => "Limits",
            Self::Python => "Python",
            Self::Applications => "Applications and requests",
            Self::Static => "Static files",
            Self::Routing => "Routing",
            Self::Logging => "Logging",
            Self::Monitoring => "Statistics, metrics, alarms",
            Self::Paths => "Files and environment",
            Self::Isolation => "Users, limits and isolation",
            Self::Hooks => "Hooks",
            Self::Background => "Daemons, crons, mules, spoolers",
            Self::Sharing => "Caches, queues, locks",
            Self::Emperor => "Emperor",
            Self::Cluster => "Cluster, legion, subscriptions",
            Self::Gateways => "Gateways to other instances",
            Self::Loops => "Asynchronous modes",
            Self::Languages => "Other languages",
        }
    }
}
