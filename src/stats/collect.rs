//! The figures of an instance, read from the scoreboards.
//!
//! Reading costs the request path nothing: every figure is there already, in a word that one thread writes.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use uwsgi_plugin_api::WorkerId;
use uwsgi_plugin_api::cluster::Load;

use super::{Cluster, Core, Instance, Request, Socket, Worker};
use crate::options::COMPATIBLE_WITH;
use crate::shm::{Board, ClusterBoard, CoreSlot, CoreTotals, PlaceId, SiteFigures};
use crate::sys::{clock, process};

/// uWSGI's locks. Nothing here waits for one; who reads the document expects them.
const LOCKS: [&str; 8] = ["user 0", "signal", "filemon", "timer", "rbtimer", "cron", "rpc", "snmp"];

/// Where the figures are.
pub struct Sources<'a> {
    /// Scoreboards, of the newest generation first: while a reload goes on, some workers are of an older one.
    pub boards: &'a [&'a Board],
    /// `processes`.
    pub workers: u16,
    /// Workers were told to take no requests.
    pub paused: bool,
    /// The listening sockets.
    pub sockets: Vec<Socket>,
    /// What was done for each site.
    pub sites: Vec<SiteFigures>,
    /// What the node of the instance tells, where it is in a cluster.
    pub cluster: Option<&'a ClusterBoard>,
}

/// Reads everything. Call it in the master.
pub fn collect(sources: Sources<'_>) -> Instance {
    let Sources { boards, workers, paused, sockets, sites, cluster } = sources;
    let cwd = std::env::current_dir().unwrap_or_default();
    let instance = Instance {
        version: COMPATIBLE_WITH.to_owned(),
        pid: process::current().as_raw(),
        uid: nix::unistd::getuid().as_raw(),
        gid: nix::unistd::getgid().as_raw(),
        cwd: cwd.to_string_lossy().into_owned(),
        locks: LOCKS.iter().map(|name| ((*name).to_owned(), 0)).collect(),
        sockets,
        workers: (1..=workers).map(|id| worker(boards, WorkerId(id), paused)).collect(),
        sites,
        cluster: cluster.map(|board| Cluster {
            view: board.view(clock::monotonic_ms()).unwrap_or_default(),
            leads: board.leads(clock::monotonic_ms()),
            draining: board.is_draining(),
        }),
        ..Instance::default()
    };
    let refused = instance.workers.iter().map(|worker| worker.dynamic_refused).sum();
    Instance { dynamic_refused: refused, ..instance }
}

/// What the instance has to do at the moment: `ready` worker processes, and so many connections that wait.
pub fn load(boards: &[&Board], ready: u16, queue: u64) -> Load {
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let places = |board: &&Board| board.place_ids().collect::<Vec<_>>();
    let busy = boards.iter().map(|board| {
        let cores = places(board).into_iter().flat_map(|place| board.cores_of(place));
        cores.filter(|core| core.in_request.load(Relaxed)).count() as u64
    });
    let threads = boards.first().map_or(0, |board| u64::from(board.cores()));
    Load {
        workers: ready,
        threads: small(u64::from(ready) * threads),
        busy: small(busy.sum()),
        queue: small(queue),
        requests: boards.iter().map(|board| board.requests_total()).sum(),
    }
}

/// A worker, from the board on which a process serves as it; from the newest one where none does.
fn worker(boards: &[&Board], id: WorkerId, paused: bool) -> Worker {
    let known = boards.iter().filter(|board| id.0 <= board.workers());
    let serving = known.clone().find(|board| board.place_of(id).is_some());
    let Some(board) = serving.or(known.clone().next()) else {
        return Worker { id: id.0, status: "cheap", ..Worker::default() };
    };
    let (status, slot) = (board.status(id), board.worker(id));
    let place = board.place_of(id);
    let spawned = status.last_spawn != 0;
    Worker {
        id: id.0,
        pid: status.pid,
        accepting: place.is_some_and(|place| board.process(place).accepting.load(Relaxed)),
        requests: status.requests,
        delta_requests: status.delta_requests,
        exceptions: status.exceptions,
        harakiri_count: slot.harakiri_count.load(Relaxed),
        status: if paused && status.status == "idle" { "pause" } else { status.status },
        rss: status.rss,
        vsz: status.vsz,
        running_time: status.running_time,
        last_spawn: status.last_spawn,
        respawn_count: status.respawn_count + u64::from(spawned),
        tx: status.tx,
        avg_rt: place.map_or(0, |place| average(board.cores_of(place))),
        apps: status.apps,
        cores: cores(board, id, place),
        dynamic_refused: refused(board, id),
    }
}

/// Of all processes of a worker's number.
fn refused(board: &Board, id: WorkerId) -> u64 {
    let totals = board.totals_of(id).iter().map(|total| total.refused.load(Relaxed));
    let running = board.places_of(id).flat_map(|place| board.cores_of(place));
    totals.chain(running.map(|core| core.refused.load(Relaxed))).sum()
}

/// Of the cores that have served something: others would only pull it down.
fn average(cores: &[CoreSlot]) -> u64 {
    let times = cores.iter().filter(|core| core.requests.load(Relaxed) > 0);
    let (count, sum) =
        times.fold((0, 0), |(count, sum), core| (count + 1, sum + core.avg_rt_us.load(Relaxed)));
    sum.checked_div(count).unwrap_or(0)
}

/// Cores of a worker's number: the counters of all its processes, and what the present one does.
fn cores(board: &Board, id: WorkerId, place: Option<PlaceId>) -> Vec<Core> {
    let totals = board.totals_of(id).iter().enumerate();
    let all = totals.map(|(number, total)| {
        let sum = |past: &AtomicU64, now: fn(&CoreSlot) -> &AtomicU64| {
            let running = board.places_of(id).filter_map(|place| board.cores_of(place).get(number));
            past.load(Relaxed) + running.map(|core| now(core).load(Relaxed)).sum::<u64>()
        };
        let CoreTotals { requests, static_requests, write_errors, read_errors, .. } = total;
        let core = place.and_then(|place| board.cores_of(place).get(number));
        Core {
            id: u16::try_from(number).unwrap_or(u16::MAX),
            requests: sum(requests, |core| &core.requests),
            static_requests: sum(static_requests, |core| &core.static_requests),
            write_errors: sum(write_errors, |core| &core.write_errors),
            read_errors: sum(read_errors, |core| &core.read_errors),
            request: core.filter(|core| core.in_request.load(Relaxed)).map(request),
        }
    });
    all.collect()
}

/// What the board keeps of a request's variables.
fn request(core: &CoreSlot) -> Request {
    let current = core.current.read().unwrap_or_default();
    Request { vars: vars(&current), started: core.started_unix.load(Relaxed) }
}

/// The variables of `ADDR - METHOD URI`.
fn vars(current: &[u8]) -> Vec<Vec<u8>> {
    const DASH: &[u8] = b" - ";
    let Some(dash) = current.windows(DASH.len()).position(|bytes| bytes == DASH) else {
        return Vec::new();
    };
    let (address, rest) = (&current[..dash], &current[dash + DASH.len()..]);
    let space = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
    let (method, uri) = (&rest[..space], rest.get(space + 1..).unwrap_or_default());
    [(&b"REQUEST_METHOD="[..], method), (b"REQUEST_URI=", uri), (b"REMOTE_ADDR=", address)]
        .map(|(name, value)| [name, value].concat())
        .to_vec()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use uwsgi_plugin_api::{CoreId, LoadedApp};

    use super::*;

    const WORKER: WorkerId = WorkerId(2);

    fn sources<'a>(boards: &'a [&'a Board]) -> Sources<'a> {
        let (sockets, sites) = (Vec::new(), Vec::new());
        Sources { boards, workers: 2, paused: false, sockets, sites, cluster: None }
    }

    /// A board with a process of worker 2 at this place, which has served two requests.
    fn served(place: PlaceId) -> Arc<Board> {
        let board = Board::new(2, 2).unwrap();
        board.start_life(WORKER, place, 1);
        board.process(place).pid.store(77, Relaxed);
        board.process(place).apps.write(&[LoadedApp::default(), LoadedApp::default()]);
        board.process(place).set_ready();
        board.seat(WORKER, Some(place));
        board.worker(WORKER).last_spawn_unix.store(5, Relaxed);
        let core = board.core(place, CoreId(1));
        for (app, exception) in [(Some(1), true), (None, false)] {
            core.begin(1, 0, 9);
            core.end(800, 45);
            core.count_app(app, exception);
        }
        board
    }

    #[test]
    fn a_worker_is_read_from_its_board() {
        let board = served(PlaceId(3));
        let instance = collect(sources(&[&board]));
        assert_eq!(instance.pid, i32::try_from(std::process::id()).unwrap());
        let [idle, busy] = &instance.workers[..] else { panic!("{instance:?}") };
        assert_eq!((idle.id, idle.pid, idle.status, idle.respawn_count), (1, 0, "cheap", 0));
        assert_eq!((busy.id, busy.pid, busy.status, busy.accepting), (2, 77, "idle", true));
        assert_eq!((busy.requests, busy.tx, busy.avg_rt, busy.respawn_count), (2, 90, 600, 1));
        let requests: Vec<_> = busy.cores.iter().map(|core| core.requests).collect();
        assert_eq!(requests, [0, 2]);
        let apps: Vec<_> = busy.apps.iter().map(|app| (app.requests, app.exceptions)).collect();
        assert_eq!(apps, [(0, 0), (1, 1)]);
    }

    #[test]
    fn figures_of_ended_processes_stay_with_the_worker() {
        let board = served(PlaceId(3));
        board.end_life(PlaceId(3));
        let worker = &collect(sources(&[&board])).workers[1];
        assert_eq!((worker.requests, worker.delta_requests, worker.status), (2, 0, "cheap"));
        assert_eq!((worker.cores[1].requests, worker.apps.len()), (2, 0));
    }

    #[test]
    fn while_a_reload_goes_on_a_worker_is_where_it_serves() {
        let (old, new) = (served(PlaceId(0)), Board::new(3, 2).unwrap());
        let seen = collect(sources(&[&new, &old]));
        assert_eq!((seen.workers[1].pid, seen.workers[1].requests), (77, 2));
        new.start_life(WORKER, PlaceId(1), 2);
        new.process(PlaceId(1)).pid.store(78, Relaxed);
        new.seat(WORKER, Some(PlaceId(1)));
        assert_eq!(collect(sources(&[&new, &old])).workers[1].pid, 78);
    }

    #[test]
    fn a_pause_shows_on_idle_workers() {
        let board = served(PlaceId(0));
        let seen = collect(Sources { paused: true, ..sources(&[&board]) });
        let states: Vec<_> = seen.workers.iter().map(|worker| worker.status).collect();
        assert_eq!(states, ["cheap", "pause"]);
    }

    #[test]
    fn the_load_of_an_instance_is_that_of_all_its_boards() {
        let (old, new) = (served(PlaceId(0)), Board::new(2, 2).unwrap());
        old.core(PlaceId(0), CoreId(0)).begin(1, 0, 1);
        let load = load(&[&new, &old], 3, 9);
        let expected = Load { workers: 3, threads: 6, busy: 1, queue: 9, requests: 2 };
        assert_eq!(load, expected);
    }

    #[test]
    fn a_running_request_is_taken_apart() {
        let board = served(PlaceId(0));
        let core = board.core(PlaceId(0), CoreId(0));
        core.current.write(&[b"::1 - GET /a - b?c=d e"]);
        core.begin(1, 0, 1_700_000_000);
        let request = collect(sources(&[&board])).workers[1].cores[0].request.clone().unwrap();
        assert_eq!(request.started, 1_700_000_000);
        let vars: Vec<_> = request.vars.iter().map(|var| String::from_utf8_lossy(var)).collect();
        assert_eq!(vars, ["REQUEST_METHOD=GET", "REQUEST_URI=/a - b?c=d e", "REMOTE_ADDR=::1"]);
    }

    #[test]
    fn what_was_written_by_nobody_has_no_variables() {
        for (current, count) in [(&b""[..], 0), (b"x", 0), (b" - ", 3), (b" - GET", 3)] {
            assert_eq!(vars(current).len(), count, "{current:?}");
        }
    }
}
