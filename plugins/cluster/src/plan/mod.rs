//! The settings of a node, checked: each error names the option and what it accepts.
//!
//! Nothing here asks the network. Names of seeds and interfaces are looked up when sockets are opened, because a node may
//! come before its network does.

mod group;
mod secrets;

use std::fmt::Display;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use uwsgi_plugin_api::{PluginError, Settings};

pub use self::group::{Group, Seed};
use crate::options;

/// Seconds after which a node that is down loses its vote.
const FORGET_SECONDS: u64 = 3_600;
/// Seconds by which clocks may differ.
const SKEW_SECONDS: u64 = 60;
/// Most seconds of either: a hundred years.
const SECONDS_MAX: u64 = 3_155_760_000;
/// Seeds that are asked; a few are enough.
const SEEDS_MAX: usize = 64;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the cluster meets.
    pub group: Group,
    /// It only looks on.
    pub observer: bool,
    /// `cluster-port`: the port, and no other one.
    pub port: Option<u16>,
    /// Where the node speaks.
    pub interface: Option<Interface>,
    /// Routers that multicast may pass.
    pub ttl: u8,
    /// The first signs, all are accepted; none with `compat`.
    pub secrets: Vec<Vec<u8>>,
    /// The bare protocol of uWSGI 0.9.8 to 1.4.
    pub compat: bool,
    /// Nodes that multicast may not reach.
    pub seeds: Vec<Seed>,
    /// Fewer votes make no leader.
    pub quorum_min: u32,
    /// When who is down loses its vote, in milliseconds.
    pub forget_ms: u64,
    /// How far clocks may differ, in milliseconds.
    pub tolerance_ms: u64,
    /// Where it is kept who has a vote.
    pub state: Option<PathBuf>,
    /// What is to be said of these settings before anything is done.
    pub warnings: Vec<String>,
}

/// `cluster-interface`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interface {
    /// `eth0`.
    Name(String),
    /// An address of it.
    Address(IpAddr),
}

impl Plan {
    /// Reads the settings of a node, or of a command.
    ///
    /// # Errors
    /// The first one that cannot be used.
    pub fn read(settings: &Settings) -> Result<Self, PluginError> {
        let names = [options::CLUSTER, options::NODES, options::RELOAD, options::LOG];
        let named = names.into_iter().find_map(|name| Some((name, settings.text(name)?)));
        let (option, text) = named.ok_or_else(|| {
            PluginError(format!(
                "which cluster? say {} = GROUP:PORT, such as 225.1.1.1:1717",
                options::CLUSTER
            ))
        })?;
        let group =
            Group::parse(text).map_err(|why| fault(said(settings, text, option), text, &why))?;
        let compat = settings.flag(options::COMPAT);
        let mut warnings = Vec::new();
        let port = number(settings, options::PORT, 1, u64::from(u16::MAX), 0)?;
        let seconds = |name, default| number(settings, name, 1, SECONDS_MAX, default);
        let plan = Self {
            observer: option == options::NODES,
            port: u16::try_from(port).ok().filter(|port| *port != 0),
            interface: interface(settings, &group)?,
            ttl: u8::try_from(number(settings, options::TTL, 1, 255, 1)?).unwrap_or(u8::MAX),
            secrets: secrets::read(settings, compat, &mut warnings)?,
            seeds: seeds(settings, &group)?,
            quorum_min: u32::try_from(number(settings, options::QUORUM, 1, 10_000, 0)?)
                .unwrap_or(u32::MAX),
            forget_ms: seconds(options::FORGET, FORGET_SECONDS)?.saturating_mul(1_000),
            tolerance_ms: seconds(options::SKEW, SKEW_SECONDS)?.saturating_mul(1_000),
            state: settings.text(options::STATE).map(PathBuf::from),
            group,
            compat,
            warnings,
        };
        check_cron(settings)?;
        Ok(plan)
    }
}

/// Commands repeat their group as that of the cluster: what was written is what is to be named.
fn said<'a>(settings: &Settings, group: &str, option: &'a str) -> &'a str {
    let mut commands = [options::RELOAD, options::LOG].into_iter();
    commands.find(|name| settings.text(name) == Some(group)).unwrap_or(option)
}

fn fault(option: &str, value: &str, why: &str) -> PluginError {
    PluginError(format!("{option} = {value}: {why}"))
}

fn number<T: FromStr + PartialOrd + Display>(
    settings: &Settings,
    option: &str,
    min: T,
    max: T,
    default: T,
) -> Result<T, PluginError> {
    let Some(text) = settings.text(option) else { return Ok(default) };
    let number = text.trim().parse().ok().filter(|number| *number >= min && *number <= max);
    number.ok_or_else(|| fault(option, text, &format!("accepted: a number, {min} to {max}")))
}

fn interface(settings: &Settings, group: &Group) -> Result<Option<Interface>, PluginError> {
    let option = options::INTERFACE;
    let named = group.interface.as_deref();
    let Some(text) = settings.text(option).or(named) else { return Ok(None) };
    let text = text.trim();
    if text.is_empty() {
        return Err(fault(option, text, "accepted: the name of an interface, or its address"));
    }
    let Ok(address) = text.parse::<IpAddr>() else {
        return Ok(Some(Interface::Name(text.to_owned())));
    };
    if address.is_ipv4() != group.address.is_ipv4() {
        let why = format!("accepted: an address of the family of the group {group}");
        return Err(fault(option, text, &why));
    }
    Ok(Some(Interface::Address(address)))
}

fn seeds(settings: &Settings, group: &Group) -> Result<Vec<Seed>, PluginError> {
    let option = options::SEED;
    let texts = settings.all(option).flat_map(|text| text.split([',', ' ']));
    let texts: Vec<_> = texts.filter(|text| !text.is_empty()).collect();
    if texts.len() > SEEDS_MAX {
        let why = format!("{} of them; accepted: at most {SEEDS_MAX}", texts.len());
        return Err(fault(option, texts[0], &why));
    }
    let seed = |text: &&str| {
        Seed::parse(text, group.address.port()).map_err(|why| fault(option, text, &why))
    };
    texts.iter().map(seed).collect()
}

/// The server reads it; who sets it wrong is to know before anything starts.
fn check_cron(settings: &Settings) -> Result<(), PluginError> {
    match settings.text(options::CRON) {
        None | Some("leader" | "every") => Ok(()),
        Some(text) => Err(fault(options::CRON, text, "accepted: leader, every")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(pairs: &[(&str, &str)]) -> Result<Plan, String> {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Plan::read(&Settings::new(pairs.collect())).map_err(|error| error.to_string())
    }

    const GROUP: (&str, &str) = ("cluster", "225.1.1.1:1717");
    const SECRET: (&str, &str) = ("cluster-secret", "long enough");

    #[test]
    fn what_is_not_said_has_its_default() {
        let plan = plan(&[GROUP, SECRET]).expect("they are good");
        assert_eq!((plan.ttl, plan.quorum_min, plan.port), (1, 0, None));
        assert_eq!((plan.forget_ms, plan.tolerance_ms), (3_600_000, 60_000));
        assert_eq!(plan.secrets, [b"long enough"]);
        assert!(!plan.observer && plan.interface.is_none() && plan.warnings.is_empty());
    }

    #[test]
    fn who_only_looks_on_says_so_by_another_option() {
        assert!(plan(&[("cluster-nodes", "225.1.1.1:1717"), SECRET]).expect("good").observer);
    }

    #[test]
    fn seeds_have_the_port_of_the_group_where_they_name_none() {
        let seeds = [("cluster-seed", "node-a,192.0.2.1:99"), ("cluster-seed", "[2001:db8::1]")];
        let plan = plan(&[GROUP, SECRET, seeds[0], seeds[1]]).expect("good");
        let seeds: Vec<_> = plan.seeds.iter().map(ToString::to_string).collect();
        assert_eq!(seeds, ["node-a:1717", "192.0.2.1:99", "[2001:db8::1]:1717"]);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_is_right() {
        for (pair, why) in [
            (("cluster-ttl", "0"), "cluster-ttl = 0: accepted: a number, 1 to 255"),
            (("cluster-port", "x"), "accepted: a number, 1 to 65535"),
            (("cluster-quorum", "-1"), "accepted: a number"),
            (("cluster-seed", "host:port"), "accepted: HOST, HOST:PORT"),
            (("cluster-interface", "::1"), "of the family of the group"),
            (("cluster-cron", "never"), "accepted: leader, every"),
            (("cluster-forget", "1e3"), "accepted: a number"),
        ] {
            let error = plan(&[GROUP, SECRET, pair]).expect_err(why);
            assert!(error.contains(why), "{error}");
        }
        let error = plan(&[SECRET]).expect_err("no group");
        assert!(error.contains("225.1.1.1:1717"), "{error}");
    }

    #[test]
    fn a_wrong_group_is_told_by_the_option_that_named_it() {
        for option in [options::RELOAD, options::LOG, options::NODES] {
            let pairs = [(option, "abc"), ("cluster", "abc"), SECRET];
            let given = if option == options::NODES { &pairs[..1] } else { &pairs[..] };
            let error = plan(given).expect_err("no group");
            assert!(error.starts_with(&format!("{option} = abc: no port")), "{error}");
        }
    }

    #[test]
    fn an_interface_may_stand_in_the_group() {
        let group = ("cluster", "[ff15::1]:1717%eth0");
        let plan = plan(&[group, SECRET]).expect("good");
        assert_eq!(plan.interface, Some(Interface::Name("eth0".to_owned())));
        assert_eq!(plan.group.to_string(), "[ff15::1]:1717");
    }
}
