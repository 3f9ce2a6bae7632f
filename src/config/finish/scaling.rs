//! How many workers run, with uWSGI's checks (seen with 2.0.31).

use std::time::Duration;

use super::{SECONDS_MAX, narrow};
use crate::config::Diagnostic;
use crate::config::model::{Algorithm, Busyness, Scaling};
use crate::config::values::Values;

/// Every number that counts ticks, cycles, percent or connections.
const COUNT_MAX: u64 = u32::MAX as u64;
const WORKERS_MAX: u64 = u16::MAX as u64;

pub(super) fn scaling(values: &mut Values<'_>, workers: u16) -> Scaling {
    let seconds = Duration::from_secs;
    let least = least(values, workers);
    let (rss_soft_bytes, rss_hard_bytes) = rss_limits(values);
    Scaling {
        least,
        initial: initial(values, least, workers),
        // uWSGI takes 0 for 1.
        step: narrow(values.positive("cheaper-step", WORKERS_MAX), 1),
        algorithm: algorithm(values),
        overload: narrow(values.number("cheaper-overload", 0..=COUNT_MAX), 3),
        surplus_idle: values.positive("cheaper-idle", SECONDS_MAX).map(seconds),
        rss_soft_bytes,
        rss_hard_bytes,
        busyness: busyness(values),
        cheap: values.flag("cheap"),
        idle: values.positive("idle", SECONDS_MAX).map(seconds),
        die_on_idle: values.flag("die-on-idle"),
        dies_gently: false,
    }
}

fn least(values: &mut Values<'_>, workers: u16) -> Option<u16> {
    let least: u16 = narrow(Some(values.positive("cheaper", WORKERS_MAX)?), 1);
    if least >= workers {
        let directive = values.last("cheaper")?;
        let text = match workers {
            1 => "invalid cheaper value: must be lower than processes, which is 1; \
                  set processes to the largest number of workers"
                .to_owned(),
            _ => format!(
                "invalid cheaper value: must be lower than processes; accepted: 1 to {}",
                workers - 1
            ),
        };
        values.error(directive, text);
    }
    Some(least)
}

/// Without `cheaper` it says nothing, as in uWSGI.
fn initial(values: &mut Values<'_>, least: Option<u16>, workers: u16) -> u16 {
    let given = values.positive("cheaper-initial", WORKERS_MAX);
    let Some(least) = least else { return workers };
    let (Some(given), Some(directive)) = (given, values.last("cheaper-initial")) else {
        return least;
    };
    let given: u16 = narrow(Some(given), workers);
    let (taken, why) = if given < least {
        (least, format!("must be equal or higher than cheaper ({least})"))
    } else if given > workers {
        (workers, format!("must be lower or equal than worker count ({workers})"))
    } else {
        return given;
    };
    let text = format!(
        "invalid cheaper-initial value ({given}), {why}, using {taken} as initial number of workers"
    );
    values.problems.push(Diagnostic::warning(directive, text));
    taken
}

/// uWSGI takes an unknown name for `spare` too.
fn algorithm(values: &mut Values<'_>) -> Algorithm {
    let Some(directive) = values.last("cheaper-algo") else { return Algorithm::default() };
    match directive.text() {
        "spare" => Algorithm::Spare,
        "backlog" => Algorithm::Backlog,
        "busyness" => Algorithm::Busyness,
        "manual" => Algorithm::Manual,
        _ => {
            let text = "unable to find requested cheaper algorithm, falling back to spare; \
                        accepted: spare, backlog, busyness, manual";
            values.problems.push(Diagnostic::warning(directive, text));
            Algorithm::Spare
        }
    }
}

fn rss_limits(values: &mut Values<'_>) -> (Option<u64>, Option<u64>) {
    let soft = values.positive("cheaper-rss-limit-soft", u64::MAX);
    let hard = values.positive("cheaper-rss-limit-hard", u64::MAX);
    if let (Some(bytes), Some(directive)) = (hard, values.last("cheaper-rss-limit-hard")) {
        match soft {
            None => values.error(
                directive,
                "enabling cheaper-rss-limit-hard requires setting also cheaper-rss-limit-soft",
            ),
            Some(soft) if bytes <= soft => values.error(
                directive,
                format!(
                    "cheaper-rss-limit-hard value must be higher than cheaper-rss-limit-soft value ({soft})"
                ),
            ),
            Some(_) => {}
        }
    }
    (soft, hard)
}

fn busyness(values: &mut Values<'_>) -> Busyness {
    let default = Busyness::DEFAULT;
    let mut count =
        |name: &str, otherwise: u32| narrow(values.number(name, 0..=COUNT_MAX), otherwise);
    let (multiplier, penalty) = (
        count("cheaper-busyness-multiplier", default.multiplier),
        count("cheaper-busyness-penalty", default.penalty),
    );
    let (alert, alert_multiplier) = (
        count("cheaper-busyness-backlog-alert", default.alert),
        count("cheaper-busyness-backlog-multiplier", default.alert_multiplier),
    );
    let max_percent = count("cheaper-busyness-max", narrow(Some(default.max_percent), 50));
    let min_percent = count("cheaper-busyness-min", narrow(Some(default.min_percent), 25));
    Busyness {
        max_percent: max_percent.into(),
        min_percent: min_percent.into(),
        multiplier,
        penalty,
        verbose: values.flag("cheaper-busyness-verbose"),
        alert,
        alert_step: narrow(
            values.positive("cheaper-busyness-backlog-step", WORKERS_MAX),
            default.alert_step,
        ),
        alert_multiplier,
        nonzero: Duration::from_secs(
            values.number("cheaper-busyness-backlog-nonzero", 0..=SECONDS_MAX).unwrap_or(60),
        ),
    }
}
