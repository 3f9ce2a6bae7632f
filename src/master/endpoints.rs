//! What the master itself answers: the statistics and the questions for its health.

use std::cmp::Reverse;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_protocol::http1;

use super::answering::{Asked, Next, Open};
use super::context::EndpointListener;
use super::ears::Source;
use super::run::{Master, now};
use crate::log;
use crate::net::listen::Endpoint;
use crate::shm::{Board, SiteFigures};
use crate::stats::{self, Health, Sources, Style};
use crate::supervisor::Millis;

/// Connections taken in one go; the others come with the next.
const ACCEPTS_MAX: usize = 16;

impl Master {
    /// Answers at the endpoints of the configuration from now on.
    pub(super) fn open_endpoints(&mut self) {
        let http = self.context.config.monitoring.stats_http;
        let opened = std::mem::take(&mut self.context.endpoints);
        let hands = self.hands_mut();
        for EndpointListener { endpoint, fd, address } in opened {
            if let Err(error) = hands.ears.listen(fd.as_fd(), Source::Endpoint(endpoint)) {
                log::line(format_args!("{} cannot be heard: {error}", endpoint.name()));
                continue;
            }
            let what = if endpoint == Endpoint::Stats { "Stats" } else { "Health" };
            let number = fd.as_raw_fd();
            log::line(format_args!("*** {what} server enabled on {address} fd: {number} ***"));
            let http = http || endpoint == Endpoint::Health;
            hands.answering.endpoints.push(Open { endpoint, fd, http });
        }
        // Those of the last image: their endpoint may be gone, they are answered all the same.
        for number in self.hands().answering.clients() {
            self.watch_client(number);
        }
    }

    pub(super) fn hear_endpoint(&mut self, endpoint: Endpoint) {
        for _ in 0..ACCEPTS_MAX {
            let Some(number) = self.hands_mut().answering.accept(endpoint, now()) else {
                return self.hands_mut().answering.set_crowded(endpoint, false);
            };
            self.hear_client(number);
            self.watch_client(number);
            if let Some(oldest) = self.hands().answering.surplus(endpoint) {
                self.forget_client(oldest);
            }
        }
        self.hands_mut().answering.set_crowded(endpoint, true);
    }

    pub(super) fn hear_client(&mut self, number: u32) {
        loop {
            match self.hands_mut().answering.proceed(number) {
                Next::Wait => return,
                Next::Gone => return self.forget_client(number),
                Next::Answer(asked) => {
                    let Some((_, endpoint)) = self.hands().answering.client(number) else { return };
                    let answer = self.answer(endpoint, &asked);
                    self.hands_mut().answering.give(number, answer);
                }
            }
        }
    }

    /// One that could not be answered at once.
    fn watch_client(&mut self, number: u32) {
        let hands = self.hands_mut();
        if let Some((fd, _)) = hands.answering.client(number)
            && let Err(error) = hands.ears.watch(fd, Source::Client(number))
        {
            // Its time ends soon.
            log::line(format_args!("a client of the master cannot be heard: {error}"));
        }
    }

    fn forget_client(&mut self, number: u32) {
        let hands = self.hands_mut();
        if let Some(fd) = hands.answering.take(number) {
            hands.ears.forget(fd.as_fd(), Source::Client(number));
        }
    }

    /// What has to be done by the clock.
    pub(super) fn look_after_clients(&mut self, now: Millis) {
        let answering = &self.hands().answering;
        let (expired, crowded) = (answering.expired(now), answering.crowded());
        expired.into_iter().for_each(|number| self.forget_client(number));
        crowded.into_iter().for_each(|endpoint| self.hear_endpoint(endpoint));
    }

    fn answer(&self, endpoint: Endpoint, asked: &Asked) -> Vec<u8> {
        match endpoint {
            Endpoint::Stats => self.stats(asked),
            Endpoint::Health => self.health(asked),
        }
    }

    fn stats(&self, asked: &Asked) -> Vec<u8> {
        /// uWSGI's, byte for byte.
        const HEAD: &str = "HTTP/1.0 200 OK\r\nConnection: close\r\nAccess-Control-Allow-Origin: *\r\n\
                            Content-Type: application/json\r\n\r\n";
        let monitoring = &self.context.config.monitoring;
        let boards = self.boards();
        let boards: Vec<&Board> = boards.iter().map(|board| &**board).collect();
        let instance = stats::collect(Sources {
            boards: &boards,
            workers: self.context.config.processes.workers,
            paused: self.supervisor.is_paused(),
            sockets: self.sockets_shown(),
            sites: self.sites_shown(),
            cluster: self.context.cluster.as_ref().map(|memory| &*memory.board),
        });
        let style =
            Style { minified: monitoring.stats_minified, no_cores: monitoring.stats_no_cores };
        let head = if monitoring.stats_http { HEAD } else { "" };
        let document = match asked.method.as_str() {
            "HEAD" => String::new(),
            _ => stats::document(&instance, style),
        };
        [head, &document].concat().into_bytes()
    }

    /// Sites with their figures and processes.
    pub(super) fn sites_shown(&self) -> Vec<SiteFigures> {
        let mut figures = self.context.figures.figures();
        self.hands().sites.tell_processes(&mut figures);
        figures
    }

    fn sockets_shown(&self) -> Vec<stats::Socket> {
        let configured = self.context.config.runtime.backlog;
        let shown = self.context.served.iter().map(|listening| {
            let queue = self.hands().queues.borrow_mut().one(listening.fd.as_fd());
            stats::Socket {
                name: listening.info.name.clone(),
                protocol: listening.info.protocol.name(),
                queue: queue.map_or(0, |queue| queue.length).into(),
                queue_max: queue.map_or(configured, |queue| queue.max).into(),
            }
        });
        shown.collect()
    }

    fn health(&self, asked: &Asked) -> Vec<u8> {
        let reply = match asked.method.as_str() {
            "GET" | "HEAD" => self.state().answer(&asked.path),
            _ => stats::Reply {
                status: 405,
                body: "{\"status\":\"only GET and HEAD\"}\n".to_owned(),
            },
        };
        let body = if asked.method == "HEAD" { "" } else { reply.body.as_str() };
        let (status, reason) = (reply.status, http1::reason(reply.status));
        let length = reply.body.len();
        format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Cache-Control: no-store\r\nConnection: close\r\n\r\n{body}"
        )
        .into_bytes()
    }

    /// What the node of the instance asks for: the answer to [`commands::LOAD`](crate::control::commands::LOAD).
    pub(super) fn load_told(&self) -> String {
        let health = self.state();
        if health.ready == 0 && !health.asleep {
            return "failed: no worker is ready\n".to_owned();
        }
        let boards = self.boards();
        let boards: Vec<&Board> = boards.iter().map(|board| &**board).collect();
        let queues = self.sockets_shown().into_iter().map(|socket| socket.queue);
        let load = stats::load(&boards, health.ready, queues.sum());
        match serde_json::to_string(&load) {
            Ok(text) => format!("text:\n{text}\n"),
            Err(error) => format!("failed: {error}\n"),
        }
    }

    /// Of the newest generation first.
    fn boards(&self) -> Vec<Arc<Board>> {
        let mut boards: Vec<_> = self.hands().boards.iter().collect();
        boards.sort_by_key(|(generation, _)| Reverse(**generation));
        boards.into_iter().map(|(_, board)| board.clone()).collect()
    }

    fn state(&self) -> Health {
        let boards = self.boards();
        let processes = boards
            .iter()
            .flat_map(|board| board.place_ids().map(move |place| board.process(place)));
        let ready = processes.filter(|process| {
            let lives = process.number.load(Relaxed) != 0 && process.pid.load(Relaxed) != 0;
            lives && process.is_ready() && !process.draining.load(Relaxed)
        });
        Health {
            pid: self.pid.as_raw(),
            ready: u16::try_from(ready.count()).unwrap_or(u16::MAX),
            workers: self.context.config.processes.workers,
            stopping: self.supervisor.stops(),
            paused: self.supervisor.is_paused(),
            asleep: self.supervisor.is_asleep(),
            draining: self.context.cluster.as_ref().is_some_and(|it| it.board.is_draining()),
        }
    }
}
