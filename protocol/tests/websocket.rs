//! Frames of clients, right and wrong (RFC 6455).

use uwsgi_protocol::websocket::{Event, Fault, Kind, Reader, code};

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame with these first two bytes (the mask bit is added) and a payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(&MASK);
    frame.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ MASK[at % 4]));
    frame
}

fn read(bytes: &[u8]) -> (Vec<Event>, Option<Fault>) {
    let mut reader = Reader::new(1 << 20);
    let (mut events, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        match reader.read(&bytes[at..]) {
            Ok((used, event)) => {
                at += used;
                events.extend(event);
            }
            Err(fault) => return (events, Some(fault)),
        }
    }
    (events, None)
}

fn text(text: &str) -> Event {
    Event::Message(Kind::Text, text.as_bytes().to_vec())
}

#[test]
fn examples_of_the_rfc() {
    // RFC 6455, 5.7: a masked text, and a ping.
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(&hello), (vec![text("Hello")], None));
    let ping = [0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(read(&ping), (vec![Event::Pong(b"Hello".to_vec())], None));
    let fragments = [frame(0x01, b"Hel"), frame(0x80, b"lo")].concat();
    assert_eq!(read(&fragments), (vec![text("Hello")], None));
    for length in [0, 125, 126, 256, 65_535, 65_536] {
        let bytes = vec![7; length];
        assert_eq!(
            read(&frame(0x82, &bytes)),
            (vec![Event::Message(Kind::Binary, bytes)], None),
            "{length} bytes"
        );
    }
}

#[test]
fn control_frames_may_come_between_fragments() {
    let bytes = [
        frame(0x01, "h€".as_bytes().split_at(2).0),
        frame(0x89, b"are you there"),
        frame(0x00, &"h€".as_bytes()[2..]),
        frame(0x80, b""),
        frame(0x88, b"\x03\xe8bye"),
    ]
    .concat();
    let expected = vec![
        Event::Ping(b"are you there".to_vec()),
        text("h€"),
        Event::Close(Some((code::NORMAL, "bye".to_owned()))),
    ];
    assert_eq!(read(&bytes), (expected, None));
}

#[test]
fn what_breaks_the_rules_is_refused() {
    let long_form = [&[0x82, 0x80 | 126, 0, 5][..], &MASK, b"12345"].concat();
    let longer_form = [&[0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0, 1, 0][..], &MASK].concat();
    let negative = [&[0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0][..], &MASK].concat();
    for (bytes, fault) in [
        (vec![0x81, 0x05, b'H'], Fault::Unmasked),
        (frame(0xc1, b"x"), Fault::Reserved),
        (frame(0x83, b"x"), Fault::Opcode(3)),
        (frame(0x8b, b"x"), Fault::Opcode(11)),
        (frame(0x09, b"x"), Fault::Control),
        (frame(0x89, &[b'x'; 126]), Fault::Control),
        (frame(0x80, b"x"), Fault::Order),
        ([frame(0x01, b"x"), frame(0x81, b"y")].concat(), Fault::Order),
        (long_form, Fault::Length),
        (longer_form, Fault::Length),
        (negative, Fault::Length),
        (frame(0x81, b"\xff"), Fault::Text),
        (frame(0x81, b"\xe2\x82"), Fault::Text),
        ([frame(0x01, b"\xe2\x82"), frame(0x80, b"x")].concat(), Fault::Text),
        (frame(0x88, b"\x03"), Fault::Code),
        (frame(0x88, b"\x03\xed"), Fault::Code),
        (frame(0x88, b"\x00\x01"), Fault::Code),
        (frame(0x88, b"\x03\xe8\xff"), Fault::Text),
    ] {
        assert_eq!(read(&bytes), (vec![], Some(fault)), "{bytes:x?}");
    }
    assert_eq!(Fault::Text.code(), code::BAD_TEXT);
    assert_eq!(Fault::Unmasked.code(), code::PROTOCOL_ERROR);
}

#[test]
fn a_bad_text_is_seen_before_its_end() {
    let mut reader = Reader::new(1 << 20);
    let whole = frame(0x01, b"ab\xffcdefgh");
    assert_eq!(reader.read(&whole[..8]), Ok((8, None)));
    assert_eq!(reader.read(&whole[8..9]), Err(Fault::Text));
}

#[test]
fn messages_have_a_limit_in_one_frame_or_in_many() {
    let mut reader = Reader::new(10);
    let exact = frame(0x82, &[0; 10]);
    assert!(matches!(reader.read(&exact), Ok((_, Some(_)))));
    let first = frame(0x02, &[0; 6]);
    assert_eq!(reader.read(&first), Ok((first.len(), None)));
    let second = frame(0x00, &[0; 5]);
    let fault = Fault::TooLarge { size: 11, max: 10 };
    assert_eq!(reader.read(&second[..2]), Err(fault), "before its bytes are here");
    assert_eq!(fault.code(), code::TOO_LARGE);
    assert_eq!(reader.read(b""), Err(fault), "it stays so");
}
