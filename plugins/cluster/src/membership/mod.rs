//! Who is there: SWIM with suspicion, by the foca library, behind our own notion of a member.
//!
//! Everything is handed in and out: the time, bytes from others, bytes for others, notices. Timers of the library lie in a
//! heap. The library stops its timers while it knows of nobody that lives; who calls [`Membership::meet`] with somebody
//! brings it back, which is what the Hello of a node is for. It forgets nobody by itself ([`Membership::forget`] does), and
//! its errors end nothing: they are counted.
//!
//! Not here: what a node tells of itself, and whether a node that is down said before that it goes.

mod codec;
mod timers;

use std::num::{NonZeroU8, NonZeroUsize};
use std::time::Duration;

use foca::{Config, Foca, NoCustomBroadcast, Notification, PeriodicParams, Runtime, State, Timer};
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::id::{Member, Millis, NodeKey};
use crate::wire::GOSSIP_BYTES_MAX;
use timers::Timers;

/// Nodes that are kept in mind, with those that are down.
pub const MEMBERS_MAX: usize = 1_024;
/// Between two probes.
const PROBE_MS: u64 = 500;
/// How long a probe may take before others are asked to try.
const PROBE_RTT_MS: u64 = 200;
/// From the suspicion that a node is down to the certainty, in a cluster of ten.
const SUSPICION_MS: f64 = 1_500.0;
/// From [`Membership::doubt`] to the certainty: it was silent for long before.
const DOUBT_MS: u64 = 1_200;
/// Between two times that what is new is told on.
const GOSSIP_MS: u64 = 200;
/// Between two tries to reach nodes that are down.
const DOWN_MS: u64 = 1_000;

impl foca::Identity for Member {
    type Addr = NodeKey;

    fn renew(&self) -> Option<Self> {
        Some(Self { epoch: self.epoch.saturating_add(1), ..*self })
    }

    fn addr(&self) -> NodeKey {
        self.key
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        (self.epoch, self.life) > (adversary.epoch, adversary.life)
    }
}

/// What became of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It is there.
    Up(Member),
    /// It is there no more.
    Down(Member),
    /// It is there in another life, or came back after it was said to be down.
    Renewed(Member),
}

/// What the library wants, collected.
#[derive(Default)]
struct Outbox {
    sends: Vec<(Member, Vec<u8>)>,
    timers: Vec<(Duration, Timer<Member>)>,
    token: Option<foca::TimerToken>,
    notices: Vec<Notice>,
}

impl Runtime<Member> for &mut Outbox {
    fn notify(&mut self, notification: Notification<'_, Member>) {
        match notification {
            Notification::MemberUp(member) => self.notices.push(Notice::Up(*member)),
            Notification::MemberDown(member) => self.notices.push(Notice::Down(*member)),
            Notification::Rename(_, later) => self.notices.push(Notice::Renewed(*later)),
            _ => {}
        }
    }

    fn send_to(&mut self, to: Member, data: &[u8]) {
        self.sends.push((to, data.to_vec()));
    }

    fn submit_after(&mut self, event: Timer<Member>, after: Duration) {
        if let Timer::ProbeRandomMember(token) = event {
            self.token = Some(token);
        }
        self.timers.push((after, event));
    }
}

/// What membership has for others.
#[derive(Debug, Default)]
pub struct Told {
    /// Bytes for [`crate::wire::Message::Gossip`].
    pub sends: Vec<(Member, Vec<u8>)>,
    /// What became of nodes, in order.
    pub notices: Vec<Notice>,
}

/// The members of a cluster as one of them knows them.
pub struct Membership {
    foca: Foca<Member, codec::Wire, StdRng, NoCustomBroadcast>,
    timers: Timers,
    /// What timers have to show to be taken for timely.
    token: Option<foca::TimerToken>,
    /// For how many nodes the library is set.
    size: usize,
    errors: u64,
}

impl Membership {
    /// A node that knows of nobody. `size_hint`: how many it will be, itself too; corrected by what is met.
    pub fn new(member: Member, size_hint: usize, seed: u64) -> Self {
        let rng = StdRng::seed_from_u64(seed);
        let foca = Foca::new(member, config(size_hint), rng, codec::Wire);
        Self { foca, timers: Timers::default(), token: None, size: size_hint, errors: 0 }
    }

    /// This node, in its present epoch.
    pub fn own(&self) -> Member {
        *self.foca.identity()
    }

    /// Bytes of another node came.
    pub fn receive(&mut self, now: Millis, bytes: &[u8], out: &mut Told) {
        let Ok((sender, updates)) = codec::sender(bytes) else {
            self.errors += 1;
            return;
        };
        let room = MEMBERS_MAX.saturating_sub(self.foca.iter_membership_state().len());
        if room <= usize::from(updates) && !self.knows(sender.key) {
            self.errors += 1;
            return;
        }
        self.run(now, out, |foca, outbox| foca.handle_data(bytes, outbox));
    }

    /// These nodes were told of, by themselves or by others. Those that are known are left as they are.
    pub fn meet(&mut self, now: Millis, members: &[Member], out: &mut Told) {
        for &member in members {
            let held = self.held(member.key);
            let news = match held {
                _ if member.key == self.own().key => false,
                None => self.foca.iter_membership_state().len() < MEMBERS_MAX,
                Some((held, _)) => foca::Identity::win_addr_conflict(&member, &held),
            };
            if news {
                let update = std::iter::once(foca::Member::alive(member));
                self.run(now, out, |foca, outbox| foca.apply_many(update, true, outbox));
            }
        }
    }

    /// A node that is held for suspect or down was heard: it is told so. Whom nobody tells (who found it suspect is gone, or could not reach
    /// it) would stay so for ever.
    pub fn confront(&mut self, key: NodeKey, out: &mut Told) {
        let mut all = self.foca.iter_membership_state();
        let held = all.find(|member| member.id().key == key && member.state() != State::Alive);
        if let Some(held) = held
            && let Ok(bytes) = codec::accusation(self.own(), held)
        {
            out.sends.push((*held.id(), bytes));
        }
    }

    /// A node was not heard for long, though it should have been: it is suspected as if it had not answered a probe. Where others suspect it
    /// already, this node waits no longer for them to say that it is down.
    pub fn doubt(&mut self, now: Millis, key: NodeKey, out: &mut Told) {
        let alive = |member: &&foca::Member<Member>| {
            member.id().key == key && member.state() != State::Down
        };
        let held = self.foca.iter_membership_state().find(alive).cloned();
        let (Some(held), Some(token)) = (held, self.token) else { return };
        let (member_id, incarnation) = (*held.id(), held.incarnation());
        let update = std::iter::once(foca::Member::new(member_id, incarnation, State::Suspect));
        self.run(now, out, |foca, outbox| foca.apply_many(update, true, outbox));
        self.confront(key, out);
        let timer = Timer::ChangeSuspectToDown { member_id, incarnation, token };
        self.errors += u64::from(!self.timers.add(now + DOUBT_MS, timer));
    }

    /// Others remember this node with a later epoch than it has (its clock went back): it takes one after that.
    pub fn rise(&mut self, now: Millis, epoch: u64, out: &mut Told) {
        if epoch >= self.own().epoch {
            let later = Member { epoch: epoch.saturating_add(1), ..self.own() };
            self.run(now, out, |foca, outbox| foca.change_identity(later, outbox));
        }
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Millis, out: &mut Told) {
        while let Some(timer) = self.timers.due(now) {
            self.run(now, out, |foca, outbox| foca.handle_timer(timer, outbox));
        }
        let size = self.foca.num_members() + 1;
        if size > self.size * 2 || size * 2 < self.size {
            self.size = size;
            self.errors += u64::from(self.foca.set_config(config(size)).is_err());
        }
    }

    /// When [`Membership::tick`] is wanted; `None`: not before somebody is met.
    pub fn next_wake(&self) -> Option<Millis> {
        self.timers.next()
    }

    /// All others with their states and incarnations, those that are down too.
    pub fn members(&self) -> impl Iterator<Item = (Member, State, u16)> {
        let own = self.own().key;
        let all = self.foca.iter_membership_state().filter(move |member| member.id().key != own);
        all.map(|member| (*member.id(), member.state(), member.incarnation()))
    }

    /// Whether a node is known, and as what.
    pub fn held(&self, key: NodeKey) -> Option<(Member, State)> {
        let mut all = self.members();
        all.find(|(member, ..)| member.key == key).map(|(member, state, _)| (member, state))
    }

    /// This node goes. It says so to some; nothing is to be asked of this after that.
    pub fn leave(&mut self, now: Millis, out: &mut Told) {
        self.run(now, out, |foca, outbox| foca.leave_cluster(outbox));
    }

    /// Forgets a node that is down; others are not forgotten.
    pub fn forget(&mut self, now: Millis, key: NodeKey, out: &mut Told) {
        if let Some((member, State::Down)) = self.held(key) {
            let timer = Timer::RemoveDown(member);
            self.run(now, out, |foca, outbox| foca.handle_timer(timer, outbox));
        }
    }

    /// Messages that were no messages, and what the library did not expect.
    pub const fn errors(&self) -> u64 {
        self.errors
    }

    fn knows(&self, key: NodeKey) -> bool {
        self.held(key).is_some()
    }

    fn run(
        &mut self,
        now: Millis,
        out: &mut Told,
        call: impl FnOnce(
            &mut Foca<Member, codec::Wire, StdRng, NoCustomBroadcast>,
            &mut Outbox,
        ) -> Result<(), foca::Error>,
    ) {
        let mut outbox = Outbox::default();
        self.errors += u64::from(call(&mut self.foca, &mut outbox).is_err());
        self.token = outbox.token.or(self.token);
        out.sends.append(&mut outbox.sends);
        out.notices.append(&mut outbox.notices);
        for (after, timer) in outbox.timers {
            let at = now + u64::try_from(after.as_millis()).unwrap_or(u64::MAX / 2);
            self.errors += u64::from(!self.timers.add(at, timer));
        }
    }
}

/// How the library is set for so many nodes: for a local network, with all that heals partitions.
fn config(size: usize) -> Config {
    let every = |ms, count| {
        Some(PeriodicParams { frequency: Duration::from_millis(ms), num_members: some(count) })
    };
    #[allow(clippy::cast_precision_loss)] // at most some thousands
    let tens = (size.max(10) as f64).log10();
    let suspicion_ms = SUSPICION_MS * (1.0 + (tens - 1.0) / 3.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // between 6 and 20
    let transmissions = (4.0 * tens).ceil().clamp(6.0, 20.0) as u8;
    Config {
        probe_period: Duration::from_millis(PROBE_MS),
        probe_rtt: Duration::from_millis(PROBE_RTT_MS),
        num_indirect_probes: some(3),
        max_transmissions: NonZeroU8::new(transmissions).unwrap_or(NonZeroU8::MAX),
        suspect_to_down_after: Duration::from_secs_f64(suspicion_ms / 1_000.0),
        remove_down_after: None,
        max_packet_size: some(GOSSIP_BYTES_MAX),
        notify_down_members: true,
        periodic_announce: every(2_000, 1),
        periodic_announce_to_down_members: every(DOWN_MS * (size as u64 / 32).max(1), 2),
        periodic_gossip: every(GOSSIP_MS, 3),
    }
}

fn some(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}
