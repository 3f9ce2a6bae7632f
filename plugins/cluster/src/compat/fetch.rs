//! The configuration of an instance that has none, from an old cluster: asks, waits, asks again, takes the first answer.

use uwsgi_plugin_api::cluster::Options;
use uwsgi_protocol::cluster::{Datagram, decode};

use super::log::Budget;
use super::{Action, allowed, send};
use crate::id::Millis;

/// How long an answer is waited for, in milliseconds; then it is asked again, for ever.
pub const ANSWER_MS_MAX: Millis = 10_000;

/// Who looks for a configuration. Pure: nothing is sent but what it gives out.
#[derive(Debug)]
pub struct Fetch {
    group: String,
    hostname: String,
    /// `None` before the first question, and after the answer.
    asked: Option<Millis>,
    over: bool,
    budget: Budget,
}

impl Fetch {
    /// Nothing is asked before the first [`Fetch::tick`].
    pub fn new(group: &str, hostname: &str) -> Self {
        let (group, hostname) = (group.to_owned(), hostname.to_owned());
        Self { group, hostname, asked: None, over: false, budget: Budget::default() }
    }

    /// Asks, where it is time to.
    pub fn tick(&mut self, now: Millis, out: &mut Vec<Action>) {
        if self.over || self.next_wake().is_some_and(|at| now < at) {
            return;
        }
        if self.asked.is_none() {
            send(&Datagram::Hello(self.hostname.as_bytes()), out);
        }
        self.asked = Some(now);
        let group = &self.group;
        let line = format!("asking \"{group}\" uWSGI cluster for configuration data");
        out.push(Action::Log(line));
        send(&Datagram::OptionsRequest, out);
    }

    /// When [`Fetch::tick`] is wanted; `None` once an answer has come.
    pub fn next_wake(&self) -> Option<Millis> {
        (!self.over).then(|| self.asked.map_or(0, |asked| asked + ANSWER_MS_MAX))
    }

    /// The options that an answer may set, in their order. Other datagrams are nothing, and so are answers to no question of ours and those of
    /// which nothing may be taken.
    pub fn receive(
        &mut self,
        now: Millis,
        datagram: &[u8],
        out: &mut Vec<Action>,
    ) -> Option<Options> {
        let asked = self.asked.filter(|asked| now < asked + ANSWER_MS_MAX && !self.over);
        asked?;
        // The head alone, with a size that nothing follows: what 1.3 and 1.4 answer (protocol reference 6.2).
        if let [99, _, _, 1] = datagram {
            let line = format!(
                "cluster: somebody of {} answers without options, as uWSGI 1.3 and 1.4 do: another node has to",
                self.group
            );
            out.extend(self.budget.line(now, line).map(Action::Log));
        }
        let Ok(Datagram::Options(pairs)) = decode(datagram) else { return None };
        let (taken, refused) = sorted(&pairs);
        if !refused.is_empty() {
            let (group, refused) = (&self.group, refused.join(", "));
            let line =
                format!("cluster: options of {group} that are not taken from others: {refused}");
            out.extend(self.budget.line(now, line).map(Action::Log));
        }
        if taken.is_empty() {
            return None;
        }
        (self.over, self.asked) = (true, None);
        Some(taken)
    }
}

/// Options to take, and names of the others.
fn sorted(pairs: &[(&[u8], &[u8])]) -> (Options, Vec<String>) {
    let (mut taken, mut refused) = (Options::new(), Vec::new());
    for (name, value) in pairs {
        let text = std::str::from_utf8(name).ok().zip(std::str::from_utf8(value).ok());
        match text.filter(|(name, value)| allowed::is_allowed(name, value)) {
            Some((name, value)) => taken.push((name.to_owned(), value.to_owned())),
            // It is this node's own already.
            None if *name == b"cluster" => {}
            None => refused.push(super::escaped(name)),
        }
    }
    (taken, refused)
}
