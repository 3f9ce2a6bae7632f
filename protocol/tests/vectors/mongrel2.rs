//! Vectors of Mongrel2: messages, replies, the control port, tnetstrings. ZeroMQ gives whole messages, so that
//! every beginning of one has to be refused.

use serde_json::{Value, json};
use uwsgi_protocol::Reject;
use uwsgi_protocol::mongrel2::control::{self, Answer, Argument};
use uwsgi_protocol::mongrel2::tnetstring::{self, Value as Tnet};
use uwsgi_protocol::mongrel2::{Extended, Headers, Limits, Message, message, reply};

use super::{Vector, blob, latin1, report, unhex, vectors};

const KINDS: [&str; 4] =
    ["mongrel2.request", "mongrel2.response", "mongrel2.control", "tnetstring"];
const LIMITS: Limits = Limits { head_bytes_max: 65_536, body_bytes_max: 1 << 20, fields_max: 128 };

/// Vectors that want a header's value to be refused where it is a number; like the original it is taken as its text.
const NUMBERS_ARE_TEXT: [&str; 1] = ["bad_tnet_value_number"];

/// Replies that may be written otherwise than they are here: a space behind the last number, a zero before one.
const NOT_WRITTEN_SO: [&str; 2] = ["resp_multi_trailing_space", "resp_id_leading_zero"];

fn of_kind(kind: &str) -> Vec<Vector> {
    let mut found = vectors("mongrel2.json", &KINDS);
    found.retain(|vector| vector.kind() == kind);
    assert!(!found.is_empty(), "{kind}");
    found
}

/// Compares what `decoded` makes of each vector with what is expected, and that it refuses all beginnings.
fn check(
    kind: &str,
    decoded: impl Fn(&[u8]) -> Result<Value, Reject>,
    want: impl Fn(&Vector) -> Value,
) {
    let mut failures = Vec::new();
    for vector in of_kind(kind) {
        let got = match decoded(&vector.bytes) {
            Ok(value) => json!({"ok": value}),
            Err(reject) => json!({"error": reject.reason}),
        };
        let want = want(&vector);
        if got != want {
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.name()));
        }
        let whole = want.get("ok").is_some();
        let early = (0..vector.bytes.len()).find(|end| decoded(&vector.bytes[..*end]).is_ok());
        if let (true, Some(end)) = (whole, early) {
            failures.push(format!("{} is complete after {end} bytes", vector.name()));
        }
    }
    report(&failures);
}

#[test]
fn mongrel2_requests() {
    check("mongrel2.request", request, |vector| {
        let mut want = vector.expect().clone();
        let json_headers = want["error"] == "bad_json"
            || want["error"] == "json_not_object"
            || want["error"] == "bad_header_value_type" && !vector.name().contains("tnet");
        if json_headers || NUMBERS_ARE_TEXT.iter().any(|name| vector.json["name"] == *name) {
            want = json!({"ok": request(&vector.bytes).unwrap()});
        }
        if let Some(ok) = want.get_mut("ok").and_then(Value::as_object_mut) {
            if ok["encoding"] == "json" {
                ok.insert("headers".into(), Value::Null); // the plugin's tests
            } else {
                let headers = ok["headers"].as_array().unwrap().iter().flat_map(one_by_one);
                let headers = headers.collect();
                ok.insert("headers".into(), headers);
            }
            ok.remove("message_type"); // of the handler
            ok.remove("upload");
        }
        want
    });
}

/// A header of the vectors, each value of a list apart.
fn one_by_one(header: &Value) -> Vec<Value> {
    match &header[1] {
        Value::Array(values) => values.iter().map(|value| json!([header[0], value])).collect(),
        _ => vec![header.clone()],
    }
}

fn request(input: &[u8]) -> Result<Value, Reject> {
    let Message { sender, id, path, headers, body } = message::decode(input, &LIMITS)?;
    let (encoding, headers) = match headers {
        Headers::Json(_) => ("json", Value::Null),
        Headers::Tnet(dict) => {
            let pair = |(name, value)| json!([latin1(name), latin1(value)]);
            let fields = message::fields(dict, &LIMITS).map(|field| field.map(pair));
            ("tnetstring", fields.collect::<Result<_, _>>()?)
        }
    };
    Ok(json!({
        "sender": latin1(sender),
        "conn_id": id,
        "path": latin1(path),
        "encoding": encoding,
        "headers": headers,
        "body": blob(body),
    }))
}

#[test]
fn numbers_and_booleans_are_headers_as_their_text() {
    let fields = |dict| {
        let fields =
            message::fields(dict, &LIMITS).map(|field| field.map(|(_, value)| latin1(value)));
        fields.collect::<Result<Vec<_>, _>>().map_err(|reject| reject.reason)
    };
    assert_eq!(
        fields(b"1:a,1:1#1:b,4:true!1:c,3:1.5^1:d,0:]"),
        Ok(vec!["1".into(), "true".into(), "1.5".into()])
    );
    for refused in [&b"1:a,0:~"[..], b"1:a,0:}", b"1:a,4:1:1#]", b"1:a,3:0:]]"] {
        assert_eq!(fields(refused), Err("bad_header_value_type"));
    }
    assert_eq!(fields(b"1:a,1:x#"), Err("tnet_bad_integer"));
}

#[test]
fn limits_of_a_message() {
    let input = b"a 1 / 23:1:a,1:b,1:c,8:1:d,1:e,]}3:xyz,";
    let decoded = |limits: &Limits| message::decode(input, limits).map_err(|reject| reject.reason);
    let exact = Limits { head_bytes_max: input.len() - 6, body_bytes_max: 3, fields_max: 3 };
    let Headers::Tnet(dict) = decoded(&exact).unwrap().headers else { panic!("no dictionary") };
    assert!(message::fields(dict, &exact).all(|field| field.is_ok()));
    assert_eq!(
        decoded(&Limits { head_bytes_max: input.len() - 7, ..exact }),
        Err("header_too_big")
    );
    assert_eq!(decoded(&Limits { body_bytes_max: 2, ..exact }), Err("body_too_large"));
    let fewer = Limits { fields_max: 2, ..exact };
    let fields: Vec<_> = message::fields(dict, &fewer).collect();
    assert_eq!(fields[2..], [Err(Reject::new(400, "too_many_vars"))]);
}

#[test]
fn mongrel2_replies() {
    let reply = |input: &[u8]| -> Result<Value, Reject> {
        let reply = reply::decode(input)?;
        let mut want = json!({
            "uuid": latin1(reply.sender),
            "idents": reply.ids,
            "extended": reply.extended,
            "body": blob(reply.body),
            "close": !reply.extended && reply.body.is_empty(),
        });
        if reply.extended {
            let (name, arguments) = reply::request_of(reply.body)?;
            want["extended_body"] = json!([latin1(name), of(arguments)?]);
        }
        Ok(want)
    };
    let mut failures = Vec::new();
    for vector in of_kind("mongrel2.response") {
        let (bytes, want) = (&vector.bytes, vector.expect());
        let got = match reply(bytes) {
            Ok(value) => json!({"ok": value}),
            Err(reject) => json!({"error": reject.reason}),
        };
        if got != *want {
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.name()));
        }
        let Ok(whole) = reply::decode(bytes) else { continue };
        // An end of the bytes for the clients is not seen; the head and requests to Mongrel2 are whole or refused.
        let least = if whole.extended { bytes.len() } else { bytes.len() - whole.body.len() };
        if let Some(end) = (0..least).find(|end| reply::decode(&bytes[..*end]).is_ok()) {
            failures.push(format!("{} is complete after {end} bytes", vector.name()));
        }
        let mut again = Vec::new();
        let written = if whole.extended {
            reply::extended(whole.sender, &whole.ids, asked(whole.body), &mut again)
        } else {
            let head = reply::head(whole.sender, &whole.ids, &mut again);
            again.extend_from_slice(whole.body);
            head
        };
        let other = NOT_WRITTEN_SO.iter().any(|name| vector.json["name"] == *name);
        if !written || (again == *bytes) == other {
            failures.push(format!("{} is written as {}", vector.name(), latin1(&again)));
        }
    }
    report(&failures);
}

/// The request in the body of an extended message.
fn asked(body: &[u8]) -> Extended<'_> {
    match reply::request_of(body).unwrap() {
        (b"sendfile", Tnet::List(mut list)) => {
            Extended::SendFile(list.next().unwrap().unwrap().bytes().unwrap())
        }
        (b"ctl", Tnet::Dict(mut dict)) => match dict.next().unwrap().unwrap() {
            (b"keep-alive", Tnet::Integer(1)) => Extended::KeepAlive,
            (b"cancel", Tnet::Bool(true)) => Extended::Cancel,
            (b"credits", Tnet::Integer(bytes)) => Extended::Credits(bytes.try_into().unwrap()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn more_connections_than_fit_are_several_messages() {
    let ids: Vec<u32> = (0..257).collect();
    let lens: Vec<usize> = reply::groups(&ids).map(<[u32]>::len).collect();
    assert_eq!(lens, [128, 128, 1]);
    for group in reply::groups(&ids) {
        let mut out = Vec::new();
        assert!(reply::head(b"a-1", group, &mut out));
        let read = reply::decode(&out).unwrap();
        assert_eq!((read.ids.as_slice(), read.body), (group, &b""[..]));
    }
    let mut out = Vec::new();
    assert!(!reply::head(b"a-1", &ids, &mut out) && !reply::head(b"a-1", &[], &mut out));
    assert!(!reply::head(b"", &[1], &mut out) && !reply::head(b"a b", &[1], &mut out));
    assert!(out.is_empty());
    assert!(reply::head(b"a", &[0, 9, 10, u32::MAX], &mut out));
    assert_eq!(latin1(&out), "a 17:0 9 10 4294967295, ");
}

#[test]
fn mongrel2_control_port() {
    let mut failures = Vec::new();
    for vector in of_kind("mongrel2.control") {
        let bytes = unhex(vector.json["reply_hex"].as_str().unwrap());
        let want = &vector.expect()["ok"]["reply"];
        let got = of(tnetstring::read(&bytes).unwrap()).unwrap();
        if got != *want {
            failures.push(format!("{}\n  got  {got}\n  want {want}", vector.name()));
        }
        if let Some(end) = (0..bytes.len()).find(|end| control::answer(&bytes[..*end]).is_ok()) {
            failures.push(format!("{} is complete after {end} bytes", vector.name()));
        }
        let of_dict = |name: &str| {
            let pairs = want["dict"].as_array().unwrap();
            pairs.iter().find(|pair| pair[0] == name).map_or(Value::Null, |pair| pair[1].clone())
        };
        match control::answer(&bytes).unwrap() {
            Answer::Table { headers, rows } => {
                assert_eq!(of(Tnet::List(headers)).unwrap(), of_dict("headers"));
                assert_eq!(of(Tnet::List(rows)).unwrap(), of_dict("rows"));
            }
            Answer::Failed { code, error } => {
                assert_eq!(
                    json!([latin1(code), latin1(error)]),
                    json!([of_dict("code"), of_dict("error")])
                );
            }
        }
        // Those that are no requests are refused by Mongrel2: nobody writes them.
        if let Ok((command, Tnet::Dict(dict))) = reply::request_of(&vector.bytes) {
            let arguments: Vec<_> = dict.map(|pair| argument(pair.unwrap())).collect();
            assert_eq!(latin1(&control::request(command, &arguments)), latin1(&vector.bytes));
        }
    }
    report(&failures);
    let bad = |answer: &[u8]| control::answer(answer).unwrap_err().reason;
    assert_eq!(bad(b"0:}"), "bad_control_answer");
    assert_eq!(bad(b"0:]"), "bad_control_answer");
    assert_eq!(bad(b"14:4:code,1:a,1:b}"), "netstring_truncated");
}

fn argument<'a>((name, value): (&'a [u8], Tnet<'a>)) -> (&'a [u8], Argument<'a>) {
    match value {
        Tnet::Bytes(text) => (name, Argument::Text(text)),
        Tnet::Integer(number) => (name, Argument::Integer(number)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn tnetstrings() {
    let read = |input: &[u8]| Ok(json!({"value": of(tnetstring::read(input)?)?}));
    check("tnetstring", read, |vector| vector.expect().clone());
    let number = |input: &[u8]| tnetstring::read(input).map(drop).map_err(|reject| reject.reason);
    for bad in [&b"2:+1#"[..], b"1:-#", b"19:9223372036854775808#", b"2:1 #"] {
        assert_eq!(number(bad), Err("tnet_bad_integer"));
    }
    for bad in
        [&b"3:nan^"[..], b"3:inf^", b"2:.5^", b"0:^", b"5:1e999^", b"2:1x^", b"4:-inf^", b"3:+-1^"]
    {
        assert_eq!(number(bad), Err("tnet_bad_float"));
    }
}

/// As the vectors write values.
fn of(value: Tnet<'_>) -> Result<Value, Reject> {
    Ok(match value {
        Tnet::Bytes(bytes) => json!(latin1(bytes)),
        Tnet::Integer(number) => json!(number),
        Tnet::Float(number) => json!(number),
        Tnet::Bool(value) => json!(value),
        Tnet::Null => Value::Null,
        Tnet::List(list) => list.map(|value| of(value?)).collect::<Result<_, _>>()?,
        Tnet::Dict(dict) => {
            let pairs = dict
                .map(|pair| pair.and_then(|(name, value)| Ok(json!([latin1(name), of(value)?]))));
            json!({"dict": pairs.collect::<Result<Vec<_>, _>>()?})
        }
    })
}
