//! From BEGIN_REQUEST to the end of the parameters.

use super::pairs::{encode, pair};
use super::record::{
    HEADER_BYTES, Header, ProtocolStatus, Role, end_request, kinds, unknown_type, values,
};
use crate::pairs::{PairStore, Repeated};
use crate::{Known, Reject, Span, Vars};

/// Records of other requests that may come between those of a head, in bytes.
const FOREIGN_BYTES_MAX: usize = 256 * 1024;
/// Headers and padding of all records of a head, in bytes. Without it a head of nothing but tiny records with long padding
/// would have to be kept.
const OVERHEAD_BYTES_MAX: usize = 64 * 1024;

/// Limits of a request head.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest stream of parameters in bytes (`buffer-size`).
    pub head_bytes_max: usize,
    /// Most variables (`max-vars` / 2).
    pub vars_max: usize,
    /// What a front end is told that asks for it.
    pub connections_max: usize,
}

/// A decoded request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the records up to the end of the parameters. STDIN follows.
    pub consumed: usize,
    /// The request's number on this connection.
    pub request_id: u16,
    /// The front end wants the connection to be kept.
    pub keep_conn: bool,
    /// `CONTENT_LENGTH`; `None` where it is absent, empty or -1: the end of STDIN is the end of the body.
    pub content_length: Option<u64>,
}

/// What the input begins with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    More,
    /// Something that is not a request: to be answered at once, if at all.
    Reply {
        /// Drop these bytes.
        consumed: usize,
        /// Send these.
        reply: Vec<u8>,
    },
    /// Records of other requests lie between those of the first one: [`sort`] them.
    Interleaved,
    /// A request.
    Request(Head),
}

/// Looks at `input`, which begins with a record, and decodes its first request into `vars` (cleared first).
///
/// # Errors
/// A [`Reject`] where the input can never become valid.
pub fn decode(input: &[u8], limits: &Limits, vars: &mut Vars) -> Result<Progress, Reject> {
    let Some(first) = Header::read(input)? else { return Ok(Progress::More) };
    let record = input.get(..first.record_len());
    if first.id == 0 {
        return record.map_or(Ok(Progress::More), |record| manage(first, record, limits));
    }
    match first.kind {
        kinds::BEGIN_REQUEST if first.content < 8 => Err(Reject::new(400, "bad_begin_request")),
        kinds::BEGIN_REQUEST => record.map_or(Ok(Progress::More), |begin| {
            let role = u16::from_be_bytes([begin[8], begin[9]]);
            if role != Role::Responder as u16 {
                let reply = end_request(first.id, 0, ProtocolStatus::UnknownRole).to_vec();
                return Ok(Progress::Reply { consumed: begin.len(), reply });
            }
            let head = Records { input, id: first.id, keep_conn: begin[10] & 1 != 0 };
            head.decode(begin.len(), limits, vars)
        }),
        // Of a request that is over or was never there: legal, for both sides may end it at the same time.
        kind if is_for_applications(kind) => {
            let ignored =
                |record: &[u8]| Progress::Reply { consumed: record.len(), reply: Vec::new() };
            Ok(record.map_or(Progress::More, ignored))
        }
        _ => Err(Reject::new(400, "record_from_wrong_side")),
    }
}

/// Records that a front end sends, or that nobody knows.
fn is_for_applications(kind: u8) -> bool {
    let known = [kinds::ABORT_REQUEST, kinds::PARAMS, kinds::STDIN, kinds::DATA].contains(&kind);
    known || kind > kinds::UNKNOWN_TYPE
}

/// Management records.
fn manage(header: Header, record: &[u8], limits: &Limits) -> Result<Progress, Reject> {
    let reply = match header.kind {
        kinds::GET_VALUES => {
            let content = &record[HEADER_BYTES..HEADER_BYTES + header.content];
            values(&encode_values(content, limits)?)
        }
        kind => unknown_type(kind),
    };
    Ok(Progress::Reply { consumed: record.len(), reply })
}

/// The names that are known here, each once, in the order in which they were asked for.
fn encode_values(content: &[u8], limits: &Limits) -> Result<Vec<u8>, Reject> {
    let connections = limits.connections_max.to_string();
    let known: [(&[u8], &[u8]); 3] = [
        (b"FCGI_MAX_CONNS", connections.as_bytes()),
        (b"FCGI_MAX_REQS", connections.as_bytes()),
        // Requests of one connection are served one after the other: whoever asks had better use several.
        (b"FCGI_MPXS_CONNS", b"0"),
    ];
    let mut asked = Vec::new();
    let mut at = 0;
    while at < content.len() {
        let pair = pair(content, at)?;
        let name = &content[pair.name..pair.value];
        let found = known.iter().find(|(known, _)| *known == name);
        asked.extend(
            found.filter(|found| !asked.contains(*found)).copied().into_iter().collect::<Vec<_>>(),
        );
        at = pair.value + pair.value_len;
    }
    Ok(encode(&asked))
}

/// The records of the first request.
struct Records<'a> {
    input: &'a [u8],
    id: u16,
    keep_conn: bool,
}

/// What lies behind BEGIN_REQUEST.
enum Found {
    /// No whole head, or one that is not for the application.
    Other(Progress),
    Params(Params),
}

/// The stream of parameters, in records one behind the other.
struct Params {
    /// Where the first record is.
    begin: usize,
    /// Behind the empty record that ends them.
    end: usize,
    /// Records that are not empty.
    records: usize,
}

impl Records<'_> {
    /// `begin`: behind BEGIN_REQUEST.
    fn decode(self, begin: usize, limits: &Limits, vars: &mut Vars) -> Result<Progress, Reject> {
        let found = match self.find(begin, limits)? {
            Found::Other(progress) => return Ok(progress),
            Found::Params(found) => found,
        };
        vars.clear();
        let content_length = if found.records > 1 {
            // A stream that was cut anywhere: its bytes are brought together first.
            let params = self.together(&found);
            let place = vars.stash(&params);
            self.store(&params, place, limits, vars)?
        } else {
            let start = found.begin + HEADER_BYTES;
            let len = Header::read(&self.input[found.begin..])?.map_or(0, |header| header.content);
            let params = &self.input[start..start + len];
            self.store(params, Span::head(start, len), limits, vars)?
        };
        let Self { id: request_id, keep_conn, .. } = self;
        Ok(Progress::Request(Head { consumed: found.end, request_id, keep_conn, content_length }))
    }

    /// Looks for the end of the parameters.
    fn find(&self, begin: usize, limits: &Limits) -> Result<Found, Reject> {
        const MORE: Found = Found::Other(Progress::More);
        const INTERLEAVED: Found = Found::Other(Progress::Interleaved);
        let (mut at, mut records, mut params, mut foreign) = (begin, 0, 0, 0);
        loop {
            let rest = &self.input[at..];
            let Some(header) = Header::read(rest)? else { return Ok(MORE) };
            let len = header.record_len();
            let is_whole = len <= rest.len();
            if header.is_of(self.id) {
                match header.kind {
                    kinds::PARAMS | kinds::ABORT_REQUEST => {}
                    kinds::BEGIN_REQUEST => return Err(Reject::new(400, "duplicate_begin")),
                    kinds::STDIN | kinds::DATA => {
                        return Err(Reject::new(400, "stdin_before_params_end"));
                    }
                    _ => return Err(Reject::new(400, "record_from_wrong_side")),
                }
                if header.kind == kinds::PARAMS {
                    params += header.content;
                }
                if params > limits.head_bytes_max {
                    return Err(Reject::new(400, "params_too_big"));
                }
                if at + len - begin - foreign - params > OVERHEAD_BYTES_MAX {
                    return Err(Reject::new(400, "too_many_records"));
                }
                let ends = header.kind == kinds::ABORT_REQUEST || header.content == 0;
                match (is_whole, ends) {
                    (false, _) => return Ok(MORE),
                    (true, true) if foreign > 0 => return Ok(INTERLEAVED),
                    (true, true) => return Ok(self.end(&header, at + len, begin, records)),
                    (true, false) => records += 1,
                }
            } else {
                foreign += len;
                if foreign > FOREIGN_BYTES_MAX {
                    return Err(Reject::new(400, "too_many_interleaved_records"));
                }
                match (is_whole, header.id) {
                    (false, _) => return Ok(MORE),
                    // Perhaps the front end waits for an answer before it goes on.
                    (true, 0) => return Ok(INTERLEAVED),
                    (true, _) => {}
                }
            }
            at += len;
        }
    }

    /// The record that ends at `end` is the last one of the head.
    fn end(&self, header: &Header, end: usize, begin: usize, records: usize) -> Found {
        if header.kind == kinds::ABORT_REQUEST {
            let reply = end_request(self.id, 1, ProtocolStatus::Complete).to_vec();
            return Found::Other(Progress::Reply { consumed: end, reply });
        }
        Found::Params(Params { begin, end, records })
    }

    /// The bytes of a stream in several records.
    fn together(&self, found: &Params) -> Vec<u8> {
        let mut params = Vec::new();
        let mut rest = &self.input[found.begin..found.end];
        while let Ok(Some(header)) = Header::read(rest) {
            params.extend_from_slice(&rest[HEADER_BYTES..HEADER_BYTES + header.content]);
            rest = &rest[header.record_len()..];
        }
        params
    }

    /// `place`: where the bytes of `params` stay.
    fn store(
        &self,
        params: &[u8],
        place: Span,
        limits: &Limits,
        vars: &mut Vars,
    ) -> Result<Option<u64>, Reject> {
        let mut store = PairStore::new(self.input, limits.vars_max, Repeated::Equal);
        let mut at = 0;
        let mut unknown_length = false;
        while at < params.len() {
            let pair = pair(params, at)?;
            let name = &params[pair.name..pair.value];
            let value = &params[pair.value..pair.value + pair.value_len];
            at = pair.value + pair.value_len;
            // Some front ends say so of a length that they do not know.
            let value_len = if name == Known::ContentLength.as_str().as_bytes() && value == b"-1" {
                unknown_length = true;
                0
            } else {
                pair.value_len
            };
            let name_span = place.part(pair.name, pair.name_len);
            let value_span = place.part(pair.value, value_len);
            store.add((name, name_span), (&value[..value_len], value_span), vars)?;
        }
        let length = store.conclude()?;
        Ok(length.filter(|_| !unknown_length))
    }
}

/// Moves the complete records of the request that begins the input together, behind management records; the others keep
/// their order behind them. A record that is not complete stays at the end.
pub fn sort(input: &mut [u8]) {
    let Ok(Some(first)) = Header::read(input) else { return };
    let (mut management, mut own, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    let mut at = 0;
    while let Ok(Some(header)) = Header::read(&input[at..]) {
        let Some(record) = input.get(at..at + header.record_len()) else { break };
        let pile = match header.id {
            0 => &mut management,
            _ if header.is_of(first.id) => &mut own,
            _ => &mut foreign,
        };
        pile.extend_from_slice(record);
        at += record.len();
    }
    input[..at].copy_from_slice(&[management, own, foreign].concat());
}
