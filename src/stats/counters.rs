//! The counters as lines of the log, in uWSGI's words: what USR1 asks a master or a worker for.

use uwsgi_plugin_api::{AppStatus, WorkerId};

use crate::shm::{Board, PlaceId};

const RULE: &str = "-----------------";

/// Of all workers.
pub fn of_instance(board: &Board) -> Vec<String> {
    let mut lines = vec![format!("\tworkers total requests: {}", board.requests_total())];
    lines.push(RULE.to_owned());
    for worker in board.worker_ids() {
        let Some(place) = board.place_of(worker) else { continue };
        let app_lines = app_lines(board, place).into_iter();
        lines.extend(app_lines.map(|line| format!("\tworker {worker} {line}")));
        lines.push(RULE.to_owned());
    }
    lines
}

/// Of one worker process.
pub fn of_worker(board: &Board, worker: WorkerId, place: PlaceId) -> Vec<String> {
    let total = board.worker_requests(worker);
    let mut lines = vec![format!("worker {worker} total requests: {total}")];
    lines.extend(app_lines(board, place).into_iter().map(|line| format!("\t{line}")));
    lines.push(RULE.to_owned());
    lines
}

fn app_lines(board: &Board, place: PlaceId) -> Vec<String> {
    let line = |app: &AppStatus| {
        let AppStatus { id, mountpoint, requests, exceptions, .. } = app;
        format!("app {id} [{mountpoint}] requests: {requests} exceptions: {exceptions}")
    };
    board.apps(place).iter().map(line).collect()
}
