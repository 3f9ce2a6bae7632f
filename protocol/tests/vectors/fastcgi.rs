//! Vectors of FastCGI: a small responder reads each conversation as the server does.

use serde_json::{Value, json};
use uwsgi_protocol::fastcgi::{self, Header, Piece, Progress, ProtocolStatus, StdinDecoder, kinds};
use uwsgi_protocol::{Reject, Vars};

use super::uwsgi::joined;
use super::{Reading, Vector, blob, cut_otherwise, latin1, report, vectors};

/// Where the reference does something else.
const OTHERWISE: [(&str, &str); 2] = [
    (
        "fcgi-0069",
        "it serves one request at a time and refuses the second, which waits for its turn here",
    ),
    ("fcgi-0114", "it takes whole records only, and here a part of a body is a part of a body"),
];

/// Inputs up to this size are cut at every byte, as a head is looked at anew with each of its bytes.
const EVERY_CUT_BYTES_MAX: usize = 600;
/// Cuts of longer ones.
const CUTS: usize = 60;

#[test]
fn fastcgi_vectors() {
    let mut failures = Vec::new();
    for vector in vectors("fastcgi.json", &["fastcgi.request", "fastcgi.response"]) {
        if vector.kind() == "fastcgi.response" {
            continue;
        }
        let whole = Responder::read(&vector, Reading::Whole);
        let want = Wanted::of(&vector);
        let otherwise = OTHERWISE.iter().any(|(id, _)| vector.json["id"] == *id);
        if (whole == want) == otherwise {
            failures.push(format!("{}\n  got  {whole:?}\n  want {want:?}", vector.name()));
        }
        let long = vector.bytes.len() > EVERY_CUT_BYTES_MAX;
        let readings = vector.readings();
        let step = if long { readings.len() / CUTS + 1 } else { 1 };
        let readings = readings.into_iter().step_by(step);
        failures.extend(cut_otherwise(&vector, readings, Responder::read));
    }
    report(&failures);
}

/// What other servers wrote is what the encoder would write: its records, read by their headers.
#[test]
fn fastcgi_responses() {
    let mut read = 0;
    for vector in vectors("fastcgi.json", &["fastcgi.request", "fastcgi.response"]) {
        if vector.kind() == "fastcgi.request" {
            continue;
        }
        let records = vector.expect()["ok"]["records"].clone();
        let mut rest = &vector.bytes[..];
        let mut found = Vec::new();
        let fault = loop {
            match Header::read(rest) {
                Err(reject) => break Some(reject.reason),
                Ok(Some(header)) if header.record_len() <= rest.len() => {
                    found.push(json!([header.kind, header.id, header.content, header.padding]));
                    if header.kind == kinds::END_REQUEST && header.content == 8 {
                        let end = &rest[..header.record_len()];
                        let status = u32::from_be_bytes(end[8..12].try_into().unwrap());
                        if end[12] == 0 && end[13..16] == [0; 3] && header.padding == 0 {
                            let ours =
                                fastcgi::end_request(header.id, status, ProtocolStatus::Complete);
                            assert_eq!(end, ours, "{}", vector.name());
                        }
                    }
                    rest = &rest[header.record_len()..];
                }
                Ok(Some(_)) => {
                    found.push(json!("partial"));
                    break None;
                }
                Ok(None) => {
                    found.extend((!rest.is_empty()).then(|| json!("partial")));
                    break None;
                }
            }
        };
        if vector.expect()["incomplete"].is_string() {
            assert_eq!(found.last(), Some(&json!("partial")), "{}", vector.name());
            continue;
        }
        match fault {
            Some(fault) => assert_eq!(vector.expect()["error"], fault, "{}", vector.name()),
            None => assert_eq!(Value::from(found), records, "{}", vector.name()),
        }
        read += 1;
    }
    assert!(read > 40);
}

/// One conversation.
#[derive(Debug, PartialEq)]
enum Talk {
    Error(String),
    Requests(Vec<Told>, Vec<String>),
}

/// A request as far as it came.
#[derive(Debug, PartialEq)]
struct Told {
    id: u64,
    keep_conn: bool,
    aborted: bool,
    stdin_complete: bool,
    params: Vec<(String, String)>,
    stdin: Value,
    content_length: Option<u64>,
}

struct Wanted;

impl Wanted {
    fn of(vector: &Vector) -> Talk {
        let expect = vector.expect();
        if let Some(error) = expect["error"].as_str() {
            return Talk::Error(error.to_owned());
        }
        let ok = &expect["ok"];
        let texts = |value: &Value| -> (String, String) {
            (value[0].as_str().unwrap().into(), value[1].as_str().unwrap().into())
        };
        let requests = ok["requests"].as_array().unwrap().iter();
        // What was not a whole head was no request yet, or was given up before it became one.
        let told = requests.filter(|request| request["params_complete"] == true).map(|request| {
            let params: Vec<_> = request["params"].as_array().unwrap().iter().map(texts).collect();
            let mut params = joined(&params);
            for (name, value) in &mut params {
                if name == "CONTENT_LENGTH" && value == "-1" {
                    value.clear();
                }
            }
            Told {
                id: request["id"].as_u64().unwrap(),
                keep_conn: request["keep_conn"].as_bool().unwrap(),
                aborted: request["aborted"].as_bool().unwrap(),
                stdin_complete: request["stdin_complete"].as_bool().unwrap(),
                params,
                stdin: request["stdin"].clone(),
                content_length: request["content_length"].as_u64(),
            }
        });
        let actions = ok["actions"].as_array().unwrap().iter();
        let actions = actions.map(|action| action.as_str().unwrap().to_owned());
        let sent = actions.filter(|action| action.starts_with("send "));
        Talk::Requests(told.collect(), sent.collect())
    }
}

/// Reads as the server does: a head, its body, and so on, with what is foreign put before what follows.
struct Responder {
    limits: fastcgi::Limits,
    input: Vec<u8>,
    current: Option<(Told, StdinDecoder, Vec<u8>)>,
    foreign: Vec<u8>,
    told: Vec<Told>,
    sent: Vec<String>,
}

impl Responder {
    fn read(vector: &Vector, reading: Reading) -> Talk {
        let head_bytes_max = vector.limit("max_params", 65_536);
        let limits = fastcgi::Limits { head_bytes_max, vars_max: 100_000, connections_max: 10 };
        let mut responder = Self {
            limits,
            input: Vec::new(),
            current: None,
            foreign: Vec::new(),
            told: Vec::new(),
            sent: Vec::new(),
        };
        let (mut end, bytes) = (0, &vector.bytes);
        while end < bytes.len() {
            let next = reading.next(end, bytes.len());
            responder.input.extend_from_slice(&bytes[end..next]);
            end = next;
            if let Err(reject) = responder.advance() {
                return Talk::Error(reject.reason.to_owned());
            }
        }
        if let Some((mut told, _, stdin)) = responder.current.take() {
            told.stdin = blob(&stdin);
            responder.told.push(told);
        }
        Talk::Requests(responder.told, responder.sent)
    }

    fn advance(&mut self) -> Result<(), Reject> {
        loop {
            let goes_on = if self.current.is_some() { self.body()? } else { self.head()? };
            if !goes_on {
                return Ok(());
            }
        }
    }

    fn head(&mut self) -> Result<bool, Reject> {
        let mut vars = Vars::default();
        match fastcgi::decode(&self.input, &self.limits, &mut vars)? {
            Progress::More => return Ok(false),
            Progress::Interleaved => fastcgi::sort(&mut self.input),
            Progress::Reply { consumed, reply } => {
                self.input.drain(..consumed);
                self.sent.extend(named(&reply));
            }
            Progress::Request(head) => {
                let view = vars.view(&self.input);
                let params =
                    view.iter().map(|(name, value)| (latin1(view.name(name)), latin1(value)));
                let told = Told {
                    id: head.request_id.into(),
                    keep_conn: head.keep_conn,
                    aborted: false,
                    stdin_complete: false,
                    params: params.collect(),
                    stdin: Value::Null,
                    content_length: head.content_length,
                };
                self.input.drain(..head.consumed);
                self.current = Some((told, StdinDecoder::new(head.request_id), Vec::new()));
            }
        }
        Ok(true)
    }

    fn body(&mut self) -> Result<bool, Reject> {
        let Some((told, decoder, stdin)) = &mut self.current else { return Ok(false) };
        let (consumed, over) = match decoder.decode(&self.input)? {
            Piece::More { consumed } => {
                self.input.drain(..consumed);
                return Ok(false);
            }
            Piece::Data { skip, len } => {
                stdin.extend_from_slice(&self.input[skip..skip + len]);
                (skip + len, false)
            }
            Piece::Foreign { skip, len } => {
                self.foreign.extend_from_slice(&self.input[skip..skip + len]);
                (skip + len, false)
            }
            Piece::End { consumed } => {
                told.stdin_complete = true;
                (consumed, true)
            }
            Piece::Abort { consumed } => {
                told.aborted = true;
                (consumed, true)
            }
        };
        self.input.drain(..consumed);
        if over && let Some((mut told, _, stdin)) = self.current.take() {
            told.stdin = blob(&stdin);
            self.told.push(told);
            self.input.splice(..0, self.foreign.drain(..));
        }
        Ok(true)
    }
}

/// What was sent, in the vectors' words; nothing where nothing was.
fn named(reply: &[u8]) -> Option<String> {
    let header = Header::read(reply).unwrap()?;
    Some(match header.kind {
        kinds::GET_VALUES_RESULT => "send GET_VALUES_RESULT".to_owned(),
        kinds::UNKNOWN_TYPE => format!("send UNKNOWN_TYPE({})", reply[8]),
        kinds::END_REQUEST if reply[12] == 3 => {
            format!("send END_REQUEST({},app=0,proto=3 UNKNOWN_ROLE)", header.id)
        }
        // Of a request that was given up before it was one.
        kinds::END_REQUEST if reply[11] == 1 => return None,
        kind => panic!("a record of type {kind}"),
    })
}
