//! The lines of `cheaper-busyness-verbose`, as uWSGI 2.0.31 wrote them in the same situations.

use super::*;

fn world(overload: u32, busyness: Busyness, active: u16) -> World {
    let busyness = Busyness { verbose: true, ..busyness };
    World::new(Scaling { overload, busyness, ..settings(Algorithm::Busyness) }, active)
}

fn lines(world: &mut World) -> Vec<String> {
    let lines = std::mem::take(&mut world.log);
    lines.into_iter().map(|line| line.replacen("[busyness] ", "", 1)).collect()
}

#[test]
fn the_settings_are_said_at_the_start() {
    let scaler = Scaler::new(&settings(Algorithm::Busyness), 4).expect("cheaper is set");
    assert_eq!(
        scaler.greeting(),
        [
            "[busyness] settings: min=25%, max=50%, overload=3, multiplier=10, respawn penalty=2",
            "[busyness] backlog alert is set to 33 request(s), step is 1",
            "[busyness] backlog non-zero alert is set to 60 second(s)"
        ]
    );
}

#[test]
fn a_stop_that_was_a_mistake_makes_the_next_one_wait_longer() {
    let mut world = world(1, Busyness { multiplier: 3, ..Busyness::DEFAULT }, 2);
    world.pass(3, 0);
    lines(&mut world);
    world.pass(1, 0);
    assert_eq!(
        lines(&mut world),
        [
            "worker nr 1 1s average busyness is at 0%",
            "worker nr 2 1s average busyness is at 0%",
            "1s average busyness of 2 worker(s) is at 0%",
            "1s average busyness is at 0%, cheap one of 2 running workers"
        ]
    );
    world.pass(1, 1);
    assert_eq!(
        lines(&mut world),
        [
            "1s average busyness of 1 worker(s) is at 100%",
            "worker(s) respawned to fast, increasing cheaper multiplier to 5 (+2)",
            "1s average busyness is at 100%, will spawn 1 new worker(s)"
        ]
    );
    world.pass(4, 0);
    assert_eq!(world.active(), 2);
    assert_eq!(
        lines(&mut world).last().map(String::as_str),
        Some("need to wait 0 more second(s) to cheap worker")
    );
    world.pass(1, 0);
    assert_eq!(world.active(), 1);
    world.by_hand(2);
    world.pass(1, 0);
    lines(&mut world);
    world.pass(4, 0);
    let said = lines(&mut world);
    assert!(said.contains(&"decreasing cheaper multiplier to 4".to_owned()), "{said:?}");
}

#[test]
fn cycles_between_the_limits_put_the_stop_off() {
    let mut world = world(1, Busyness { multiplier: 5, ..Busyness::DEFAULT }, 3);
    world.pass(1, 0);
    for expected in [
        "1s average busyness is at 33%, 1 non-idle cycle(s), adjusting cheaper timer",
        "1s average busyness is at 33%, 2 non-idle cycle(s), adjusting cheaper timer",
        "1s average busyness is at 33%, 3 non-idle cycle(s), resetting cheaper timer",
    ] {
        world.pass(1, 1);
        assert_eq!(lines(&mut world).last().map(String::as_str), Some(expected));
    }
    world.pass(1, 0);
    assert_eq!(
        lines(&mut world).last().map(String::as_str),
        Some("need to wait 3 more second(s) to cheap worker")
    );
}

#[test]
fn emergency_workers_are_counted_and_have_a_timer_of_their_own() {
    let busyness = Busyness { alert: 4, multiplier: 50, alert_multiplier: 2, ..Busyness::DEFAULT };
    let mut world = world(4, busyness, 1);
    world.queue = 9;
    world.pass(1, 1);
    assert_eq!(
        lines(&mut world),
        ["9 requests in listen queue, spawning 1 emergency worker(s) (1)!"]
    );
    world.queue = 3;
    world.pass(1, 2);
    world.queue = 0;
    world.pass(1, 2);
    assert_eq!(lines(&mut world), ["backlog is now empty"]);
    world.pass(16, 0);
    let expected = [
        "0 emergency worker(s) running, using 8 seconds cheaper timer",
        "4s average busyness is at 0%, cheap one of 2 running workers",
    ];
    let said = lines(&mut world);
    assert!(said.windows(2).any(|pair| pair == expected), "{said:?}");
    world.queue = 2;
    world.pass(1, 0);
    assert_eq!(lines(&mut world), ["backlog is starting to fill (2)"]);
}
