//! What voters answer, case by case. That the whole is safe is for the simulation to show.

use super::*;
use crate::wire::Election as Message;

fn key(number: u8) -> NodeKey {
    ([192, 0, 2, number], 1717).into()
}

fn electorate(version: u64, term: u64, voters: impl IntoIterator<Item = u8>) -> Electorate {
    let voters = voters.into_iter().map(key).collect();
    Electorate { lineage: 7, version, term, voters }
}

fn voter(own: u8, known: Option<Electorate>) -> Election {
    let (own, quorum_min, founder, observer) = (key(own), 1, false, false);
    let plan = Voter { own, quorum_min, forget_ms: 60_000, founder, observer, known, seed: 1 };
    Election::new(0, plan)
}

fn world(alive: impl IntoIterator<Item = u8>) -> World {
    alive.into_iter().map(|number| (key(number), Condition::Alive)).collect()
}

fn ask(round: u64, electorate: Electorate, leads: bool) -> Message {
    Message::Ask { round, electorate, leads }
}

/// The answer of a voter, and nothing else but what it keeps.
fn answer(election: &mut Election, now: Millis, from: u8, message: Message) -> Option<Message> {
    let mut out = Vec::new();
    election.receive(now, key(from), message, &mut out);
    out.into_iter().find_map(|outcome| match outcome {
        Outcome::Send(to, message) if to == key(from) => Some(message),
        _ => None,
    })
}

fn is_granted(answer: &Option<Message>) -> bool {
    matches!(answer, Some(Message::Granted { .. }))
}

const AWAKE: Millis = LEASE_MS;

#[test]
fn a_vote_is_promised_to_one_at_a_time_and_ends() {
    let base = electorate(first_version(1), 1, 1..=3);
    let mut election = voter(1, Some(base.clone()));
    let of = |term| Electorate { term, ..base.clone() };
    assert!(is_granted(&answer(&mut election, AWAKE, 2, ask(1, of(2), false))));
    let denied = answer(&mut election, AWAKE + 10, 3, ask(1, of(3), false));
    let promised = Some(key(2));
    assert_eq!(denied, Some(Message::Denied { round: 1, promised, electorate: None }));
    assert!(is_granted(&answer(&mut election, AWAKE + 20, 2, ask(2, of(2), false))), "its own");
    let late = AWAKE + 20 + LEASE_MS;
    assert!(!is_granted(&answer(&mut election, late - 1, 3, ask(2, of(3), false))));
    assert!(is_granted(&answer(&mut election, late, 3, ask(3, of(3), false))));
}

#[test]
fn a_term_has_one_vote_and_an_earlier_one_none() {
    let base = electorate(first_version(1), 1, 1..=3);
    let mut election = voter(1, Some(base.clone()));
    let of = |term| Electorate { term, ..base.clone() };
    assert!(is_granted(&answer(&mut election, AWAKE, 2, ask(1, of(5), false))));
    let later = AWAKE + LEASE_MS;
    for term in [4, 5] {
        let denied = answer(&mut election, later, 3, ask(1, of(term), false));
        let Some(Message::Denied { electorate: Some(told), .. }) = denied else {
            panic!("{denied:?}")
        };
        assert_eq!(told.term, 5, "so that the candidate takes a later one");
    }
    assert!(is_granted(&answer(&mut election, later, 3, ask(2, of(6), false))));
}

#[test]
fn who_is_behind_is_told_and_who_is_ahead_is_followed() {
    let new = electorate(first_version(3) + 1, 3, [1, 2, 4]);
    let mut election = voter(1, Some(new.clone()));
    let old = electorate(first_version(2), 9, 1..=3);
    let Some(Message::Denied { electorate: Some(told), .. }) =
        answer(&mut election, AWAKE, 3, ask(1, old, false))
    else {
        panic!("not denied")
    };
    assert_eq!((told.version, &told.voters), (new.version, &new.voters));
    let newer = electorate(first_version(4), 4, [1, 2]);
    let mut out = Vec::new();
    election.receive(AWAKE, key(2), ask(1, newer.clone(), true), &mut out);
    let save = out.iter().position(|outcome| *outcome == Outcome::Save(newer.clone()));
    let vote = out.iter().position(|outcome| matches!(outcome, Outcome::Send(..)));
    assert!(save.is_some() && save < vote, "kept before it is said: {out:?}");
    assert_eq!(election.leader(AWAKE), Some(key(2)));
}

#[test]
fn a_start_is_followed_by_a_lease_without_a_vote() {
    let base = electorate(first_version(1), 1, 1..=3);
    let mut election = voter(1, Some(base.clone()));
    let next = Electorate { term: 2, ..base };
    assert!(!is_granted(&answer(&mut election, AWAKE - 1, 2, ask(1, next.clone(), true))));
    assert!(is_granted(&answer(&mut election, AWAKE, 2, ask(2, next, true))));
}

#[test]
fn who_has_forgotten_everything_votes_for_leaders_only() {
    let base = electorate(first_version(1), 1, 1..=3);
    let of = |term| Electorate { term, ..base.clone() };
    let mut election = voter(1, None);
    assert!(!is_granted(&answer(&mut election, AWAKE, 2, ask(1, of(2), false))));
    assert!(is_granted(&answer(&mut election, AWAKE, 2, ask(2, of(2), true))));
    let mut election = voter(1, None);
    assert!(!is_granted(&answer(&mut election, UNSURE_MS - 1, 2, ask(1, of(2), false))));
    assert!(is_granted(&answer(&mut election, UNSURE_MS, 2, ask(2, of(2), false))));
}

#[test]
fn whom_it_voted_for_before_a_restart_is_not_guessed() {
    let kept = electorate(first_version(1), 5, 1..=3);
    let mut election = voter(1, Some(kept.clone()));
    assert!(!is_granted(&answer(&mut election, AWAKE, 2, ask(1, kept.clone(), false))));
    assert!(is_granted(&answer(&mut election, AWAKE, 2, ask(2, kept, true))));
}

#[test]
fn an_older_electorate_gets_no_majority_of_those_who_remember_a_newer_one() {
    // Node 1 was taken out while it was away; its file is of the time before.
    let (old, new) =
        (electorate(first_version(1), 1, 1..=3), electorate(first_version(1) + 1, 1, 2..=3));
    let mut election = voter(1, Some(old));
    let mut sent = Vec::new();
    for now in (AWAKE..AWAKE + 3_000).step_by(50) {
        election.tick(now, &world(1..=3), &mut sent);
    }
    let round = |outcome: &Outcome| match outcome {
        Outcome::Send(to, message @ Message::Ask { .. }) if *to == key(2) => Some(message.clone()),
        _ => None,
    };
    let asked = sent.iter().find_map(round).expect("it stands");
    let mut other = voter(2, Some(new.clone()));
    let denied = answer(&mut other, AWAKE + 5_000, 1, asked).expect("an answer");
    assert!(matches!(denied, Message::Denied { .. }), "{denied:?}");
    election.receive(AWAKE + 5_000, key(2), denied, &mut sent);
    assert_eq!(election.electorate().voters, new.voters);
    sent.clear();
    for now in (AWAKE + 5_000..AWAKE + 20_000).step_by(50) {
        election.tick(now, &world(1..=3), &mut sent);
    }
    assert_eq!(sent.iter().find_map(round), None, "it is no voter any more");
}

/// A leader of itself and of those that grant it everything.
fn leader(grants: &[u8], votes: u8) -> (Election, Millis) {
    let mut election = voter(1, Some(electorate(first_version(1), 1, 1..=votes)));
    let mut now = AWAKE;
    while election.leads_until(now).is_none() {
        now += 50;
        serve(&mut election, now, grants, 1..=votes);
        assert!(now < 10_000, "it never leads");
    }
    (election, now)
}

/// Lets a moment pass, in which all questions are granted.
fn serve(
    election: &mut Election,
    now: Millis,
    grants: &[u8],
    alive: impl IntoIterator<Item = u8>,
) -> Vec<Electorate> {
    let mut out = Vec::new();
    election.tick(now, &world(alive), &mut out);
    let mut asked = Vec::new();
    for outcome in out {
        let Outcome::Send(to, Message::Ask { round, electorate, .. }) = outcome else { continue };
        let version = electorate.version;
        asked.push(electorate);
        if grants.iter().any(|number| key(*number) == to) {
            election.receive(now, to, Message::Granted { round, version }, &mut Vec::new());
        }
    }
    asked
}

#[test]
fn a_lease_counts_from_the_question_and_is_shorter_than_a_promise() {
    let (mut election, now) = leader(&[2], 3);
    let until = election.leads_until(now).expect("it leads");
    assert_eq!(until, now + LEASE_OWN_MS);
    const { assert!(LEASE_OWN_MS * 105 / 100 < LEASE_MS * 95 / 100) };
    let mut out = Vec::new();
    let mut round = None;
    for time in now..now + LEASE_OWN_MS {
        election.tick(time, &world(1..=3), &mut out);
        round = out
            .drain(..)
            .find_map(|outcome| match outcome {
                Outcome::Send(_, Message::Ask { round, .. }) => Some((time, round)),
                _ => None,
            })
            .or(round);
    }
    // The last of its questions is answered very late: that prolongs nothing beyond what was asked for.
    let (sent, round) = round.expect("it asks on");
    let version = election.electorate().version;
    election.receive(until - 1, key(2), Message::Granted { round, version }, &mut out);
    assert_eq!(election.leads_until(until - 1), Some(sent + LEASE_OWN_MS));
}

#[test]
fn without_votes_the_lease_ends() {
    let (mut election, now) = leader(&[2], 3);
    for time in now..=now + LEASE_OWN_MS {
        election.tick(time, &world(1..=3), &mut Vec::new());
    }
    assert_eq!(election.leads_until(now + LEASE_OWN_MS), None);
    assert_eq!(election.leader(now + LEASE_OWN_MS), None);
}

#[test]
fn voters_come_one_at_a_time_and_each_is_settled_first() {
    let (mut election, now) = leader(&[2], 3);
    let before = election.electorate().clone();
    assert_eq!(before.version, first_version(before.term), "a term begins with the same voters");
    let mut seen = vec![before];
    for time in (now..now + 3_000).step_by(10) {
        for asked in serve(&mut election, time, &[2, 3, 4, 5, 6], 1..=6) {
            if seen.last() != Some(&asked) {
                seen.push(asked);
            }
        }
    }
    assert_eq!(seen.last().unwrap().voters.len(), 6);
    for pair in seen.windows(2) {
        assert!(pair[1].version > pair[0].version);
        let changed = pair[0].voters.symmetric_difference(&pair[1].voters).count();
        assert!(changed <= 1, "{pair:?}");
    }
    // Nobody grants: the change that is on its way stays the only one.
    let last = election.electorate().version;
    for time in (now + 3_000..now + 5_000).step_by(10) {
        serve(&mut election, time, &[], 1..=9);
    }
    assert_eq!(election.electorate().version, last + 1);
}

#[test]
fn who_is_down_keeps_its_vote_for_a_while_and_loses_it_by_command() {
    let (mut election, mut now) = leader(&[2], 3);
    let pass = |election: &mut Election, now: &mut Millis, ms: Millis| {
        for _ in 0..ms / 50 {
            *now += 50;
            serve(election, *now, &[2], 1..=2);
        }
    };
    pass(&mut election, &mut now, 59_000);
    assert_eq!(election.electorate().voters.len(), 3);
    pass(&mut election, &mut now, 2_000);
    assert_eq!(election.electorate().voters.len(), 2);
    let (mut election, mut now) = leader(&[2], 3);
    election.forget(key(3));
    pass(&mut election, &mut now, 500);
    assert_eq!(election.electorate().voters.len(), 2);
}

#[test]
fn the_larger_lineage_wins_and_the_other_leader_ends_at_once() {
    let (mut election, now) = leader(&[2], 3);
    let small = Electorate { lineage: 1, ..electorate(first_version(1), 1, [8, 9]) };
    let told = answer(&mut election, now, 8, ask(1, small, true));
    assert!(matches!(told, Some(Message::Denied { electorate: Some(_), .. })));
    assert!(election.leads_until(now).is_some());
    let large = Electorate { lineage: 9, ..electorate(first_version(1), 1, 4..=9) };
    answer(&mut election, now, 8, ask(2, large, true));
    assert_eq!(election.leads_until(now), None);
    assert_eq!(election.electorate().lineage, 9);
}
