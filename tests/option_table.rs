//! The option table against the list of uWSGI's options (`tests/vectors/uwsgi-options.tsv`: names and how they are
//! written, facts of 2.0.31 and of the branch that was to become 2.1).
#![allow(clippy::unwrap_used)] // panicking is how a test fails

use uwsgi::options::Registry;
use uwsgi_plugin_api::{Argument, OptionRow};

/// A line of the list.
struct Original {
    name: &'static str,
    argument: Argument,
    short: Option<char>,
    flags: Vec<&'static str>,
    stock: bool,
}

fn originals() -> Vec<Original> {
    let lines = include_str!("vectors/uwsgi-options.tsv").lines().skip(1);
    lines.map(|line| original(&line.split('\t').collect::<Vec<_>>())).collect()
}

fn original(fields: &[&'static str]) -> Original {
    let [name, argument, short, flags, stock] = fields else { panic!("five fields: {fields:?}") };
    Original {
        name,
        argument: match *argument {
            "no" => Argument::None,
            "optional" => Argument::Optional,
            _ => Argument::Required,
        },
        short: short.chars().next(),
        flags: flags.split('|').filter(|flag| !flag.is_empty()).collect(),
        stock: *stock == "y",
    }
}

/// The table as the server has it, with the rows of plugins and gateways.
fn registry() -> Registry {
    use uwsgi_plugin_api::{Gateway, Plugin};
    use uwsgi_plugin_cluster::Cluster;
    use uwsgi_plugin_mongrel2::{Mongrel2, ZeromqLog};
    let python = uwsgi_plugin_python::PythonPlugin::new();
    Registry::new(&[
        python.options(),
        Mongrel2.options(),
        ZeromqLog.options(),
        Gateway::options(&Cluster),
    ])
}

fn differences(differs: impl Fn(&Original, &OptionRow) -> Option<String>) -> Vec<String> {
    let registry = registry();
    let of_row = |original: Original| {
        let row = registry.find(original.name)?;
        differs(&original, row).map(|text| format!("{}: {text}", original.name))
    };
    originals().into_iter().filter_map(of_row).collect()
}

#[test]
fn every_option_of_uwsgi_is_a_row() {
    let registry = registry();
    let names = originals().into_iter().map(|original| original.name);
    let absent: Vec<_> = names.filter(|name| registry.find(name).is_none()).collect();
    assert!(absent.is_empty(), "{} are absent: {}", absent.len(), absent.join(" "));
}

#[test]
fn options_take_their_values_as_in_uwsgi() {
    let found = differences(|original, row| {
        (row.argument != original.argument)
            .then(|| format!("{:?}, uWSGI: {:?}", row.argument, original.argument))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn letters_are_uwsgis() {
    let registry = registry();
    let lettered = || originals().into_iter().filter_map(|one| Some((one.name, one.short?)));
    // Several options of uWSGI share a letter; the first of them has it.
    let first = |letter: char| lettered().find(|(_, short)| *short == letter).unwrap().0;
    let wrong: Vec<_> = lettered()
        .filter(|(_, letter)| {
            let by_letter = registry.find_short(*letter).map(|row| row.name);
            by_letter.is_none() || by_letter != registry.find(first(*letter)).map(|row| row.name)
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn side_effects_and_immediacy_are_uwsgis() {
    let implied = |flag: &str| match flag {
        "MASTER" => Some("master"),
        "LOG_MASTER" | "REQ_LOG_MASTER" => Some("log-master"),
        "METRICS" => Some("enable-metrics"),
        "MEMORY" => Some("memory-report"),
        "PROCNAME" => Some("auto-procname"),
        "VHOST" => Some("vhost"),
        _ => None,
    };
    let found = differences(|original, row| {
        let wanted: Vec<_> = original.flags.iter().filter_map(|flag| implied(flag)).collect();
        let lacks = wanted.iter().filter(|name| !row.implies.contains(name) && row.name != **name);
        let lacks: Vec<_> = lacks.collect();
        let immediate = original.flags.contains(&"IMMEDIATE");
        if !lacks.is_empty() {
            Some(format!("does not imply {lacks:?}"))
        } else {
            (immediate != row.immediate).then(|| format!("immediate in uWSGI: {immediate}"))
        }
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn abbreviations_are_of_options_that_stock_uwsgi_has() {
    let found = differences(|original, row| {
        (row.stock != original.stock).then(|| format!("stock in uWSGI: {}", original.stock))
    });
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn options_of_sites_are_rows_and_none_says_where_to_listen() {
    use uwsgi::config::model::site_options::{INHERITED, accepted};
    let registry = registry();
    let all = accepted();
    for name in all.split(", ") {
        let row = registry.find(name).unwrap_or_else(|| panic!("{name} is no option"));
        assert_eq!(row.name, name, "the table has names, not aliases");
        assert!(uwsgi::config::SOCKETS.iter().all(|(socket, _)| *socket != name), "{name}");
    }
    assert!(INHERITED.iter().all(|name| all.contains(name)));
}
