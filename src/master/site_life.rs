//! What happens to sites: workers ask for them, requests wake them, their processes end, the instance reloads and stops.

use std::os::fd::AsFd;

use super::ears::Source;
use super::run::{Master, now};
use super::site_order::STOP;
use super::sites::{SavedSites, Site};
use crate::config::model::site_spec::SiteSpec;
use crate::log;
use crate::net::rescue::Rescue;
use crate::supervisor::sites::{End, Life};
use crate::supervisor::{Ended, Millis, Pid, Seat, Signal};
use crate::sys::process;
use crate::worker::message::answer_site;

/// Between two complaints that there are too many sites, in milliseconds.
const COMPLAINT_MS: u64 = 60_000;

impl Master {
    /// A worker asks for the channel of a site.
    pub(super) fn grant_site(&mut self, seat: Seat, spec: SiteSpec) {
        let key = spec.key.clone();
        let number = self.site_of(spec);
        number.into_iter().for_each(|number| self.mend_site(number));
        let hands = self.hands();
        let Some(worker) = hands.workers.get(&seat) else { return };
        let site = number.and_then(|number| hands.sites.all.get(&number));
        let answer = answer_site(&key, site.is_some());
        let sent = match site {
            Some(site) => worker.channel.send_with_fd(&answer, site.send.as_fd()),
            None => worker.channel.send(&answer),
        };
        // It asks again.
        if let Err(error) = sent {
            log::line(format_args!("a worker cannot be told of a site: {error}"));
        }
    }

    fn site_of(&mut self, spec: SiteSpec) -> Option<u32> {
        let max = self.room_for_sites();
        let sites = &mut self.hands_mut().sites;
        if let Some(number) = sites.by_key.get(&spec.key).copied() {
            // What is no part of the key counts from the next start on.
            sites.all.get_mut(&number)?.spec = spec;
            return Some(number);
        }
        if sites.all.len() >= max && !self.forget_a_site() {
            let sites = &mut self.hands_mut().sites;
            if sites.complained.is_none_or(|at| now().since(at) >= COMPLAINT_MS) {
                sites.complained = Some(now());
                let name = &spec.name;
                log::line(format_args!(
                    "site {name}: refused with 503, {max} others are busy (max-sites; a third of the limit of open descriptors)"
                ));
            }
            return None;
        }
        let (send, take) = Rescue::pair()
            .inspect_err(|error| log::line(format_args!("site {}: no channel: {error}", spec.name)))
            .ok()?;
        let sites = &mut self.hands_mut().sites;
        let number = sites.next;
        let life = Life::default();
        sites.keep(number, Site { spec, send, take, leash: None, life, rests_since: now() });
        self.await_site(number);
        Some(number)
    }

    /// Sites that another image of the master had: their processes have its configuration.
    pub(super) fn restore_sites(&mut self, saved: SavedSites) {
        let mercy_at = self.mercy_at();
        self.hands_mut().sites.know_listeners_of(&saved);
        for (number, mut site) in saved.sites {
            site.dismiss(mercy_at);
            self.hands_mut().sites.keep(number, site);
            self.await_site(number);
        }
    }

    pub(super) fn mercy_at(&self) -> Millis {
        now() + self.context.config.processes.worker_mercy.as_millis() as u64
    }

    /// Hears of the next connection for a site without processes.
    pub(super) fn await_site(&mut self, number: u32) {
        let hands = self.hands_mut();
        let Some(site) = hands.sites.all.get(&number).filter(|site| site.life.is_idle()) else {
            return;
        };
        hands.ears.forget(site.take.as_fd(), Source::Site(number));
        if let Err(error) = hands.ears.listen(site.take.as_fd(), Source::Site(number)) {
            log::line(format_args!("site {}: cannot be heard: {error}", site.spec.name));
        }
    }

    /// A connection waits for a site.
    pub(super) fn hear_site(&mut self, number: u32) {
        self.mend_site(number);
        let hands = self.hands_mut();
        let sites = &mut hands.sites;
        let over = sites.stops_at.is_some_and(|at| at <= now());
        let Some(site) = sites.all.get(&number).filter(|site| site.life.is_idle() && !over) else {
            return;
        };
        if !site.is_asked_for() {
            return;
        }
        hands.ears.forget(site.take.as_fd(), Source::Site(number));
        let name = site.spec.name.clone();
        match sites.start(number) {
            Ok(pid) => {
                let stand_in =
                    sites.all.get(&number).is_some_and(|site| site.life.wants_stand_in());
                let what = if stand_in { "cannot be started, answers 500" } else { "started" };
                log::line(format_args!("site {name}: {what} (pid {pid})"));
            }
            Err(error) => {
                log::line(format_args!("site {name}: cannot be started: {error}"));
                let site = sites.all.get_mut(&number);
                let again = site.is_some_and(|site| site.life.start_failed(now()) == 0);
                if again {
                    self.await_site(number);
                }
            }
        }
    }

    /// A child has ended; false where it was no site's.
    pub(super) fn site_ended(&mut self, pid: Pid, ended: Ended) -> bool {
        let sites = &mut self.hands_mut().sites;
        let found = sites.all.iter_mut().find_map(|(number, site)| {
            let end = site.life.ended(pid, ended, now())?;
            if end != End::Told {
                site.leash = None;
            }
            site.rests_since = now();
            Some((*number, end, site.spec.name.clone()))
        });
        let Some((number, end, name)) = found else { return false };
        match end {
            End::Idle => log::line(format_args!("site {name}: idle, stopped")),
            End::Told => log::line(format_args!("site {name}: stopped")),
            End::Died { pause_ms: 0 } => log::line(format_args!("site {name}: DIED ({ended})")),
            End::Died { pause_ms } => {
                let seconds = pause_ms / 1000;
                log::line(format_args!(
                    "site {name}: DIED ({ended}), throttling it for {seconds} seconds"
                ));
            }
        }
        self.mend_site(number);
        self.await_site(number);
        true
    }

    /// Time has passed.
    pub(super) fn tick_sites(&mut self) {
        let sites = &mut self.hands_mut().sites;
        let mut rested = Vec::new();
        let at = now();
        for (number, site) in &mut sites.all {
            let (over, killed) = site.life.tick(at);
            killed.into_iter().for_each(kill_group);
            if over {
                rested.push(*number);
            }
        }
        rested.into_iter().for_each(|number| self.await_site(number));
    }

    /// Each site ends when its requests are done, and starts again when it is asked for.
    pub(super) fn renew_sites(&mut self) {
        let mercy_at = self.mercy_at();
        let sites = &mut self.hands_mut().sites;
        sites.all.values_mut().for_each(|site| site.dismiss(mercy_at));
        let numbers: Vec<_> = sites.all.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.await_site(number));
    }

    /// The instance begins to stop. Gracefully: its workers may still have requests for sites.
    pub(super) fn begin_to_stop_sites(&mut self, gracefully: bool) {
        self.hands_mut().sites.gently = gracefully;
        if !gracefully {
            self.stop_sites();
        }
    }

    /// Somebody asks for the end, perhaps not for the first time.
    pub(super) fn hurry_sites(&mut self) {
        self.hands_mut().sites.gently = false;
        if self.hands().sites.stops_at.is_some() {
            self.stop_sites();
        }
    }

    /// The workers of the instance have ended, or are not waited for. What they have left to sites is served first, where
    /// the stop is a gentle one.
    pub(super) fn stop_sites(&mut self) {
        /// What is told to end at once has so long.
        const BRUTAL_MS: u64 = 2_000;
        let gracefully = self.hands().sites.gently;
        let mercy_at = if gracefully { self.mercy_at() } else { now() };
        let sites = &mut self.hands_mut().sites;
        if sites.all.is_empty() || sites.stops_at.is_some_and(|at| at <= mercy_at) {
            return;
        }
        sites.stops_at = Some(mercy_at);
        for site in sites.all.values_mut() {
            if let (false, Some(leash)) = (gracefully, &site.leash) {
                // Where that fails, it is killed.
                let _ = leash.send(STOP);
            }
            site.dismiss(if gracefully { mercy_at } else { now() + BRUTAL_MS });
            site.life.hurry(if gracefully { mercy_at } else { now() + BRUTAL_MS });
        }
        let numbers: Vec<_> = sites.all.keys().copied().collect();
        numbers.into_iter().for_each(|number| self.await_site(number));
    }
}

/// All that a site has started.
fn kill_group(pid: Pid) {
    let killed = process::send_group_signal(pid, Signal::SIGKILL);
    if let Err(error) = killed.or_else(|_| process::send_signal(pid, Signal::SIGKILL)) {
        log::line(format_args!("kill({pid}, SIGKILL): {error}"));
    }
}
