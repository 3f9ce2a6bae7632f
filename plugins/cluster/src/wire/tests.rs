use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn address() -> impl Strategy<Value = SocketAddr> {
    prop_oneof![
        any::<(u32, u16)>().prop_map(|(ip, port)| (Ipv4Addr::from(ip), port).into()),
        any::<(u128, u16)>().prop_map(|(ip, port)| (Ipv6Addr::from(ip), port).into()),
    ]
}

fn member() -> impl Strategy<Value = Member> {
    (address(), any::<(u64, u64)>()).prop_map(|(key, (life, epoch))| Member {
        key,
        life: Life(life),
        epoch,
    })
}

fn electorate() -> impl Strategy<Value = Electorate> {
    (any::<(u64, u64, u64)>(), vec(address(), 0..90)).prop_map(
        |((lineage, version, term), voters)| Electorate {
            lineage,
            version,
            term,
            voters: voters.into_iter().collect(),
        },
    )
}

fn load() -> impl Strategy<Value = Load> {
    any::<(u16, u32, u32, u32, u64)>().prop_map(|(workers, threads, busy, queue, requests)| Load {
        workers,
        threads,
        busy,
        queue,
        requests,
    })
}

fn about() -> impl Strategy<Value = Message> {
    let texts = ("\\PC{0,60}", "\\PC{0,60}", ".{0,16}");
    let numbers = any::<(u64, u64, u64, bool, bool, bool)>();
    (member(), texts, proptest::option::of(load()), numbers).prop_map(
        |(
            member,
            (hostname, address, version),
            load,
            (serial, config, hash, draining, observer, leaving),
        )| {
            let config = ConfigMark { version: config, hash };
            Message::About(About {
                member,
                serial,
                hostname,
                address,
                version,
                load,
                config,
                draining,
                observer,
                leaving,
            })
        },
    )
}

fn election() -> impl Strategy<Value = Message> {
    let ask = (any::<u64>(), electorate(), any::<bool>())
        .prop_map(|(round, electorate, leads)| Election::Ask { round, electorate, leads });
    let granted =
        any::<(u64, u64)>().prop_map(|(round, version)| Election::Granted { round, version });
    let denied =
        (any::<u64>(), proptest::option::of(address()), proptest::option::of(electorate()))
            .prop_map(|(round, promised, electorate)| Election::Denied {
                round,
                promised,
                electorate,
            });
    prop_oneof![ask, granted, denied].prop_map(Message::Election)
}

fn transfer() -> impl Strategy<Value = Message> {
    let kind = proptest::option::of(any::<u64>())
        .prop_map(|to| to.map_or(Blob::Request, |to| Blob::Reply(TransferId(to))));
    let chunk = (any::<(u64, u32, u32)>(), kind, vec(any::<u8>(), 0..=CHUNK_BYTES)).prop_map(
        |((transfer, number, total), kind, bytes)| Message::Chunk {
            transfer: TransferId(transfer),
            kind,
            number,
            total,
            bytes,
        },
    );
    let ack = any::<(u64, u32, u64)>().prop_map(|(transfer, next, later)| Message::ChunkAck {
        transfer: TransferId(transfer),
        next,
        later,
    });
    let refused = (any::<u64>(), ".{0,100}")
        .prop_map(|(transfer, why)| Message::ChunkRefused { transfer: TransferId(transfer), why });
    prop_oneof![chunk, ack, refused]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        (member(), any::<bool>()).prop_map(|(member, guest)| Message::Hello { member, guest }),
        (member(), vec(member(), 0..30))
            .prop_map(|(member, others)| Message::Welcome { member, others }),
        vec(any::<u8>(), 0..=GOSSIP_BYTES_MAX).prop_map(Message::Gossip),
        about(),
        election(),
        transfer(),
        ".{0,200}".prop_map(Message::Log),
        vec(any::<u8>(), 0..=PAYLOAD_BYTES_MAX).prop_map(Message::Payload),
    ]
}

proptest! {
    #[test]
    fn what_is_sent_arrives_and_nothing_less_or_more_does(message in message(), cut: prop::sample::Index) {
        let bytes = message.encode().unwrap();
        assert!(bytes.len() <= MESSAGE_BYTES_LARGEST);
        let large = matches!(message, Message::Payload(_) | Message::Election(_));
        assert!(large || bytes.len() <= MESSAGE_BYTES_MAX);
        assert_eq!(Message::decode(&bytes).as_ref(), Ok(&message));
        let short = &bytes[..cut.index(bytes.len())];
        assert_eq!(Message::decode(short), Err(WireError::Short));
        let mut long = bytes;
        long.push(0);
        let trailing = Message::decode(&long);
        assert!(matches!(trailing, Err(WireError::Trailing | WireError::TooLarge)), "{trailing:?}");
    }

    #[test]
    fn bytes_of_strangers_are_understood_as_what_would_be_sent(bytes in vec(any::<u8>(), 0..300), kind in 0_u8..14) {
        crate::fuzzing::message(&bytes);
        crate::fuzzing::message(&[&[VERSION, kind], &*bytes].concat());
    }

    #[test]
    fn a_changed_message_is_another_or_none(message in message(), at: prop::sample::Index, bit in 0_u8..8) {
        let mut bytes = message.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        crate::fuzzing::message(&bytes);
        assert_ne!(Message::decode(&bytes), Ok(message));
    }
}

fn voters(count: u32) -> Electorate {
    let voter = |n: u32| SocketAddr::from((Ipv4Addr::from(0xc000_0200 + n), 1717));
    Electorate { lineage: 1, version: 2, term: 3, voters: (0..count).map(voter).collect() }
}

#[test]
fn two_hundred_voters_fit_and_too_many_are_an_error() {
    let ask = |electorate: Electorate| {
        Message::Election(Election::Ask { round: 1, electorate, leads: false })
    };
    for count in [0, 1, 200, 300] {
        assert!(voters(count).fits());
        let message = ask(voters(count));
        assert_eq!(Message::decode(&message.encode().unwrap()), Ok(message));
    }
    assert!(ask(voters(150)).encode().unwrap().len() <= MESSAGE_BYTES_MAX);
    assert!(!voters(301).fits());
    assert_eq!(ask(voters(301)).encode(), Err(WireError::TooLarge));
}

#[test]
fn a_voter_is_named_once_and_in_order() {
    let message = Message::Election(Election::Ask { round: 1, electorate: voters(2), leads: true });
    let mut bytes = message.encode().unwrap();
    let first = 2 + 8 + 8 + 8 + 8 + 2;
    bytes.copy_within(first + 6..first + 12, first);
    assert_eq!(Message::decode(&bytes), Err(WireError::Field("order of voters")));
}

#[test]
fn what_is_for_people_is_cut_at_a_whole_character() {
    let line = "\u{1f600}".repeat(1_000);
    let bytes = Message::Log(line.clone()).encode().unwrap();
    assert!(bytes.len() <= MESSAGE_BYTES_MAX);
    let Ok(Message::Log(cut)) = Message::decode(&bytes) else { panic!("no line") };
    assert!(line.starts_with(&cut) && cut.len() == LOG_BYTES_MAX / 4 * 4);
    let refused = Message::ChunkRefused { transfer: TransferId(1), why: line };
    let bytes = refused.encode().unwrap();
    let Ok(Message::ChunkRefused { why, .. }) = Message::decode(&bytes) else {
        panic!("no reason")
    };
    assert_eq!(why.len(), WHY_BYTES_MAX);
}

#[test]
fn of_many_others_the_first_are_told() {
    let member =
        |n: u32| Member { key: (Ipv4Addr::from(n), 1).into(), life: Life(n.into()), epoch: 1 };
    let others: Vec<_> = (0..200).map(member).collect();
    let bytes = Message::Welcome { member: member(7), others: others.clone() }.encode().unwrap();
    assert!(bytes.len() <= MESSAGE_BYTES_MAX);
    let Ok(Message::Welcome { others: told, .. }) = Message::decode(&bytes) else { panic!() };
    assert_eq!(told, others[..48]);
}

#[test]
fn a_welcome_is_no_larger_than_one_that_is_sent() {
    let member = Member { key: (Ipv6Addr::LOCALHOST, 1).into(), life: Life(1), epoch: 1 };
    let encoded =
        |count| Message::Welcome { member, others: vec![member; count] }.encode().unwrap();
    let (most, one) = (encoded(99), encoded(0).len() - 4);
    let mut more = [&*most, &vec![0; one]].concat();
    let count = u16::from_le_bytes([more[2 + one], more[3 + one]]) + 1;
    more.copy_within(2..2 + one, most.len());
    more[2 + one..4 + one].copy_from_slice(&count.to_le_bytes());
    assert_eq!(Message::decode(&more), Err(WireError::TooLarge));
    assert!(Message::decode(&most).is_ok());
}

#[test]
fn what_may_not_be_cut_is_an_error_where_it_is_too_long() {
    for message in [
        Message::Payload(vec![0; PAYLOAD_BYTES_MAX + 1]),
        Message::Payload(vec![0; 70_000]),
        Message::Gossip(vec![0; GOSSIP_BYTES_MAX + 1]),
        Message::Chunk {
            transfer: TransferId(1),
            kind: Blob::Request,
            number: 0,
            total: 1,
            bytes: vec![0; CHUNK_BYTES + 1],
        },
    ] {
        assert_eq!(message.encode(), Err(WireError::TooLarge));
    }
}

#[test]
fn faults_are_told_apart() {
    assert_eq!(Message::decode(&[]), Err(WireError::Short));
    assert_eq!(Message::decode(&[9, 1]), Err(WireError::Version(9)));
    assert_eq!(Message::decode(&[VERSION, 99]), Err(WireError::Kind(99)));
    assert_eq!(Message::decode(&vec![VERSION; 1_957]), Err(WireError::TooLarge));
    let ask = [&[VERSION, 5][..], &[0; 32], &301_u16.to_le_bytes()].concat();
    let voters: Vec<u8> = (0..301_u16)
        .flat_map(|port| [[0; 4].to_vec(), port.to_le_bytes().to_vec()].concat())
        .collect();
    assert_eq!(Message::decode(&[&*ask, &voters, &[0; 3]].concat()), Err(WireError::TooLarge));
    let member = Member { key: (Ipv4Addr::LOCALHOST, 1).into(), life: Life(1), epoch: 1 };
    let text = String::new;
    let about = Message::About(About {
        member,
        serial: 1,
        hostname: text(),
        address: text(),
        version: text(),
        load: None,
        config: ConfigMark::default(),
        draining: true,
        observer: false,
        leaving: false,
    });
    let mut bytes = about.encode().unwrap();
    *bytes.last_mut().unwrap() |= 16;
    assert_eq!(Message::decode(&bytes), Err(WireError::Field("flags")));
    let not_utf8 = [VERSION, 11, 1, 0, 0xff];
    assert_eq!(Message::decode(&not_utf8), Err(WireError::Field("text")));
}

#[test]
fn names_move_no_cursor_and_begin_no_line() {
    let member = Member { key: (Ipv4Addr::LOCALHOST, 1).into(), life: Life(1), epoch: 1 };
    let about = About {
        member,
        serial: 1,
        hostname: "a\nb\u{1b}[31mé".to_owned(),
        address: "\r:3031".to_owned(),
        version: String::new(),
        load: None,
        config: ConfigMark::default(),
        draining: false,
        observer: false,
        leaving: false,
    };
    let Ok(Message::About(told)) =
        Message::decode(&Message::About(about).encode().expect("it fits"))
    else {
        panic!("it is not understood")
    };
    assert_eq!((&*told.hostname, &*told.address), ("a\u{fffd}b\u{fffd}[31mé", "\u{fffd}:3031"));
}

#[test]
fn questions_and_answers_survive_their_blobs() {
    let options = vec![("socket".to_owned(), "192.0.2.*:3031".to_owned())];
    for request in [
        Request::View,
        Request::Drain(true),
        Request::Apply { roll: 3, config: Some((4, options.clone())), undo: false },
        Request::Roll { config: None, parallel: 2 },
        Request::Forget(([192, 0, 2, 1], 1717).into()),
    ] {
        assert_eq!(Request::from_bytes(&request.to_bytes()), Ok(request));
    }
    for reply in [
        Reply::Done,
        Reply::View(uwsgi_plugin_api::cluster::ClusterView::default()),
        Reply::Config { version: 1, options },
        Reply::Progress(Progress { lines: vec!["a".into()], outcome: Some(Ok(())) }),
        Reply::Progress(Progress { lines: vec![], outcome: Some(Err("broken".into())) }),
        Reply::Log { lines: vec![(1, 2, "x".into())] },
    ] {
        assert_eq!(Reply::from_bytes(&reply.to_bytes()), Ok(reply));
    }
    assert!(matches!(Request::from_bytes(b"{"), Err(WireError::Json(_))));
}
