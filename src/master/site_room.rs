//! How many sites an instance knows at once, and which one is forgotten for another.
//!
//! Each has descriptors in the master, also while nobody asks for it. Where there is no room for more (`max-sites`, or the
//! limit of descriptors), the one that has rested longest is forgotten: workers that still know its pair find it closed, and
//! ask again. A site with processes, or one that is asked for, is never forgotten.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout};
use nix::sys::socket::{Shutdown, shutdown};

use super::ears::Source;
use super::run::Master;
use super::sites::Site;
use crate::log;
use crate::net::rescue::Rescue;
use crate::sys::channel::MESSAGE_BYTES_MAX;
use crate::sys::memory;

/// Descriptors of a site while its processes run.
const DESCRIPTORS_OF_SITE: u64 = 3;
/// Descriptors that the master needs besides.
const DESCRIPTORS_KEPT: u64 = 64;

/// How many sites have room, where so many are allowed, and a process may have so many descriptors.
fn room(sites_max: u16, descriptors_max: Option<u64>) -> usize {
    let all = descriptors_max.unwrap_or(u64::MAX);
    let most = all.saturating_sub(DESCRIPTORS_KEPT) / DESCRIPTORS_OF_SITE;
    usize::try_from(most).unwrap_or(usize::MAX).clamp(1, usize::from(sites_max).max(1))
}

impl Master {
    /// How many sites have room.
    pub(super) fn room_for_sites(&self) -> usize {
        room(self.context.config.sites.sites_max, memory::open_files_max())
    }

    /// Forgets the site that has rested longest; false where each has something to do.
    pub(super) fn forget_a_site(&mut self) -> bool {
        let hands = self.hands_mut();
        let resting = hands.sites.all.iter().filter(|(_, site)| site.rests());
        let Some(number) = resting.min_by_key(|(_, site)| site.rests_since).map(|(at, _)| *at)
        else {
            return false;
        };
        let Some(mut site) = hands.sites.all.remove(&number) else { return false };
        hands.ears.forget(site.take.as_fd(), Source::Site(number));
        let late = site.close();
        if late.is_empty() {
            hands.sites.by_key.remove(&site.spec.key);
            return true;
        }
        // Somebody has asked for it just now.
        if let Err(error) = site.reopen(&late) {
            log::line(format_args!("site {}: requests are lost: {error}", site.spec.name));
        }
        hands.sites.keep(number, site);
        self.await_site(number);
        self.forget_a_site()
    }
}

impl Master {
    /// A pair that its own processes have shut down is replaced, and so are they: nothing could be sent to the site ever after,
    /// and it would seem to be asked for all the time.
    pub(super) fn mend_site(&mut self, number: u32) {
        let mercy_at = self.mercy_at();
        let hands = self.hands_mut();
        let broken = hands.sites.all.get_mut(&number).filter(|site| site.is_broken());
        let Some(site) = broken else { return };
        let name = site.spec.name.clone();
        log::line(format_args!("site {name}: its processes have shut their channel, replaced"));
        hands.ears.forget(site.take.as_fd(), Source::Site(number));
        site.dismiss(mercy_at);
        let late = site.close();
        match site.reopen(&late) {
            Ok(()) => self.await_site(number),
            // The next one who asks for it has it tried again.
            Err(error) => log::line(format_args!("site {name}: no channel: {error}")),
        }
    }
}

impl Site {
    fn is_broken(&self) -> bool {
        let ended = PollFlags::from_bits_retain(libc::POLLRDHUP);
        let mut fds = [PollFd::new(self.take.as_fd(), ended)];
        nix::poll::poll(&mut fds, PollTimeout::ZERO).is_ok_and(|count| count > 0)
    }

    fn rests(&self) -> bool {
        self.life.is_idle() && self.life.is_quiet() && !self.is_asked_for()
    }

    /// Nothing can be sent to it from now on. What was sent before comes back.
    fn close(&mut self) -> Vec<(Vec<u8>, OwnedFd)> {
        if let Err(error) = shutdown(self.take.as_fd().as_raw_fd(), Shutdown::Read) {
            log::line(format_args!("site {}: cannot be closed: {error}", self.spec.name));
        }
        let mut buffer = vec![0; MESSAGE_BYTES_MAX];
        let mut late = Vec::new();
        while let Ok(Some((length, fd))) = self.take.receive_with_fd(&mut buffer) {
            late.extend(fd.map(|fd| (buffer[..length].to_vec(), fd)));
        }
        late
    }

    /// A new pair, with what was in the one before.
    fn reopen(&mut self, late: &[(Vec<u8>, OwnedFd)]) -> std::io::Result<()> {
        (self.send, self.take) = Rescue::pair()?;
        late.iter().try_for_each(|(message, fd)| self.send.send_with_fd(message, fd.as_fd()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::site_spec::SiteSpec;
    use crate::supervisor::Millis;
    use crate::supervisor::sites::Life;

    fn site() -> Site {
        let (send, take) = Rescue::pair().unwrap();
        let (spec, life) = (SiteSpec::default(), Life::default());
        Site { spec, send, take, leash: None, life, rests_since: Millis(0) }
    }

    #[test]
    fn there_is_room_as_far_as_descriptors_go() {
        assert_eq!(room(1_024, None), 1_024);
        assert_eq!(room(1_024, Some(256)), 64);
        assert_eq!(room(10, Some(256)), 10);
        assert_eq!(room(10, Some(1)), 1);
    }

    #[test]
    fn nothing_is_lost_of_what_was_sent_before_it_was_closed() {
        let mut site = site();
        assert!(site.rests() && !site.is_broken());
        let worker = site.send.as_fd().try_clone_to_owned().unwrap();
        let worker = crate::sys::channel::Channel::from(worker);
        worker.send_with_fd(b"a", site.take.as_fd()).unwrap();
        assert!(!site.rests(), "it is asked for");
        let late = site.close();
        assert_eq!(late.len(), 1);
        let error = worker.send(b"b").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe, "the worker asks again");
        assert!(site.is_broken());
        site.reopen(&late).unwrap();
        assert!(!site.is_broken());
        assert!(site.is_asked_for());
        let (length, fd) = site.take.receive_with_fd(&mut [0; 8]).unwrap().unwrap();
        assert!(length == 1 && fd.is_some());
    }
}
