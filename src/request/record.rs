//! What is remembered of a request: its counters and its log lines.

use std::io;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::{CoreId, Known, Listener, Outcome, Site, VarsView};
use uwsgi_protocol::http1::ResponseEncoder;

use super::answer::Sent;
use super::begun::Begun;
use super::shared::Shared;
use crate::errors::RequestId;
use crate::log::request_line::{self, RequestRecord, Rules, Via};
use crate::net::peer::Peer;
use crate::shm::CoreSlot;
use crate::sys::memory::{self, Usage};

/// One request that is over.
pub(super) struct Record<'a> {
    pub(super) shared: &'a Shared,
    pub(super) core: CoreId,
    pub(super) vars: VarsView<'a>,
    pub(super) listener: &'a Listener,
    pub(super) peer: &'a Peer,
    pub(super) encoder: &'a ResponseEncoder,
    pub(super) sent: &'a Sent,
    pub(super) outcome: &'a Outcome,
    /// The application that it names, where it may.
    pub(super) site: Option<&'a Site<'a>>,
    pub(super) begun: &'a Begun,
    pub(super) id: RequestId<'a>,
    pub(super) duration_us: u64,
    /// Of this process, where `memory-report` asks for it.
    pub(super) memory: Option<Usage>,
}

impl Record<'_> {
    /// Counts and logs it. `scratch` keeps its memory from one request to the next.
    pub(super) fn keep(&self, slot: &CoreSlot, scratch: &mut Vec<u8>) {
        self.count(slot);
        self.log(scratch);
        self.count_site(scratch);
    }

    /// Updates the core's counters; this thread is their only writer.
    fn count(&self, slot: &CoreSlot) {
        slot.end(self.duration_us, self.tx_bytes());
        let add = |yes: bool, counter: fn(&CoreSlot) -> &AtomicU64| {
            if yes {
                slot.count(counter);
            }
        };
        slot.count_app(self.outcome.app, self.outcome.exception);
        add(self.outcome.exception, |slot| &slot.exceptions);
        add(self.sent.is_static, |slot| &slot.static_requests);
        add(self.sent.error.is_some(), |slot| &slot.write_errors);
        add(self.outcome.refused, |slot| &slot.refused);
    }

    /// Measures this process for the log and the board, where that is asked for.
    pub(super) fn measured(shared: &Shared) -> Option<Usage> {
        let usage = shared.logging.memory_report.then(memory::usage)?;
        let slot = shared.board.process(shared.place);
        slot.rss_bytes.store(usage.rss_bytes, Relaxed);
        slot.vsz_bytes.store(usage.vsz_bytes, Relaxed);
        Some(usage)
    }

    /// Writes what the options ask for.
    fn log(&self, line: &mut Vec<u8>) {
        self.log_faults();
        let logging = &self.shared.logging;
        let rules = Rules {
            all: logging.requests,
            with_4xx: logging.log_4xx,
            with_5xx: logging.log_5xx,
            slow: logging.log_slow,
        };
        if rules.select(self.status(), self.duration_us) {
            line.clear();
            request_line::write(line, &self.line());
            crate::log::raw(line);
        }
    }

    /// What was sent of the application's answer.
    pub(super) fn tx_bytes(&self) -> u64 {
        let head =
            if self.sent.replaced.is_some() { 0 } else { self.encoder.app_head_bytes() as u64 };
        self.sent.body_bytes + head
    }

    pub(super) fn status(&self) -> u16 {
        match self.sent.replaced {
            Some(status) => status,
            None if self.encoder.started() => self.encoder.status(),
            None => 500,
        }
    }

    fn var(&self, known: Known) -> &[u8] {
        self.vars.get(known).unwrap_or_default()
    }

    /// As the client has named it, where it has; as uWSGI, with its port.
    fn host(&self) -> &[u8] {
        let named = self.vars.get(Known::Host).or_else(|| self.vars.get(Known::ServerName));
        named.unwrap_or_else(|| self.fixed(Known::ServerName))
    }

    /// A variable that all requests of the socket have in common.
    fn fixed(&self, known: Known) -> &[u8] {
        let vars = &self.listener.static_vars;
        vars.iter().find(|(name, _)| *name == known).map_or(&[], |(_, value)| value)
    }

    fn line(&self) -> RequestRecord<'_> {
        let (shared, own) = (self.shared, self.sent.replaced.is_none());
        let forwarded =
            self.vars.get(Known::XForwardedFor).filter(|_| shared.logging.log_x_forwarded_for);
        let fixed = &self.listener.static_vars;
        let fixed_bytes: usize =
            fixed.iter().map(|(name, value)| 4 + name.as_str().len() + value.len()).sum();
        RequestRecord {
            memory: self.memory.map(|usage| (usage.vsz_bytes, usage.rss_bytes)),
            host: shared.sites.rules.by_host.then(|| self.host()),
            pid: std::process::id(),
            app: self.outcome.app,
            app_requests: shared.board.worker_requests(shared.worker),
            requests: shared.board.requests_total(),
            address: forwarded.unwrap_or_else(|| match self.var(Known::RemoteAddr) {
                [] => self.peer.address(),
                address => address,
            }),
            user: self.var(Known::RemoteUser),
            vars: 2 * (self.vars.len() + fixed.len()) as u64,
            vars_bytes: (self.vars.block_len() + fixed_bytes) as u64,
            began: self.begun.unix_s,
            method: self.var(Known::RequestMethod),
            uri: self.var(Known::RequestUri),
            body_bytes: self.sent.body_bytes,
            duration_us: self.duration_us,
            micros: shared.logging.micros,
            via: if self.sent.sendfile { Via::Sendfile } else { Via::None },
            protocol: self.var(Known::ServerProtocol),
            status: self.status(),
            headers: if own { u64::from(self.encoder.app_headers()) } else { 0 },
            head_bytes: if own { self.encoder.app_head_bytes() as u64 } else { 0 },
            switches: self.outcome.switches,
            core: self.core.0,
        }
    }

    /// Answers that did not arrive as the application meant them.
    fn log_faults(&self) {
        let logging = &self.shared.logging;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).escape_debug().to_string();
        let during = || {
            let (method, uri) =
                (text(self.var(Known::RequestMethod)), text(self.var(Known::RequestUri)));
            let address = text(self.var(Known::RemoteAddr));
            format!("during {method} {uri} ({address}), request {}", self.id)
        };
        // Of a request that took too long it was said when it was answered, of a refused one a few times a second.
        let told = self.sent.cut || self.outcome.refused;
        if let Some(status) = self.sent.replaced.filter(|_| !told) {
            crate::log::line(format_args!("the server answered {status} {}", during()));
        }
        match &self.sent.error {
            Some(error) if error.kind() == io::ErrorKind::BrokenPipe && logging.ignore_sigpipe => {}
            Some(error) if !logging.ignore_write_errors => {
                crate::log::line(format_args!("write error: {error} {}", during()));
            }
            _ => {}
        }
        if self.sent.dropped > 0 {
            let dropped = self.sent.dropped;
            let what = match self.encoder.status() {
                101 => "of an answer behind a WebSocket",
                _ => "over the announced Content-Length",
            };
            crate::log::line(format_args!("{dropped} bytes {what} were not sent {}", during()));
        }
        if self.sent.missing > 0 && self.sent.error.is_none() {
            let missing = self.sent.missing;
            crate::log::line(format_args!(
                "the response is {missing} bytes shorter than its Content-Length, the connection is closed {}",
                during()
            ));
        }
    }
}
