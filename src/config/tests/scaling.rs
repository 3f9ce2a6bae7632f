//! How many workers run, as it is configured.

use super::*;
use crate::config::model::{Algorithm, Scaling};

fn scaling(args: &[&str]) -> Scaling {
    config(args).scaling
}

fn warnings(args: &[&str]) -> Vec<String> {
    loaded(args).warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn without_cheaper_all_workers_run() {
    assert_eq!(scaling(&["-p", "4"]), Scaling::all(4));
    assert_eq!(scaling(&["-p", "4", "--cheaper", "0"]), Scaling::all(4));
    // As in uWSGI it says nothing alone.
    assert_eq!(scaling(&["-p", "4", "--cheaper-initial", "2"]).initial, 4);
}

#[test]
fn defaults_of_the_algorithms_are_uwsgis() {
    let all = scaling(&["-p", "4", "--cheaper", "1"]);
    assert_eq!((all.least, all.initial, all.step, all.overload), (Some(1), 1, 1, 3));
    assert_eq!(all.algorithm, Algorithm::Spare);
    let busyness = all.busyness;
    assert_eq!((busyness.max_percent, busyness.min_percent), (50, 25));
    assert_eq!((busyness.multiplier, busyness.penalty, busyness.verbose), (10, 2, false));
    assert_eq!((busyness.alert, busyness.alert_step, busyness.alert_multiplier), (33, 1, 3));
    assert_eq!(busyness.nonzero, Duration::from_secs(60));
    assert_eq!((all.cheap, all.idle, all.die_on_idle), (false, None, false));
}

#[test]
fn every_option_is_read() {
    let all = scaling(&[
        "--workers=9",
        "--cheaper=2",
        "--cheaper-initial=5",
        "--cheaper-step=4",
        "--cheaper-algo=busyness",
        "--cheaper-overload=7",
        "--cheaper-idle=20",
        "--cheaper-rss-limit-soft=1000",
        "--cheaper-rss-limit-hard=2000",
        "--cheaper-busyness-max=80",
        "--cheaper-busyness-min=30",
        "--cheaper-busyness-multiplier=6",
        "--cheaper-busyness-penalty=3",
        "--cheaper-busyness-verbose",
        "--cheaper-busyness-backlog-alert=11",
        "--cheaper-busyness-backlog-step=2",
        "--cheaper-busyness-backlog-multiplier=8",
        "--cheaper-busyness-backlog-nonzero=90",
        "--cheap",
        "--idle=300",
        "--die-on-idle",
    ]);
    assert_eq!((all.least, all.initial, all.step, all.overload), (Some(2), 5, 4, 7));
    assert_eq!(all.algorithm, Algorithm::Busyness);
    assert_eq!(all.surplus_idle, Some(Duration::from_secs(20)));
    assert_eq!((all.rss_soft_bytes, all.rss_hard_bytes), (Some(1_000), Some(2_000)));
    let busyness = all.busyness;
    assert_eq!((busyness.max_percent, busyness.min_percent), (80, 30));
    assert_eq!((busyness.multiplier, busyness.penalty, busyness.verbose), (6, 3, true));
    assert_eq!((busyness.alert, busyness.alert_step, busyness.alert_multiplier), (11, 2, 8));
    assert_eq!(busyness.nonzero, Duration::from_secs(90));
    assert_eq!((all.cheap, all.idle), (true, Some(Duration::from_secs(300))));
    assert!(all.die_on_idle);
}

#[test]
fn cheaper_must_be_below_processes() {
    for (args, accepted) in [
        (&["-p", "4", "--cheaper", "4"][..], "must be lower than processes; accepted: 1 to 3"),
        (&["-p", "4", "--cheaper", "9"], "must be lower than processes; accepted: 1 to 3"),
        (
            &["--cheaper", "1"],
            "must be lower than processes, which is 1; set processes to the largest number of workers",
        ),
    ] {
        let found = errors(args);
        assert!(found[0].ends_with(&format!("invalid cheaper value: {accepted}")), "{found:?}");
    }
}

#[test]
fn an_initial_number_out_of_bounds_is_clamped_with_a_warning() {
    for (given, taken) in [("1", 2), ("2", 2), ("3", 3), ("4", 4), ("5", 4)] {
        let args = ["-p", "4", "--cheaper", "2", "--cheaper-initial", given];
        assert_eq!(scaling(&args).initial, taken, "{given}");
        assert_eq!(warnings(&args).is_empty(), given == taken.to_string(), "{given}");
    }
    assert_eq!(
        warnings(&["-p", "4", "--cheaper", "2", "--cheaper-initial", "5"]),
        [
            "warning: --cheaper-initial 5: invalid cheaper-initial value (5), must be lower or equal than worker count \
          (4), using 4 as initial number of workers"
        ]
    );
}

#[test]
fn an_unknown_algorithm_is_spare_with_a_warning() {
    let args = ["-p", "4", "--cheaper", "2", "--cheaper-algo", "backlog2"];
    assert_eq!(scaling(&args).algorithm, Algorithm::Spare);
    assert_eq!(
        warnings(&args),
        [
            "warning: --cheaper-algo backlog2: unable to find requested cheaper algorithm, falling back to spare; \
          accepted: spare, backlog, busyness, manual"
        ]
    );
}

#[test]
fn the_hard_limit_of_memory_is_above_the_soft_one() {
    let base = ["-p", "4", "--cheaper", "2"];
    let error = |more: &[&str]| errors(&[&base, more].concat()).remove(0);
    assert!(
        error(&["--cheaper-rss-limit-hard", "9"]).ends_with(
            "enabling cheaper-rss-limit-hard requires setting also cheaper-rss-limit-soft"
        )
    );
    assert!(error(&["--cheaper-rss-limit-hard", "9", "--cheaper-rss-limit-soft", "9"]).ends_with(
        "cheaper-rss-limit-hard value must be higher than cheaper-rss-limit-soft value (9)"
    ));
}

#[test]
fn zero_steps_are_one() {
    let all = scaling(&["--cheaper-step", "0", "--cheaper-busyness-backlog-step", "0"]);
    assert_eq!((all.step, all.busyness.alert_step), (1, 1));
}

#[test]
fn auto_is_what_the_machine_lets_run() {
    assert_eq!(config(&["-p", "auto"]).processes.workers, 3);
    assert_eq!(config(&["--workers=auto", "--cheaper", "2"]).scaling.least, Some(2));
    assert_eq!(config(&["-p", "auto", "-p", "7"]).processes.workers, 7);
    assert_eq!(warnings(&["-p", "auto"]), [""; 0]);
    let folder = Folder::new();
    let toml = folder.file("a.toml", "[uwsgi]\nprocesses = \"auto\"\n");
    assert_eq!(config(&["--toml", &toml]).processes.workers, 3);
    let wrong = errors(&["-p", "automatic"]);
    assert!(wrong.iter().any(|text| text.ends_with("from 1 to 65535, or auto")), "{wrong:?}");
    assert!(warnings(&["--threads", "auto"])[0].contains("is read as 0"), "threads take no word");
}
