//! ZeroMQ's descriptors tell of changes only: a message that is overlooked waits until something else happens.

use std::time::{Duration, Instant};

use super::{behind, long};
use crate::support::stand_in::StandIn;

/// Pseudo-random numbers, the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    /// A pause that a sleep would be too coarse for.
    fn pause(&mut self) {
        let end = Instant::now() + Duration::from_micros(self.below(200));
        while Instant::now() < end {
            std::hint::spin_loop();
        }
    }
}

/// Nothing comes after a message that would make up for a wake-up that is lost: its answer would never come.
#[test]
fn no_message_waits_for_the_next_one() {
    ours_only!("its plugin sends no bodies with libzmq 3 or later");
    let mongrel2 = StandIn::new();
    let _server = behind(&mongrel2.pair()).args(["--threads", "4"]).master(1).start();
    let mut dice = Dice(1);
    let end = Instant::now() + Duration::from_secs(if long() { 60 } else { 4 });
    let mut count = 0;
    while Instant::now() < end {
        let burst = 1 + dice.below(8) / 6;
        for id in 0..burst {
            mongrel2.get(u32::try_from(id).unwrap(), "/hello");
            if dice.below(2) == 0 {
                dice.pause();
            }
        }
        for _ in 0..burst {
            let reply = mongrel2.receive();
            assert!(reply.bytes.ends_with(b"hello"), "{reply:?}");
        }
        count += burst;
        dice.pause();
    }
    println!("{count} requests");
}
