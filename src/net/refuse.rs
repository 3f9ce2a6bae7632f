//! Input that becomes no request: one line in the log, and an answer where the protocol has one.

use std::io::{ErrorKind, IoSlice};
use std::sync::atomic::Ordering;

use uwsgi_plugin_api::WireProtocol;
use uwsgi_protocol::http1::{self, Form, Refusal};
use uwsgi_protocol::{Reject, uwsgi};

use super::connection::{Connection, Step};
use super::hub::Hub;
use super::origin;
use super::table::Wait;
use crate::errors::{Counter, RequestId};
use crate::sys::{clock, socket};

impl Hub {
    /// Answers a refusal (on HTTP; front ends, which speak other protocols, rely on a silent close) and begins the end.
    pub(super) fn refuse(&self, connection: &mut Connection, reject: Reject) -> Step {
        let (number, id) = self.next_refusal(connection);
        let protocol = self.listener_of(connection).protocol;
        let Reject { status, reason } = reject;
        let what = self.what_is_wrong(connection, protocol, reject);
        let peer = String::from_utf8_lossy(connection.peer.address());
        crate::log::line(format_args!(
            "{what} ({status} {reason}, client {peer}, refusal {number} of this worker, request {id})"
        ));
        if protocol != WireProtocol::Http || connection.awaits_header {
            return Step::Close;
        }
        let head = self.refused_head(connection);
        let form = http1::sought(head, "accept").map_or(Form::Text, Form::wanted);
        let refusal = self.bounds.errors.refusal(status, form, &id);
        let refusal = Refusal { detail: Some(reason), ..refusal };
        let date = http1::http_date(clock::unix_seconds());
        let answer = refusal.whole(&date, head.starts_with(b"HEAD "));
        connection.input.consume(usize::MAX);
        send_last(connection, &answer)
    }

    /// Where a refusal stands among those of this worker, and its id.
    fn next_refusal(&self, connection: &mut Connection) -> (u64, String) {
        let number = self.refused.fetch_add(1, Ordering::Relaxed) + 1;
        let believed = self.bounds.trusted.as_ref().is_some_and(|trusted| {
            origin::is_believed(trusted, &connection.peer, &mut connection.believed)
        });
        let given = http1::sought(self.refused_head(connection), "x-request-id");
        let taken = given.filter(|_| believed).and_then(RequestId::taken);
        let id = taken.unwrap_or_else(|| self.bounds.errors.id(Counter::Refusals, number));
        (number, id.to_string())
    }

    /// What was read of the head, or more than that.
    fn refused_head<'a>(&self, connection: &'a Connection) -> &'a [u8] {
        let data = connection.input.data();
        &data[..data.len().min(self.bounds.head.http.head_bytes_max)]
    }

    /// The first words of the line are uWSGI's, where it has such a line.
    fn what_is_wrong(
        &self,
        connection: &Connection,
        protocol: WireProtocol,
        reject: Reject,
    ) -> String {
        let head_max = self.bounds.head.http.head_bytes_max;
        let what = match (protocol, reject.reason) {
            _ if connection.awaits_header => "invalid header of the PROXY protocol",
            (WireProtocol::Uwsgi | WireProtocol::PersistentUwsgi, "packet_too_big") => {
                let header = uwsgi::header(connection.input.data());
                let size = header.map_or(0, |header| header.datasize);
                return format!("invalid request block size: {size} (max {head_max})...skip");
            }
            (WireProtocol::Http, "headers_too_big" | "line_too_long") => {
                return format!("invalid HTTP request size (max {head_max})...skip");
            }
            (_, "body_too_large") => "Invalid (too big) CONTENT_LENGTH. skip.",
            (WireProtocol::Uwsgi | WireProtocol::PersistentUwsgi, _) => "invalid uwsgi request",
            (WireProtocol::FastCgi | WireProtocol::FastCgiNph, _) => "invalid FastCGI request",
            (WireProtocol::Scgi | WireProtocol::ScgiNph, _) => "invalid SCGI request",
            (WireProtocol::Http, _) => "invalid HTTP request",
            (WireProtocol::Raw | WireProtocol::Auto, _) => "invalid request",
        };
        what.to_owned()
    }
}

/// Sends the last bytes of a connection; what the socket does not take now follows when it does.
fn send_last(connection: &mut Connection, answer: &[u8]) -> Step {
    let sent = match connection.spill.is_empty() {
        true => socket::send(connection.fd(), &[IoSlice::new(answer)]),
        false => Ok(0),
    };
    match sent {
        Err(error) if error.kind() != ErrorKind::WouldBlock => Step::Close,
        Ok(count) if count == answer.len() => connection.begin_linger(),
        sent => {
            connection.spill.push(&answer[sent.unwrap_or(0)..]);
            connection.flush_then(true, true);
            Step::Wait(Wait::Flush)
        }
    }
}
