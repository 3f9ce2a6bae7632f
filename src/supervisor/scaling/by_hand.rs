//! Workers that people add and take away: TTIN and TTOU, `+` and `-` of the master fifo.

use super::{Change, Scaler, View, WorkerView, oldest};

/// `delta` workers more or fewer, between `cheaper` (1 without it) and `processes`. Those without a request go first,
/// the oldest of them before others; a busy one finishes what it does.
pub(in crate::supervisor) fn by_hand(
    view: &View<'_>,
    delta: i32,
    (scaler, processes): (Option<&Scaler>, u16),
) -> Change {
    let active = view.workers.len() as u16;
    let mut change = Change::default();
    let steps = u16::try_from(delta.unsigned_abs()).unwrap_or(u16::MAX);
    if delta >= 0 {
        let most = scaler.map_or(processes, |scaler| scaler.most(view.workers));
        change.start = steps.min(most.saturating_sub(active));
        if change.start < steps && most < processes {
            change.lines.push(format!(
                "no more than {most} workers: the memory of all of them together is at cheaper-rss-limit-soft"
            ));
        }
        return change;
    }
    let least = scaler.map_or(1, Scaler::least);
    let mut left: Vec<WorkerView> = view.workers.to_vec();
    for _ in 0..steps.min(active.saturating_sub(least)) {
        let Some(worker) = oldest(&left, false).or_else(|| oldest(&left, true)) else { break };
        left.retain(|one| one.id != worker);
        change.stop.push(worker);
    }
    change
}
