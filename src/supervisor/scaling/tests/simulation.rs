//! Load that stays the same: requests come at a steady rate and take the same time. Whatever the algorithm and its
//! settings, the number of workers must come to rest, and rest where the load is served.

use std::collections::VecDeque;
use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// Resolution of the model.
const STEP_MS: u64 = 50;
/// Longest queue of a listener.
const QUEUE_MAX: usize = 100;

/// Workers with one request thread each.
struct Site {
    world: World,
    /// When the request of each worker ends.
    ends: Vec<((WorkerId, Millis), u64)>,
    waiting: VecDeque<u64>,
    /// Requests that are due, in thousandths.
    due: u64,
    request_ms: u64,
    changes: Vec<(u64, usize)>,
}

impl Site {
    fn new(settings: Scaling, processes: u16, request_ms: u64) -> Self {
        let mut world = World::new(settings, settings.initial);
        world.scaler = Scaler::new(&settings, processes).expect("cheaper is set");
        world.processes = processes;
        let (ends, waiting) = (Vec::new(), VecDeque::new());
        Self { world, ends, waiting, due: 0, request_ms, changes: Vec::new() }
    }

    /// `demand`: workers that are busy on average, in thousandths.
    fn pass(&mut self, seconds: u64, demand: u64) {
        for _ in 0..seconds {
            for _ in 0..1_000 / STEP_MS {
                self.step(demand);
            }
            let before = self.world.active();
            self.look();
            self.world.tick();
            self.world.log.clear();
            if self.world.active() != before {
                self.changes.push((self.world.now.0, self.world.active()));
            }
        }
    }

    fn step(&mut self, demand: u64) {
        self.world.now = self.world.now + STEP_MS;
        let now = self.world.now.0;
        self.due += demand * STEP_MS;
        while self.due >= self.request_ms * 1_000 {
            self.due -= self.request_ms * 1_000;
            if self.waiting.len() < QUEUE_MAX {
                self.waiting.push_back(self.request_ms);
            }
        }
        for worker in &mut self.world.workers {
            let key = (worker.id, worker.since);
            if self.ends.iter().any(|(one, end)| *one == key && *end <= now) {
                worker.requests += 1;
                worker.busy_us += STEP_MS * 1_000;
            }
        }
        self.ends.retain(|(_, end)| *end > now);
        for worker in &mut self.world.workers {
            let key = (worker.id, worker.since);
            if self.ends.iter().any(|(one, _)| *one == key) {
                worker.busy_us += STEP_MS * 1_000;
            } else if let Some(length) = self.waiting.pop_front() {
                self.ends.push((key, now + length));
            }
        }
    }

    /// What the master sees.
    fn look(&mut self) {
        self.world.queue = self.waiting.len() as u32;
        for worker in &mut self.world.workers {
            worker.busy = self.ends.iter().any(|(one, _)| *one == (worker.id, worker.since));
        }
    }
}

fn algorithm() -> impl Strategy<Value = Algorithm> {
    prop::sample::select(vec![Algorithm::Spare, Algorithm::Backlog, Algorithm::Busyness])
}

prop_compose! {
    fn any_settings()(
        algorithm in algorithm(),
        least in 1..4_u16,
        step in 1..5_u16,
        overload in 1..6_u32,
        (min_percent, max_percent) in (10..60_u64, 20..90_u64),
        multiplier in 1..8_u32,
        surplus in prop::option::of(3..40_u64),
    ) -> Scaling {
        let busyness = Busyness { min_percent, max_percent, multiplier, ..Busyness::DEFAULT };
        Scaling {
            least: Some(least),
            initial: least,
            step,
            overload,
            busyness,
            surplus_idle: surplus.map(Duration::from_secs),
            ..settings(algorithm)
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn at_a_constant_load_the_number_of_workers_comes_to_rest(
        settings in any_settings(),
        processes in 4..9_u16,
        request_ms in prop::sample::select(vec![50, 100, 250, 900, 2_500, 7_000_u64]),
        demand in 0..10_000_u64,
    ) {
        let mut site = Site::new(settings, processes, request_ms);
        // Rarer requests are no constant load.
        prop_assume!(demand == 0 || request_ms * 1_000 / demand <= 20_000);
        // From above as well as from below.
        site.pass(100, demand / 2);
        site.pass(200, 12_000);
        site.pass(2_000, demand);
        site.changes.clear();
        site.pass(1_500, demand);
        let late = &site.changes;
        prop_assert!(late.is_empty(), "still changes: {late:?}");
        let active = site.world.active() as u64;
        prop_assert!((u64::from(settings.least.unwrap())..=u64::from(processes)).contains(&active));
        let served = site.waiting.len() < QUEUE_MAX / 2;
        prop_assert!(served || active == u64::from(processes), "{active} workers leave connections waiting");
    }

    #[test]
    fn whatever_comes_the_bounds_hold(
        settings in any_settings(),
        loads in prop::collection::vec((1..40_u64, 0..12_000_u64), 1..20),
        hands in prop::collection::vec(-9..9_i32, 20),
    ) {
        let mut site = Site::new(settings, 6, 200);
        for ((seconds, demand), delta) in loads.into_iter().zip(hands) {
            site.pass(seconds, demand);
            site.world.by_hand(delta);
            let active = site.world.active();
            prop_assert!((usize::from(settings.least.unwrap())..=6).contains(&active), "{active}");
        }
    }
}

#[test]
fn a_rush_is_served_and_forgotten() {
    for algorithm in [Algorithm::Spare, Algorithm::Backlog, Algorithm::Busyness] {
        let mut site = Site::new(settings(algorithm), 4, 100);
        site.pass(60, 300);
        assert_eq!(
            site.world.active(),
            if algorithm == Algorithm::Spare { 2 } else { 1 },
            "{algorithm:?}"
        );
        site.pass(60, 3_500);
        assert_eq!(site.world.active(), 4, "{algorithm:?}");
        site.pass(10, 3_500);
        assert!(site.waiting.len() < 10, "{algorithm:?}: {} wait", site.waiting.len());
        site.pass(600, 0);
        assert_eq!(site.world.active(), 1, "{algorithm:?}");
    }
}
