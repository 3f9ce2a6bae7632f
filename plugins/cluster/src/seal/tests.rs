use proptest::prelude::*;

use super::replay::{LIVES_MAX, WINDOW};
use super::*;

const NOW: u64 = 1_700_000_000_000;
const TOLERANCE: Duration = Duration::from_secs(60);
const GROUP: &str = "225.1.1.1:1717";

fn seal_of(life: u64, secrets: &[&str], group: &str) -> Seal {
    let secrets: Vec<_> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
    Seal::new(&secrets, group, Life(life), TOLERANCE).unwrap()
}

fn pair() -> (Seal, Seal) {
    (seal_of(1, &["s"], GROUP), seal_of(2, &["s"], GROUP))
}

#[test]
fn a_message_arrives_and_cannot_be_read_on_the_way() {
    let (mut a, mut b) = pair();
    for to in [None, Some(Life(2))] {
        let datagram = a.seal(to, NOW, b"socket=192.0.2.1:3031");
        assert_eq!(datagram.len(), 21 + SEAL_BYTES);
        assert!(!datagram.windows(6).any(|bytes| bytes == b"socket"));
        let opened = b.open(NOW, &datagram);
        assert_eq!(opened, Ok((Life(1), b"socket=192.0.2.1:3031".to_vec())));
    }
    assert_eq!(b.refused(), Refused::default());
}

#[test]
fn another_version_of_the_seal_is_forged_whoever_signed_it() {
    let (mut a, mut b) = pair();
    let mut datagram = a.seal(None, NOW, b"x");
    datagram.truncate(datagram.len() - MAC_BYTES);
    datagram[3] = b'2';
    let mac = a.keys[0].sign.clone().chain_update(&datagram).finalize().into_bytes();
    datagram.extend_from_slice(&mac);
    assert_eq!(b.open(NOW, &datagram), Err(SealError::Forged));
}

#[test]
fn the_largest_message_fits_and_an_ordinary_one_needs_no_fragments() {
    let (mut a, mut b) = pair();
    let datagram = a.seal(None, NOW, &[7; MESSAGE_BYTES_LARGEST]);
    assert_eq!(datagram.len(), 2_048);
    assert!(b.open(NOW, &datagram).is_ok());
    let headers = 40 + 8;
    let ordinary = a.seal(None, NOW, &[7; crate::wire::MESSAGE_BYTES_MAX]);
    assert!(ordinary.len() + headers <= 1_280);
}

#[test]
fn each_refusal_has_its_reason_and_is_counted() {
    let (mut a, mut b) = pair();
    let good = a.seal(Some(Life(2)), NOW, b"x");
    let other_life = a.seal(Some(Life(3)), NOW, b"x");
    let (early, late) = (a.seal(None, NOW - 60_001, b"x"), a.seal(None, NOW + 60_001, b"x"));
    let mut stranger = seal_of(9, &["other"], GROUP);
    let forged = stranger.seal(None, NOW, b"x");
    let own = b.seal(None, NOW, b"x");
    assert!(b.open(NOW, &good).is_ok());
    for (datagram, why) in [
        (&*good, SealError::Replayed),
        (&other_life, SealError::Replayed),
        (&early, SealError::Skewed),
        (&late, SealError::Skewed),
        (&forged, SealError::Forged),
        (&good[..good.len() - 1], SealError::Forged),
        (&good[..SEAL_BYTES - 1], SealError::Forged),
        (b"", SealError::Forged),
        (b"\x62\x00\x00\x00", SealError::Forged),
        (&[0; 2_049], SealError::Oversized),
        (&own, SealError::Own),
    ] {
        assert_eq!(b.open(NOW, datagram), Err(why), "{datagram:?}");
    }
    b.count_malformed();
    let refused = Refused { forged: 5, replayed: 2, skewed: 2, malformed: 1, oversized: 1 };
    assert_eq!(b.refused(), refused);
}

#[test]
fn clocks_may_differ_up_to_the_tolerance() {
    let (mut a, mut b) = pair();
    for sent in [NOW - 60_000, NOW, NOW + 60_000] {
        let datagram = a.seal(None, sent, b"x");
        assert!(b.open(NOW, &datagram).is_ok(), "{sent}");
    }
}

#[test]
fn datagrams_may_overtake_others_within_the_window() {
    let (mut a, mut b) = pair();
    let datagrams: Vec<_> = (0..=WINDOW + 1).map(|_| a.seal(None, NOW, b"x")).collect();
    let mut open = |at: u64| b.open(NOW, &datagrams[at as usize]).map(|_| ());
    assert_eq!(open(WINDOW), Ok(()));
    assert_eq!(open(1), Ok(()), "the oldest that is remembered");
    assert_eq!(open(0), Err(SealError::Replayed), "older than anything that is remembered");
    assert_eq!(open(WINDOW - 1), Ok(()));
    assert_eq!(open(1), Err(SealError::Replayed));
    assert_eq!(open(WINDOW + 1), Ok(()), "its place in the window was number 1's");
    assert_eq!(open(WINDOW + 1), Err(SealError::Replayed));
    assert_eq!(open(2), Ok(()));
}

#[test]
fn a_long_jump_leaves_nothing_of_the_old_window() {
    let (mut a, mut b) = pair();
    let first = a.seal(None, NOW, b"x");
    assert!(b.open(NOW, &first).is_ok());
    a.sequence += 10 * WINDOW;
    for _ in 0..WINDOW {
        let next = a.seal(None, NOW, b"x");
        assert!(b.open(NOW, &next).is_ok());
    }
    assert_eq!(b.open(NOW, &first), Err(SealError::Replayed));
}

#[test]
fn the_last_number_of_all_is_a_number() {
    let (mut a, mut b) = pair();
    let first = a.seal(None, NOW, b"x");
    assert!(b.open(NOW, &first).is_ok());
    a.sequence = u64::MAX - 1;
    let last = a.seal(None, NOW, b"x");
    assert!(b.open(NOW, &last).is_ok());
    assert_eq!(b.open(NOW, &last), Err(SealError::Replayed));
}

#[test]
fn secrets_are_changed_node_by_node() {
    let mut old = seal_of(1, &["old"], GROUP);
    let mut both = seal_of(2, &["old", "new"], GROUP);
    let mut turned = seal_of(3, &["new", "old"], GROUP);
    let mut new = seal_of(4, &["new"], GROUP);
    let (of_old, of_both) = (old.seal(None, NOW, b"x"), both.seal(None, NOW, b"x"));
    let (of_turned, of_new) = (turned.seal(None, NOW, b"x"), new.seal(None, NOW, b"x"));
    assert!(both.open(NOW, &of_old).is_ok() && both.open(NOW, &of_turned).is_ok());
    assert!(turned.open(NOW, &of_both).is_ok() && turned.open(NOW, &of_new).is_ok());
    assert!(old.open(NOW, &of_both).is_ok() && new.open(NOW, &of_turned).is_ok());
    assert_eq!(new.open(NOW, &of_both), Err(SealError::Forged), "the first secret seals");
    assert_eq!(old.open(NOW, &of_new), Err(SealError::Forged));
}

#[test]
fn groups_with_one_secret_are_apart() {
    let mut a = seal_of(1, &["s"], GROUP);
    let mut b = seal_of(2, &["s"], "225.1.1.1:1718");
    let datagram = a.seal(None, NOW, b"x");
    assert_eq!(b.open(NOW, &datagram), Err(SealError::Forged));
}

#[test]
fn secrets_that_are_none_are_not_taken() {
    for secrets in [vec![], vec![vec![]], vec![b"s".to_vec(), vec![]], vec![b"s".to_vec(); 9]] {
        let seal = Seal::new(&secrets, GROUP, Life(1), TOLERANCE);
        assert_eq!(seal.err(), Some(SealError::Secrets));
    }
}

#[test]
fn many_senders_are_remembered_until_they_are_old() {
    let remember_ms = 120_000;
    let mut replays = Replays::new(remember_ms);
    let lives = 1..=LIVES_MAX as u64;
    assert!(lives.clone().all(|life| replays.admit(Life(life), 1, NOW, NOW).is_ok()));
    let mut admit = |life, now| replays.admit(Life(life), 1, now, now);
    assert_eq!(admit(0, NOW + remember_ms), Err(SealError::Forged), "no room");
    assert!(lives.clone().all(|life| admit(life, NOW).is_err()), "nobody was forgotten");
    let later = NOW + remember_ms + 1;
    assert_eq!(admit(0, later), Ok(()));
    assert_eq!(admit(0, later), Err(SealError::Replayed));
    assert_eq!(admit(1, later), Ok(()), "forgotten");
}

proptest! {
    #[test]
    fn a_bit_changed_anywhere_is_forged(len in 0_usize..80, at: prop::sample::Index, bit in 0_u8..8) {
        let (mut a, mut b) = pair();
        let mut datagram = a.seal(Some(Life(2)), NOW, &vec![7; len]);
        let at = at.index(datagram.len());
        datagram[at] ^= 1 << bit;
        assert_eq!(b.open(NOW, &datagram), Err(SealError::Forged));
        datagram[at] ^= 1 << bit;
        assert!(b.open(NOW, &datagram).is_ok());
    }

    #[test]
    fn bytes_of_strangers_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        crate::fuzzing::datagram(&bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn whatever_the_order_each_is_taken_once(order in prop::collection::vec(0_usize..200, 0..400)) {
        let (mut a, mut b) = pair();
        let datagrams: Vec<_> = (0..200).map(|_| a.seal(None, NOW, b"x")).collect();
        let mut seen = std::collections::HashSet::new();
        for at in order {
            assert_eq!(b.open(NOW, &datagrams[at]).is_ok(), seen.insert(at), "{at}");
        }
    }
}
