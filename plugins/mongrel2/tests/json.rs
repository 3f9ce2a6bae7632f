//! Headers and notices in JSON: every captured message with them, and what Mongrel2 could write.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used)] // panicking is how a test fails

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Vector, latin1, requests};
use uwsgi_plugin_mongrel2::json::{self, BYTES_MAX, DEPTH_MAX, JsonError, Notice};
use uwsgi_protocol::mongrel2::{Headers, Message};

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

fn headers(text: &[u8]) -> Result<Pairs, JsonError> {
    let mut pairs = Pairs::new();
    json::headers(text, &mut |name, value| pairs.push((name.to_vec(), value.to_vec())))?;
    Ok(pairs)
}

/// The one header of a text.
fn value(text: &[u8]) -> Vec<u8> {
    let pairs = headers(text).unwrap();
    let [(_, value)] = &pairs[..] else { panic!("{pairs:?}") };
    value.clone()
}

/// What a vector expects in another way, with what is read instead.
const OTHERWISE: [(&str, &str); 2] = [
    // Numbers are their text, as they were for the original.
    ("bad_json_number_value", r#"{"ok": [["a", "1"]]}"#),
    // Both are expected, and that the last one wins; a parser's object has only that one.
    ("json_dup_key", "last of each name"),
];

#[test]
fn headers_of_all_vectors() {
    let mut failures = Vec::new();
    let mut seen = 0;
    for vector in requests() {
        let Ok(Message { headers: Headers::Json(text), .. }) = vector.message() else { continue };
        seen += 1;
        let got = match headers(text) {
            Ok(pairs) => {
                json!({"ok": pairs.iter().map(|(name, value)| [latin1(name), latin1(value)]).collect::<Vec<_>>()})
            }
            Err(error) => json!({"error": error.reject().reason}),
        };
        let want = match OTHERWISE.iter().find(|(name, _)| vector.json["name"] == *name) {
            Some((_, "last of each name")) => last_of_each(expected(&vector)),
            Some((_, instead)) => serde_json::from_str(instead).unwrap(),
            None => expected(&vector),
        };
        if got != want {
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.json["id"]));
        }
        // One has spaces at its end.
        if let Some(end) =
            (0..text.trim_ascii_end().len()).find(|end| headers(&text[..*end]).is_ok())
        {
            failures.push(format!("{} is complete after {end} bytes", vector.json["id"]));
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    assert_eq!(seen, 109);
}

/// The expected headers, each value of a list apart, or the error.
fn expected(vector: &Vector) -> Value {
    let expect = &vector.json["expect"];
    let Some(headers) = expect["ok"]["headers"].as_array() else { return expect.clone() };
    let one_by_one = headers.iter().flat_map(|header| match &header[1] {
        Value::Array(values) => values.iter().map(|value| json!([header[0], value])).collect(),
        _ => vec![header.clone()],
    });
    json!({"ok": one_by_one.collect::<Vec<_>>()})
}

/// The last value of each name, at the place of the first.
fn last_of_each(want: Value) -> Value {
    let mut pairs: Vec<Value> = Vec::new();
    for pair in want["ok"].as_array().unwrap() {
        match pairs.iter_mut().find(|known| known[0] == pair[0]) {
            Some(known) => *known = pair.clone(),
            None => pairs.push(pair.clone()),
        }
    }
    json!({"ok": pairs})
}

#[test]
fn notices_of_all_vectors() {
    let mut seen = [0; 3];
    for vector in requests() {
        let Ok(Message { path: b"@*", body, .. }) = vector.message() else { continue };
        let notice = json::notice_type(body);
        match vector.json["expect"]["ok"]["message_type"].as_str().unwrap() {
            "disconnect" => {
                seen[0] += 1;
                assert_eq!(notice, Ok(Notice::Disconnect));
            }
            "credits" => {
                seen[1] += 1;
                assert_eq!(notice, Ok(Notice::Credits(None)));
            }
            // One says something else, the other nothing that can be read.
            "control" => {
                seen[2] += 1;
                assert!(matches!(notice, Ok(Notice::Other) | Err(JsonError::Malformed(_))));
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(seen, [8, 1, 2]);
}

#[test]
fn notices_are_read_however_they_are_written() {
    let notice = |body: &str| json::notice_type(body.as_bytes());
    assert_eq!(notice(r#" {"id": [1], "type": "disconnect"} "#), Ok(Notice::Disconnect));
    assert_eq!(notice(r#"{"credits":4096,"type":"credits"}"#), Ok(Notice::Credits(Some(4096))));
    assert_eq!(notice(r#"{"type":"credits","credits":-1}"#), Ok(Notice::Credits(None)));
    assert_eq!(notice(r#"{"type":["disconnect"]}"#), Ok(Notice::Other));
    assert_eq!(notice(r#"["disconnect"]"#), Err(JsonError::NotObject));
    assert!(matches!(notice(r#"{"type":"disconnect"}x"#), Err(JsonError::Malformed(_))));
}

#[test]
fn scalars_are_their_text() {
    assert_eq!(value(br#"{"a":-12}"#), b"-12");
    assert_eq!(value(br#"{"a":1.5}"#), b"1.5");
    assert_eq!(value(br#"{"a":true}"#), b"true");
    for refused in [&br#"{"a":null}"#[..], br#"{"a":{}}"#, br#"{"a":[1]}"#, br#"{"a":[["b"]]}"#] {
        assert_eq!(headers(refused), Err(JsonError::BadValue), "{}", latin1(refused));
    }
    assert_eq!(headers(br#"{"a":[]}"#), Ok(vec![]));
}

#[test]
fn bytes_come_out_as_they_were() {
    assert_eq!(
        value(b"{\"a\":\"\t\x01\x7f\x80\xff\xc3\xa9\r\n\"}"),
        b"\t\x01\x7f\x80\xff\xc3\xa9\r\n"
    );
    assert_eq!(value(br#"{"a":"\"\\\u00e9\/\n"}"#), b"\"\\\xe9/\n");
    assert_eq!(value(br#"{"a":"x\\"}"#), br"x\");
    assert_eq!(headers(b"{\"\xe9\":\"\"}"), Ok(vec![(b"\xe9".to_vec(), Vec::new())]));
    assert_eq!(headers(br#"{"a":"\u20ac"}"#), Err(JsonError::NotByte));
    assert_eq!(headers(br#"{"\u0100":""}"#), Err(JsonError::NotByte));
}

#[test]
fn what_could_hurt_is_told_clearly() {
    let error = |text: &[u8]| headers(text).unwrap_err();
    assert_eq!(error(b"{\"a\":\"b\0c\"}"), JsonError::Nul);
    assert_eq!(error(b"{\"a\":\"b\"}\0"), JsonError::Nul);
    assert_eq!(error(br#"{"a":"\u0000"}"#), JsonError::Nul);
    assert_eq!(error(br#"{"\u0000":"a"}"#), JsonError::Nul);
    assert_eq!(error(&vec![b'['; 1 << 20]), JsonError::TooDeep);
    assert_eq!(error(&"{\"a\":".repeat(DEPTH_MAX + 1).into_bytes()), JsonError::TooDeep);
    let as_deep = [vec![b'['; DEPTH_MAX], vec![b']'; DEPTH_MAX]].concat();
    assert_eq!(error(&as_deep), JsonError::NotObject);
    // Brackets in a string are text.
    assert_eq!(value(format!("{{\"a\":\"{}\"}}", "[".repeat(99)).as_bytes()), [b'['; 99]);
    let long = |bytes: usize| [&b"{\"a\":\""[..], &vec![b'\xff'; bytes - 8], b"\"}"].concat();
    assert_eq!(value(&long(BYTES_MAX)), vec![b'\xff'; BYTES_MAX - 8]);
    assert_eq!(error(&long(BYTES_MAX + 1)), JsonError::TooLarge);
    // A TAB behind a backslash must not become an escaped backslash and text.
    for text in [
        &b"{\"a\":\"\\\t\"}"[..],
        b"{\"a\":\"\\\xe9\"}",
        b"{\"a\":\"\\x\"}",
        b"{\"a\":\"\\ud800\"}",
        b"\xe9{}",
        b"{}\xe9",
        b"",
    ] {
        assert!(matches!(error(text), JsonError::Malformed(_)), "{}", latin1(text));
    }
    // The client's own text is not quoted.
    let told = error(b"{\"a\":\"b\" near \"secret\"}").to_string();
    assert!(told.starts_with("malformed JSON: ") && !told.contains("secret"), "{told}");
}

/// As Mongrel2 does: only `"` and `\` are escaped.
fn written(pairs: &Pairs) -> Vec<u8> {
    let quoted = |text: &Vec<u8>| {
        let escaped = text.iter().flat_map(|byte| match byte {
            b'"' | b'\\' => vec![b'\\', *byte],
            _ => vec![*byte],
        });
        [vec![b'"'], escaped.collect(), vec![b'"']].concat()
    };
    let members = pairs.iter().map(|(name, value)| [quoted(name), quoted(value)].join(&b':'));
    [vec![b'{'], members.collect::<Vec<_>>().join(&b','), vec![b'}']].concat()
}

/// Texts of bytes that a client can send: any but NUL.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => prop::sample::select(b"\"\\u0 \t\xc3\xa9[{".to_vec()), 1 => 1_u8..];
    prop::collection::vec(byte, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn what_mongrel2_writes_is_read_as_it_was(
        pairs in prop::collection::btree_map(text(), text(), 0..6),
    ) {
        let pairs: Pairs = pairs.into_iter().collect();
        prop_assert_eq!(headers(&written(&pairs)), Ok(pairs));
    }

    #[test]
    fn garbage_is_survived(
        pieces in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![&b"{"[..], b"}", b"[", b"]", b"\"", b",", b":", b"\"a\":", b"\\", b"1e9", b"null", b"\xff", b"\0", b"\\ud83d", b"\t"]).prop_map(<[u8]>::to_vec),
            any::<Vec<u8>>(),
        ], 0..12),
    ) {
        let text = pieces.concat();
        let _ = headers(&text);
        let _ = json::notice_type(&text);
    }
}
