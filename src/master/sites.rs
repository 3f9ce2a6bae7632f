//! The processes of sites: their channels, how they are started, and what the next image of the master is told of them.
//!
//! The master of the instance makes a pair of sockets for each site that a worker asks for. While a site has no process, the
//! master waits for the first connection in it, without taking it. Then it starts this program once more, with a master of
//! its own (`cli/site`), which takes what is there. When that ends, because it had nothing to do or for another reason, the
//! master waits again, and whatever came meanwhile still lies in the pair. When all that happens: `site_life`.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::str::SplitWhitespace;
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout};

use super::context::MasterContext;
use super::handover::Passed;
use super::run::now;
use super::site_order::{END, LEASH, ListenerOrder, ORDER, SEND, SiteOrder, TAKE};
use crate::config::Config;
use crate::config::model::site_options::{self, IDENTITY};
use crate::config::model::site_spec::SiteSpec;
use crate::config::model::sites::OwnSite;
use crate::net::rescue;
use crate::shm::{SiteFigures, SitesBoard};
use crate::supervisor::sites::Life;
use crate::supervisor::{Millis, Pid};
use crate::sys::channel::Channel;
use crate::sys::handover;
use crate::sys::privileges::Identity;
use crate::sys::spawn::Program;

/// What the processes of a site are, for their image.
const ROLE: &str = "site";

/// Seconds after which a site ends that is started while the instance stops: only to take what waits for it.
const LAST_IDLE_S: u64 = 1;

/// One site.
pub(super) struct Site {
    pub(super) spec: SiteSpec,
    pub(super) send: Channel,
    pub(super) take: Channel,
    /// Of the processes that serve.
    pub(super) leash: Option<Channel>,
    pub(super) life: Life,
    /// When it was first asked for, or when its last process ended.
    pub(super) rests_since: Millis,
}

/// See the module.
pub(super) struct Sites {
    config: Arc<Config>,
    program: PathBuf,
    listeners: Vec<ListenerOrder>,
    /// Where connections go that are not the site's.
    home: Option<Arc<OwnedFd>>,
    /// Where requests of sites are counted.
    figures: Arc<SitesBoard>,
    pub(super) all: BTreeMap<u32, Site>,
    pub(super) by_key: HashMap<Vec<u8>, u32>,
    pub(super) next: u32,
    pub(super) complained: Option<Millis>,
    /// The instance is to stop when its requests are done.
    pub(super) gently: bool,
    /// Its workers have ended: until then, what waits for sites is served.
    pub(super) stops_at: Option<Millis>,
}

/// What another image of the master has left.
#[derive(Default)]
pub(super) struct SavedSites {
    pub(super) sites: Vec<(u32, Site)>,
    listeners: Vec<ListenerOrder>,
}

impl From<&MasterContext> for Sites {
    fn from(context: &MasterContext) -> Self {
        let specs = context.config.sockets.iter().map(|spec| spec.router);
        let routers = specs.chain(std::iter::repeat(false));
        let listeners = context.served.iter().zip(routers);
        let home = context.shared.iter().find(|(name, _)| name == rescue::SEND);
        Self {
            config: context.config.clone(),
            program: context.origin.program.clone(),
            listeners: listeners.map(|(one, router)| ListenerOrder::of(one, router)).collect(),
            home: home.map(|(_, fd)| fd.clone()),
            figures: context.figures.clone(),
            all: BTreeMap::new(),
            by_key: HashMap::new(),
            next: 0,
            complained: None,
            gently: false,
            stops_at: None,
        }
    }
}

impl Sites {
    /// Workers of an earlier generation may hand over what came by listeners that are no more.
    pub(super) fn know_listeners_of(&mut self, saved: &SavedSites) {
        for old in &saved.listeners {
            let same = |one: &ListenerOrder| one.protocol == old.protocol && one.name == old.name;
            if !self.listeners.iter().any(same) {
                self.listeners.push(old.clone());
            }
        }
    }

    /// Completes what is known of sites by the processes that they have.
    pub(super) fn tell_processes(&self, figures: &mut [SiteFigures]) {
        let running = self.all.values().filter_map(|site| {
            let (pid, _) = site.life.up()?;
            Some((SitesBoard::mark(&site.spec.key), pid.as_raw()))
        });
        let running: HashMap<u64, i32> = running.collect();
        for site in figures {
            site.pid = running.get(&site.mark).copied().unwrap_or(0);
        }
    }

    /// When there is something to do.
    pub(super) fn next_wake(&self) -> Option<Millis> {
        let lives = self.all.values().filter_map(|site| site.life.wake());
        let stop = self.stops_at.filter(|at| *at > now());
        lives.chain(stop).min()
    }

    /// No process is left, and nothing waits for one.
    pub(super) fn is_quiet(&self) -> bool {
        let served = self.stops_at.is_none_or(|until| until <= now());
        self.all.values().all(|site| site.life.is_quiet() && (served || !site.is_asked_for()))
    }

    /// For the next image.
    pub(super) fn save(&self, text: &mut String, passed: &mut Vec<(String, RawFd)>) {
        for listener in self.listeners.iter().filter(|_| !self.all.is_empty()) {
            text.push_str(&format!("site-listener {}\n", hex(&listener.encode())));
        }
        for (number, site) in &self.all {
            let (pid, since) = site.life.up().unwrap_or((Pid::from_raw(0), Millis(0)));
            let spec = hex(&site.spec.encode());
            text.push_str(&format!("site {number} {pid} {} {spec}", since.0));
            for (pid, kill_at) in site.life.leaving() {
                text.push_str(&format!(" {pid} {}", kill_at.0));
            }
            text.push('\n');
            let mut pass = |what: &str, fd: BorrowedFd<'_>| {
                passed.push((format!("site {number} {what}"), fd.as_raw_fd()));
            };
            pass(SEND, site.send.as_fd());
            pass(TAKE, site.take.as_fd());
            site.leash.iter().for_each(|leash| pass(LEASH, leash.as_fd()));
        }
    }
}

impl SavedSites {
    /// Takes a line of [`Sites::save`], without its first word.
    pub(super) fn restore(&mut self, words: &mut SplitWhitespace<'_>, passed: &mut Passed) {
        self.sites.extend(restored(words, passed));
    }

    /// The same of a listener.
    pub(super) fn restore_listener(&mut self, words: &mut SplitWhitespace<'_>) {
        let bytes = words.next().and_then(unhex);
        self.listeners.extend(bytes.and_then(|bytes| ListenerOrder::decode(&bytes)));
    }
}

fn restored(words: &mut SplitWhitespace<'_>, passed: &mut Passed) -> Option<(u32, Site)> {
    let number: u32 = words.next()?.parse().ok()?;
    let pid: i32 = words.next()?.parse().ok()?;
    let since = Millis(words.next()?.parse().ok()?);
    let spec = SiteSpec::decode(&unhex(words.next()?)?)?;
    let mut leaving = Vec::new();
    while let (Some(pid), Some(kill_at)) = (words.next(), words.next()) {
        leaving.push((Pid::from_raw(pid.parse().ok()?), Millis(kill_at.parse().ok()?)));
    }
    let mut take = |what: &str| passed.remove(&format!("site {number} {what}")).map(Channel::from);
    let (send, own) = (take(SEND)?, take(TAKE)?);
    let up = (pid > 0).then_some((Pid::from_raw(pid), since));
    let (leash, life) = (take(LEASH), Life::resumed(up, leaving));
    Some((number, Site { spec, send, take: own, leash, life, rests_since: now() }))
}

impl Site {
    /// Whether a connection waits in its pair.
    pub(super) fn is_asked_for(&self) -> bool {
        let mut fds = [PollFd::new(self.take.as_fd(), PollFlags::POLLIN)];
        nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    /// Its processes are to end when they have done what they have.
    pub(super) fn dismiss(&mut self, kill_at: Millis) {
        if let (Some(leash), Some(_)) = (self.leash.take(), self.life.leave(kill_at)) {
            // Where that fails, the end of the leash says the same.
            let _ = leash.send(END);
        }
    }
}

impl Sites {
    pub(super) fn keep(&mut self, number: u32, site: Site) {
        self.next = self.next.max(number + 1);
        self.by_key.insert(site.spec.key.clone(), number);
        self.all.insert(number, site);
    }

    /// Starts the processes of a site, which take what is in its pair.
    pub(super) fn start(&mut self, number: u32) -> io::Result<Pid> {
        let site = self.all.get_mut(&number).ok_or(io::ErrorKind::NotFound)?;
        let home = self.home.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        let stand_in = site.life.wants_stand_in();
        let sites = &self.config.sites;
        let mut options = match stand_in {
            true => site_options::for_host(sites, &site.spec.host),
            false => site_options::for_site(sites, &site.spec),
        };
        if self.stops_at.is_some() {
            options.push(("idle".to_owned(), LAST_IDLE_S.to_string()));
        }
        let [uid, gid] =
            IDENTITY.map(|name| site_options::value(&options, name).map(str::to_owned));
        options.retain(|(name, _)| !IDENTITY.contains(&name.as_str()));
        let suspects = site_options::suspects(&site.spec).into_iter().map(PathBuf::from);
        let order = SiteOrder {
            own: OwnSite {
                key: site.spec.key.clone(),
                name: site.spec.name.clone(),
                suspects: suspects.collect(),
            },
            rules: sites.rules,
            stand_in,
            options,
            listeners: self.listeners.clone(),
        };
        let file = order.write()?;
        let (ours, theirs) = Channel::pair()?;
        let mut given = vec![
            (ORDER, file.as_fd()),
            (TAKE, site.take.as_fd()),
            (SEND, site.send.as_fd()),
            (LEASH, theirs.as_fd()),
            (SitesBoard::passed_as(), self.figures.descriptor()),
        ];
        // Another user's processes are not believed: see `net/away`.
        if uid.is_none() && gid.is_none() {
            given.push((rescue::SEND, home.as_fd()));
        }
        let passed: Vec<_> =
            given.iter().map(|(name, fd)| ((*name).to_owned(), fd.as_raw_fd())).collect();
        let identity =
            Identity::resolve(uid.as_deref(), gid.as_deref()).map_err(io::Error::other)?;
        let program = Program {
            identity,
            variables: handover::variables(ROLE, &passed),
            kept: given.into_iter().map(|(_, fd)| fd).collect(),
            ..Program::new(&self.program, vec![ROLE, &site.spec.name])
        };
        let pid = program.start()?;
        site.leash = Some(ours);
        site.life.started(pid, now());
        Ok(pid)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive_as_text() {
        let bytes = [0, 1, 0xab, 0xff];
        assert_eq!(unhex(&hex(&bytes)), Some(bytes.to_vec()));
        assert_eq!(unhex("zz"), None);
    }
}
