use super::*;

fn key(number: u8) -> NodeKey {
    ([192, 0, 2, number], 1717).into()
}

fn roll(version: Option<u64>, parallel: u16) -> Roll {
    let order = (1..=4).map(|number| (key(number), format!("n{number}"))).collect();
    Roll::new(RollId(1), version, parallel, order)
}

fn fleet(told: Millis) -> Fleet {
    let standing = Standing { life: Life(1), alive: true, ready: true, version: 1, told };
    (1..=4).map(|number| (key(number), standing)).collect()
}

/// Ticks, and tells who was told: `+1` or `-1`.
fn told(roll: &mut Roll, now: Millis, fleet: &Fleet) -> Vec<String> {
    let mut out = Vec::new();
    roll.tick(now, fleet, &mut out);
    let number = |order: &Order| fleet.keys().position(|key| *key == order.to).unwrap() + 1;
    out.iter()
        .map(|order| format!("{}{}", if order.undo { '-' } else { '+' }, number(order)))
        .collect()
}

fn becomes(fleet: &mut Fleet, number: u8, version: u64, at: Millis) {
    let standing = fleet.get_mut(&key(number)).unwrap();
    (standing.version, standing.told) = (version, at);
}

#[test]
fn one_after_the_other_and_each_has_to_show_itself() {
    let (mut roll, mut fleet) = (roll(Some(9), 1), fleet(0));
    for number in 1..=4 {
        assert_eq!(told(&mut roll, 10, &fleet), [format!("+{number}")]);
        roll.answered(20, key(number), false, Ok(()));
        assert!(told(&mut roll, 20, &fleet).is_empty(), "the old one is ready, not the new one");
        becomes(&mut fleet, number, 9, 30);
    }
    assert!(told(&mut roll, 40, &fleet).is_empty());
    assert_eq!(roll.progress().outcome, Some(Ok(())));
}

#[test]
fn the_first_failure_takes_all_back_and_the_last_comes_first() {
    let (mut roll, mut fleet) = (roll(Some(9), 1), fleet(0));
    for number in 1..=2 {
        told(&mut roll, 10, &fleet);
        roll.answered(20, key(number), false, Ok(()));
        becomes(&mut fleet, number, 9, 30);
    }
    assert_eq!(told(&mut roll, 40, &fleet), ["+3"]);
    roll.answered(50, key(3), false, Err("no module".into()));
    assert_eq!(told(&mut roll, 60, &fleet), ["-2"]);
    assert!(told(&mut roll, 70, &fleet).is_empty());
    roll.answered(80, key(2), true, Ok(()));
    assert_eq!(told(&mut roll, 90, &fleet), ["-1"]);
    roll.answered(95, key(1), true, Ok(()));
    told(&mut roll, 99, &fleet);
    let why = "n3: failed, no module; all nodes have what they had before";
    assert_eq!(roll.progress().outcome, Some(Err(why.into())));
}

#[test]
fn those_on_their_way_are_waited_for() {
    let (mut roll, mut fleet) = (roll(Some(9), 3), fleet(0));
    assert_eq!(told(&mut roll, 10, &fleet), ["+1", "+2", "+3"]);
    roll.answered(20, key(1), false, Err("no".into()));
    roll.answered(20, key(2), false, Ok(()));
    becomes(&mut fleet, 2, 9, 30);
    assert!(told(&mut roll, 30, &fleet).is_empty());
    fleet.get_mut(&key(3)).unwrap().alive = false;
    assert!(told(&mut roll, 40, &fleet).is_empty(), "it may come back");
    fleet.get_mut(&key(3)).unwrap().alive = true;
    assert_eq!(told(&mut roll, 50, &fleet), ["-3"], "nobody knows what it has");
    fleet.get_mut(&key(3)).unwrap().alive = false;
    assert_eq!(told(&mut roll, 50 + BACK_MS_MAX, &fleet), ["-2"]);
    roll.answered(99_000, key(2), true, Ok(()));
    told(&mut roll, 99_000, &fleet);
    let why = "n1: failed, no; not taken back: n3";
    assert_eq!(roll.progress().outcome, Some(Err(why.into())));
}

#[test]
fn a_reload_has_nothing_to_go_back_to_and_who_is_down_is_left_out() {
    let (mut roll, mut fleet) = (roll(None, 1), fleet(0));
    fleet.get_mut(&key(1)).unwrap().alive = false;
    assert_eq!(told(&mut roll, 10, &fleet), ["+2"]);
    roll.answered(20, key(2), false, Ok(()));
    becomes(&mut fleet, 2, 1, 30);
    assert_eq!(told(&mut roll, 40, &fleet), ["+3"]);
    assert!(told(&mut roll, 40 + APPLY_MS_MAX, &fleet).is_empty());
    assert_eq!(roll.progress().outcome, Some(Err("n3: failed, no answer within 120 s".into())));
    assert!(roll.progress().lines.contains(&"n1: left out, it is down".to_owned()));
}

#[test]
fn late_answers_and_strangers_change_nothing_and_a_lost_lead_ends_it_with_a_word() {
    let (mut roll, fleet) = (roll(Some(9), 1), fleet(0));
    told(&mut roll, 10, &fleet);
    roll.answered(20, key(9), false, Ok(()));
    roll.answered(20, key(2), false, Err("not asked".into()));
    assert!(told(&mut roll, 30, &fleet).is_empty());
    assert!(!roll.is_over());
    roll.abandon("another node leads");
    assert!(told(&mut roll, 40, &fleet).is_empty());
    let why = "another node leads; nodes keep what they have";
    assert_eq!(roll.progress().outcome, Some(Err(why.into())));
}

#[test]
fn a_node_whose_process_is_replaced_will_never_answer() {
    let (mut roll, mut fleet) = (roll(Some(9), 1), fleet(0));
    assert_eq!(told(&mut roll, 10, &fleet), ["+1"]);
    fleet.get_mut(&key(1)).unwrap().life = Life(2);
    // Its instance may have the change all the same.
    assert_eq!(told(&mut roll, 30, &fleet), ["-1"]);
    roll.answered(40, key(1), true, Ok(()));
    told(&mut roll, 50, &fleet);
    let outcome = roll.progress().outcome.clone().unwrap().unwrap_err();
    assert!(outcome.contains("its process was replaced"), "{outcome}");
}
