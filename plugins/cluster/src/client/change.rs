//! Changes of all nodes, one after the other: asked of the leader, and told as they go.

use std::io::Write;

use uwsgi_plugin_api::PluginError;
use uwsgi_plugin_api::cluster::Options;

use super::guest::{ANSWER_MAX, Guest};
use super::{confused, enter_to_lead, say};
use crate::id::{Member, Millis};
use crate::plan::Plan;
use crate::run::clock;
use crate::wire::{Reply, Request};

/// How often it is asked how far it is, in milliseconds.
const ASK_EVERY: Millis = 300;
/// So long the leader may be silent before nothing more is known, in milliseconds.
const SILENCE_MAX: Millis = 30_000;

pub(super) fn reload(plan: &Plan, parallel: u16, out: &mut dyn Write) -> Result<(), PluginError> {
    roll(plan, &Request::Roll { config: None, parallel }, out)
}

pub(super) fn configure(
    plan: &Plan,
    parallel: u16,
    options: Options,
    out: &mut dyn Write,
) -> Result<(), PluginError> {
    roll(plan, &Request::Roll { config: Some(options), parallel }, out)
}

fn roll(plan: &Plan, request: &Request, out: &mut dyn Write) -> Result<(), PluginError> {
    let (mut guest, view) = enter_to_lead(plan)?;
    let leader = guest.leader(&view)?;
    match guest.ask(leader, request, ANSWER_MAX)? {
        Reply::Rolling { roll } => follow(&mut guest, leader, roll, out),
        reply => Err(confused(&reply)),
    }
}

/// Tells each line once, until the end.
fn follow(
    guest: &mut Guest,
    leader: Member,
    roll: u64,
    out: &mut dyn Write,
) -> Result<(), PluginError> {
    let mut told = 0;
    let mut heard = clock::monotonic();
    loop {
        match guest.ask(leader, &Request::Progress { roll }, ANSWER_MAX) {
            Ok(Reply::Progress(progress)) => {
                heard = clock::monotonic();
                // The reason is told as the error.
                let reason = progress.outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
                for line in progress.lines.iter().skip(told).filter(|line| Some(*line) != reason) {
                    say(out, &format!("{line}\n"))?;
                }
                told = told.max(progress.lines.len());
                match progress.outcome {
                    Some(Ok(())) => return Ok(()),
                    Some(Err(why)) => return Err(PluginError(why)),
                    None => {}
                }
            }
            Ok(reply) => return Err(confused(&reply)),
            Err(error) if clock::monotonic() > heard + SILENCE_MAX => {
                return Err(PluginError(format!(
                    "{error}; what became of the change is not known: see uwsgi cluster nodes and uwsgi cluster log"
                )));
            }
            Err(_) => {}
        }
        guest.turn_until(clock::monotonic() + ASK_EVERY)?;
    }
}
