use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::id::Life;

/// Two nodes, and datagrams that are lost, late and doubled between them.
struct Network {
    now: Millis,
    nodes: [Transfers; 2],
    /// By the time of arrival and a number.
    way: BTreeMap<(Millis, u64), (usize, Message)>,
    number: u64,
    chance: u64,
    /// Of 100 datagrams.
    lost: u64,
    doubled: u64,
    delay_ms_max: Millis,
    arrived: Vec<Arrived>,
    ended: Vec<Ended>,
    chunks: usize,
}

fn peer(node: usize) -> Peer {
    let port = 1_000 + u16::try_from(node).unwrap();
    Peer { key: ([192, 0, 2, 1], port).into(), life: Some(Life(node as u64 + 1)) }
}

impl Network {
    fn new(seed: u64, lost: u64, doubled: u64, delay_ms_max: Millis) -> Self {
        Self {
            now: 5_000,
            nodes: [Transfers::new(seed), Transfers::new(seed)],
            way: BTreeMap::new(),
            number: 0,
            chance: seed,
            lost,
            doubled,
            delay_ms_max,
            arrived: Vec::new(),
            ended: Vec::new(),
            chunks: 0,
        }
    }

    /// splitmix64
    fn below(&mut self, end: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.chance;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn send(&mut self, out: Vec<(Peer, Message)>) {
        for (to, message) in out {
            self.chunks += usize::from(matches!(message, Message::Chunk { .. }));
            let to = usize::from(to == peer(1));
            let copies = 1 + u64::from(self.below(100) < self.doubled);
            for _ in 0..copies {
                if self.below(100) >= self.lost {
                    let at = self.now + self.below(self.delay_ms_max + 1);
                    self.way.insert((at, self.number), (to, message.clone()));
                    self.number += 1;
                }
            }
        }
    }

    /// The next thing that happens; `false` where nothing will.
    fn step(&mut self) -> bool {
        let arrival = self.way.first_key_value().map(|((at, _), _)| *at);
        let wake = self.nodes.iter().filter_map(Transfers::next_wake).min();
        let mut out = Vec::new();
        let Some(next) = arrival.into_iter().chain(wake).min() else { return false };
        self.now = self.now.max(next);
        if arrival.is_some_and(|at| at <= self.now) {
            let (_, (to, message)) = self.way.pop_first().unwrap();
            let bytes = message.encode().unwrap();
            let message = Message::decode(&bytes).unwrap();
            let from = peer(1 - to);
            self.arrived.extend(self.nodes[to].receive(self.now, from, &message, &mut out));
        } else {
            for node in &mut self.nodes {
                self.ended.extend(node.tick(self.now, &mut out));
            }
        }
        self.send(out);
        true
    }

    /// Until nothing is left to do.
    fn run(&mut self) {
        for _ in 0..2_000_000 {
            if !self.step() {
                return;
            }
        }
        panic!("it comes to no end");
    }

    fn start(&mut self, from: usize, kind: Blob, bytes: &[u8]) -> TransferId {
        self.nodes[from].start(self.now, peer(1 - from), kind, bytes.to_vec())
    }
}

fn blob(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at / CHUNK_BYTES * 31 + at) as u8).collect()
}

#[test]
fn blobs_of_every_length_arrive_in_whole() {
    for len in [0, 1, 1_023, 1_024, 1_025, 16 * 1_024, 17 * 1_024 + 1, 70 * 1_024] {
        let mut network = Network::new(1, 0, 0, 0);
        let transfer = network.start(0, Blob::Reply(TransferId(7)), &blob(len));
        network.run();
        let kind = Blob::Reply(TransferId(7));
        assert_eq!(network.arrived, [Arrived { from: peer(0), transfer, kind, bytes: blob(len) }]);
        assert_eq!(network.ended, [Ended { transfer, to: peer(1), result: Ok(()) }]);
        assert_eq!(network.chunks, chunks(len) as usize, "nothing is sent twice");
    }
}

#[test]
fn four_mebibytes_arrive_where_one_of_ten_is_lost() {
    let mut network = Network::new(2, 10, 5, 3);
    let bytes = blob(BLOB_BYTES_MAX);
    network.start(0, Blob::Request, &bytes);
    network.run();
    assert_eq!(network.arrived.len(), 1);
    assert!(network.arrived[0].bytes == bytes);
    assert_eq!(network.ended[0].result, Ok(()));
    assert!(network.chunks < 2 * 4_096, "{} of 4,096", network.chunks);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_the_network_does_each_arrives_once_and_its_sender_knows(
        seed: u64,
        lost in 0_u64..30,
        doubled in 0_u64..50,
        delay in 0_u64..400,
        lens in prop::collection::vec((0_usize..2, 0_usize..60_000), 1..8),
    ) {
        let mut network = Network::new(seed, lost, doubled, delay);
        let mut sent = Vec::new();
        for (from, len) in lens {
            let transfer = network.start(from, Blob::Request, &blob(len));
            sent.push((peer(from), transfer, blob(len)));
        }
        network.run();
        prop_assert_eq!(network.ended.len(), sent.len());
        prop_assert!(network.ended.iter().all(|ended| ended.result == Ok(())), "{:?}", network.ended);
        prop_assert_eq!(network.arrived.len(), sent.len());
        for (from, transfer, bytes) in sent {
            let found = network.arrived.iter().find(|arrived| {
                arrived.from == from && arrived.transfer == transfer
            });
            prop_assert!(found.is_some_and(|arrived| arrived.bytes == bytes));
        }
    }
}

#[test]
fn a_silent_receiver_is_given_up_after_ten_seconds() {
    let mut network = Network::new(4, 100, 0, 0);
    network.start(0, Blob::Request, &blob(5_000));
    network.run();
    assert_eq!(network.ended[0].result, Err(TransferError::Silent));
    assert_eq!(network.now, 15_000);
    // 200, 400, 800 and then every 1,000 ms, five parts each
    assert!((50..=70).contains(&network.chunks), "{}", network.chunks);
}

/// A node that has begun to send a blob of 40 parts, and the first 16 of them.
fn begun() -> (Transfers, TransferId, Vec<(Peer, Message)>) {
    let (mut node, mut out) = (Transfers::new(1), Vec::new());
    let transfer = node.start(0, peer(1), Blob::Request, blob(40 * CHUNK_BYTES));
    node.tick(0, &mut out);
    assert_eq!(numbers(&out), (0..16).collect::<Vec<_>>());
    (node, transfer, out)
}

fn numbers(out: &[(Peer, Message)]) -> Vec<u32> {
    let number = |(_, message): &(Peer, Message)| match message {
        Message::Chunk { number, .. } => Some(*number),
        _ => None,
    };
    out.iter().filter_map(number).collect()
}

const NONE: [u32; 0] = [];

/// What is sent for an answer.
fn sent_for(node: &mut Transfers, now: Millis, answer: (TransferId, u32, u64)) -> Vec<u32> {
    let (transfer, next, later) = answer;
    let mut out = Vec::new();
    node.receive(now, peer(1), &Message::ChunkAck { transfer, next, later }, &mut out);
    numbers(&out)
}

#[test]
fn nobody_has_what_was_not_sent() {
    let (mut node, transfer, _) = begun();
    for next in [17, 40, 41, u32::MAX] {
        assert_eq!(sent_for(&mut node, 1, (transfer, next, 0)), NONE);
    }
    assert_eq!(sent_for(&mut node, 1, (transfer, 0, u64::MAX << 15)), NONE);
    assert!(node.tick(1, &mut Vec::new()).is_empty());
    assert_eq!(sent_for(&mut node, 2, (transfer, 16, 0)), (16..32).collect::<Vec<_>>());
    assert_eq!(sent_for(&mut node, 3, (transfer, 2, 0)), NONE, "an old answer");
}

#[test]
fn what_others_overtake_is_sent_again_at_once_and_once() {
    let (mut node, transfer, _) = begun();
    assert_eq!(sent_for(&mut node, 1, (transfer, 0, 0b011)), NONE);
    assert_eq!(sent_for(&mut node, 2, (transfer, 0, 0b111)), [0]);
    assert_eq!(sent_for(&mut node, 3, (transfer, 0, 0b1111)), NONE);
    assert_eq!(sent_for(&mut node, 4, (transfer, 5, 0)), [16, 17, 18, 19, 20]);
}

#[test]
fn it_is_waited_longer_and_longer_until_there_is_an_answer() {
    let (mut node, transfer, mut out) = begun();
    let mut times = Vec::new();
    while times.len() < 5 {
        let now = node.next_wake().unwrap();
        out.clear();
        node.tick(now, &mut out);
        assert_eq!(numbers(&out), (0..16).collect::<Vec<_>>());
        times.push(now);
    }
    assert_eq!(times, [200, 600, 1_400, 2_400, 3_400]);
    assert_eq!(sent_for(&mut node, 3_500, (transfer, 15, 0)).len(), 15);
    assert_eq!(node.next_wake(), Some(3_600), "part 15 is from 3,400");
}

#[test]
fn parts_may_come_64_ahead_and_no_further() {
    let mut node = Transfers::new(1);
    let mut ack = |number| {
        let answer = answer(&mut node, 0, peer(1), &chunk(1, number, 80 * CHUNK_BYTES));
        let Message::ChunkAck { next, later, .. } = answer else { panic!("{answer:?}") };
        (next, later)
    };
    assert_eq!(ack(65), (0, 0));
    assert_eq!(ack(64), (0, 1 << 63));
    assert_eq!(ack(1), (0, 1 << 63 | 1));
    assert_eq!(ack(0), (2, 1 << 61));
    for number in 2..63 {
        ack(number);
    }
    assert_eq!(ack(63), (65, 0));
}

fn chunk(transfer: u64, number: u32, total: usize) -> Message {
    let bytes = blob(total)[range(number, total)].to_vec();
    let total = u32::try_from(total).unwrap();
    Message::Chunk { transfer: TransferId(transfer), kind: Blob::Request, number, total, bytes }
}

fn answer(node: &mut Transfers, now: Millis, from: Peer, message: &Message) -> Message {
    let mut out = Vec::new();
    node.receive(now, from, message, &mut out);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].0, from);
    out.remove(0).1
}

fn refusal(message: &Message) -> Option<&str> {
    match message {
        Message::ChunkRefused { why, .. } => Some(why),
        _ => None,
    }
}

#[test]
fn a_receiver_takes_so_much_at_a_time_and_forgets() {
    let mut node = Transfers::new(1);
    for transfer in 0..4 {
        assert_eq!(refusal(&answer(&mut node, 0, peer(1), &chunk(transfer, 0, 2_000))), None);
    }
    let fifth = chunk(4, 0, 2_000);
    let why = "too many transfers at a time";
    assert_eq!(refusal(&answer(&mut node, 0, peer(1), &fifth)), Some(why));
    assert_eq!(refusal(&answer(&mut node, 0, peer(1), &chunk(5, 0, 9))), None, "one part");
    for node_number in 2..5 {
        let big = chunk(0, 0, BLOB_BYTES_MAX);
        assert_eq!(refusal(&answer(&mut node, 0, peer(node_number), &big)), None);
    }
    let big = chunk(0, 0, BLOB_BYTES_MAX);
    assert_eq!(refusal(&answer(&mut node, 0, peer(6), &big)), Some(why), "16 MiB in all");
    for node_number in 7..64 {
        let next = chunk(0, 0, 2_000);
        assert_eq!(refusal(&answer(&mut node, 0, peer(node_number), &next)), None);
    }
    assert_eq!(refusal(&answer(&mut node, 0, peer(64), &chunk(0, 0, 2_000))), Some(why), "64");
    assert_eq!(node.next_wake(), Some(UNFINISHED_MS_MAX));
    node.tick(UNFINISHED_MS_MAX, &mut Vec::new());
    assert_eq!(node.next_wake(), None);
    assert_eq!(refusal(&answer(&mut node, UNFINISHED_MS_MAX, peer(1), &fifth)), None);
}

#[test]
fn parts_that_are_none_are_refused() {
    let mut node = Transfers::new(1);
    answer(&mut node, 0, peer(1), &chunk(1, 0, 2_000));
    let Message::Chunk { transfer, kind, bytes, .. } = chunk(1, 0, 3_000) else { panic!() };
    let part =
        |number, total| Message::Chunk { transfer, kind, number, total, bytes: bytes.clone() };
    for (message, why) in [
        (part(0, 3_000), "another blob has this number"),
        (part(1, 2_000), "a part that the blob has not"),
        (part(2, 2_000), "a part that the blob has not"),
        (part(u32::MAX, u32::MAX), "a part that the blob has not"),
    ] {
        assert_eq!(refusal(&answer(&mut node, 0, peer(1), &message)), Some(why));
    }
    let huge = part(0, u32::MAX);
    let huge = answer(&mut node, 0, peer(2), &huge);
    assert_eq!(refusal(&huge), Some("the blob is too large"));
}

#[test]
fn a_late_part_of_a_finished_blob_is_acknowledged_and_not_delivered() {
    let mut node = Transfers::new(1);
    let mut out = Vec::new();
    let only = chunk(1, 0, 10);
    assert!(node.receive(0, peer(1), &only, &mut out).is_some());
    let ack = Message::ChunkAck { transfer: TransferId(1), next: 1, later: 0 };
    assert_eq!(answer(&mut node, FINISHED_MS - 1, peer(1), &only), ack);
    let other_life = Peer { life: Some(Life(77)), ..peer(1) };
    assert!(node.receive(0, other_life, &only, &mut out).is_some(), "it numbers anew");
    node.tick(FINISHED_MS, &mut out);
    assert!(node.receive(FINISHED_MS, peer(1), &only, &mut out).is_some(), "it was forgotten");
}

#[test]
fn a_sender_has_limits_and_hears_of_refusals() {
    let mut node = Transfers::new(1);
    let mut out = Vec::new();
    node.start(0, peer(1), Blob::Request, vec![0; BLOB_BYTES_MAX + 1]);
    assert_eq!(node.next_wake(), Some(0));
    assert_eq!(node.tick(0, &mut out)[0].result, Err(TransferError::TooLarge));
    let ids: Vec<_> =
        (0..=OUTGOING_MAX).map(|_| node.start(0, peer(1), Blob::Request, vec![])).collect();
    let ended = node.tick(0, &mut out);
    assert_eq!(ended[0].result, Err(TransferError::Full));
    assert_eq!(ended[0].transfer, ids[OUTGOING_MAX]);
    assert_eq!(out.len(), PEER_MAX, "so many at a time, the others wait");
    let refused = Message::ChunkRefused { transfer: ids[0], why: "no".into() };
    node.receive(1, peer(2), &refused, &mut out);
    let done = Message::ChunkAck { transfer: ids[0], next: 1, later: 0 };
    node.receive(1, peer(2), &done, &mut out);
    node.receive(1, Peer { life: Some(Life(99)), ..peer(1) }, &done, &mut out);
    assert!(node.tick(1, &mut out).is_empty(), "another has nothing to say about it");
    node.receive(1, peer(1), &refused, &mut out);
    assert_eq!(node.next_wake(), Some(1));
    assert_eq!(node.tick(1, &mut out)[0].result, Err(TransferError::Refused("no".into())));
    assert_eq!(out.len(), PEER_MAX + 1, "the next one has its turn");
}
