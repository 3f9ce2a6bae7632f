//! What a node keeps in mind of another one, besides its membership.

use uwsgi_plugin_api::cluster::NodeState;

use crate::id::{Life, Member, Millis};
use crate::wire::About;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The life in which membership knows it.
    pub(super) life: Life,
    /// What it told last.
    pub(super) about: Option<About>,
    /// When it was heard of last.
    pub(super) heard: Millis,
    /// When it told of itself last.
    pub(super) told: Millis,
    /// It said that it goes, in this life.
    pub(super) left: Option<Life>,
    pub(super) down_since: Option<Millis>,
    /// When it was last told that it is held for silent.
    pub(super) confronted: Millis,
    /// When it was last held for silent because nothing came from it.
    pub(super) doubted: Option<Millis>,
    /// What the log says of it, and of which life.
    pub(super) said: Option<(NodeState, Life)>,
    /// The two configurations of which the log says that they differ.
    pub(super) differs: Option<(u64, u64)>,
}

impl Known {
    /// A node that was told of now.
    pub(super) const fn new(now: Millis, life: Life) -> Self {
        Self {
            life,
            about: None,
            heard: now,
            told: 0,
            left: None,
            down_since: None,
            confronted: 0,
            doubted: None,
            said: None,
            differs: None,
        }
    }

    /// Takes what it tells of itself, unless it is older than what is known. True where more than the load is new.
    pub(super) fn take(&mut self, now: Millis, about: About) -> bool {
        let Member { life, epoch, .. } = about.member;
        if let Some(old) = &self.about {
            let late = old.member.life == life && old.serial >= about.serial;
            let past = old.member.life != life && old.member.epoch > epoch;
            if late || past {
                return false;
            }
        }
        self.heard = now;
        self.told = now;
        if about.leaving {
            self.left = Some(life);
        }
        let news = self.about.as_ref().is_none_or(|old| !is_same(old, &about));
        self.about = Some(about);
        news
    }

    /// Whether it said that it goes, and did not come back.
    pub(super) fn has_left(&self) -> bool {
        self.left == Some(self.life)
    }

    pub(super) fn is_observer(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.observer)
    }

    pub(super) fn is_draining(&self) -> bool {
        self.about.as_ref().is_some_and(|about| about.draining)
    }
}

/// Whether two tell the same, but for the load.
pub(super) fn is_same(one: &About, other: &About) -> bool {
    let load = |about: &About| about.load.map(|_| Default::default());
    let plain = |about: &About| About { serial: 0, load: load(about), ..about.clone() };
    plain(one) == plain(other)
}
