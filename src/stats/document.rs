//! The document of `stats`: uWSGI's keys in uWSGI's order.

use uwsgi_plugin_api::AppStatus;
use uwsgi_plugin_api::cluster::{ClusterNode, Refused};

use super::json::Json;
use crate::shm::SiteFigures;

use super::{Cluster, Core, Cron, Daemon, Instance, Socket, Worker};

/// How the document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// `stats-minified`.
    pub minified: bool,
    /// `stats-no-cores`.
    pub no_cores: bool,
}

/// The document.
pub fn document(instance: &Instance, style: Style) -> String {
    Json::new(!style.minified).document(|json| {
        json.text("version", &instance.version);
        json.number("listen_queue", instance.listen_queue());
        json.number("listen_queue_errors", 0);
        json.number("signal_queue", 0);
        json.number("load", instance.listen_queue());
        json.number("pid", instance.pid);
        json.number("uid", instance.uid);
        json.number("gid", instance.gid);
        json.text("cwd", &instance.cwd);
        some_list(json, "daemons", &instance.daemons, daemon);
        json.list("locks", |json| {
            for (name, holder) in &instance.locks {
                json.item(|json| json.number(name, holder));
            }
        });
        list(json, "sockets", &instance.sockets, socket);
        list(json, "workers", &instance.workers, |json, worker| {
            self::worker(json, worker, style);
        });
        some_list(json, "crons", &instance.crons, cron);
        some(json, "dynamic_refused", instance.dynamic_refused);
        some_list(json, "sites", &instance.sites, site);
        if let Some(told) = &instance.cluster {
            json.object("cluster", |json| cluster(json, told));
        }
    })
}

fn list<T>(json: &mut Json, key: &str, items: &[T], write: impl Fn(&mut Json, &T)) {
    json.list(key, |json| items.iter().for_each(|item| json.item(|json| write(json, item))));
}

/// A list that is absent where it would be empty.
fn some_list<T>(json: &mut Json, key: &str, items: &[T], write: impl Fn(&mut Json, &T)) {
    if !items.is_empty() {
        list(json, key, items, write);
    }
}

/// A figure that is absent where it would be 0.
fn some(json: &mut Json, key: &str, number: u64) {
    if number > 0 {
        json.number(key, number);
    }
}

fn daemon(json: &mut Json, daemon: &Daemon) {
    json.text("cmd", &daemon.command);
    json.number("pid", daemon.pid);
    json.number("respawns", daemon.respawns);
}

fn socket(json: &mut Json, socket: &Socket) {
    json.text("name", &socket.name);
    json.text("proto", socket.protocol);
    json.number("queue", socket.queue);
    json.number("max_queue", socket.queue_max);
    json.number("shared", 0);
    json.number("can_offload", 0);
}

fn worker(json: &mut Json, worker: &Worker, style: Style) {
    json.number("id", worker.id);
    json.number("pid", worker.pid);
    json.number("accepting", u8::from(worker.accepting));
    json.number("requests", worker.requests);
    json.number("delta_requests", worker.delta_requests);
    json.number("exceptions", worker.exceptions);
    json.number("harakiri_count", worker.harakiri_count);
    json.number("signals", 0);
    json.number("signal_queue", 0);
    json.text("status", worker.status);
    json.number("rss", worker.rss);
    json.number("vsz", worker.vsz);
    json.number("running_time", worker.running_time);
    json.number("last_spawn", worker.last_spawn);
    json.number("respawn_count", worker.respawn_count);
    json.number("tx", worker.tx);
    json.number("avg_rt", worker.avg_rt);
    list(json, "apps", &worker.apps, app);
    if !style.no_cores {
        list(json, "cores", &worker.cores, core);
    }
    some(json, "dynamic_refused", worker.dynamic_refused);
}

fn app(json: &mut Json, app: &AppStatus) {
    json.number("id", app.id);
    json.number("modifier1", app.modifier1);
    json.text("mountpoint", &app.mountpoint);
    json.number("startup_time", app.startup_time);
    json.number("requests", app.requests);
    json.number("exceptions", app.exceptions);
    json.text("chdir", "");
}

fn core(json: &mut Json, core: &Core) {
    json.number("id", core.id);
    json.number("requests", core.requests);
    json.number("static_requests", core.static_requests);
    json.number("routed_requests", 0);
    json.number("offloaded_requests", 0);
    json.number("write_errors", core.write_errors);
    json.number("read_errors", core.read_errors);
    json.number("in_request", u8::from(core.request.is_some()));
    json.list("vars", |json| {
        if let Some(request) = &core.request {
            request.vars.iter().for_each(|var| json.text_item(var));
            // uWSGI's list ends so.
            json.text_item(b"");
        }
    });
    json.object("req_info", |json| {
        if let Some(request) = &core.request {
            json.number("request_start", request.started);
        }
    });
}

fn cron(json: &mut Json, cron: &Cron) {
    json.number("minute", cron.minute);
    json.number("hour", cron.hour);
    json.number("day", cron.day);
    json.number("month", cron.month);
    json.number("week", cron.week);
    json.text("command", &cron.command);
    json.number("unique", u8::from(cron.unique));
    json.text("legion", "");
    json.number("pid", cron.pid);
    json.number("started_at", cron.started_at);
}

fn site(json: &mut Json, site: &SiteFigures) {
    json.text("name", &site.name);
    json.number("requests", site.requests);
    json.number("errors", site.errors);
    json.number("running_time", site.running_us);
    json.number("avg_rt", site.running_us.checked_div(site.requests).unwrap_or(0));
    json.number("tx", site.tx_bytes);
    json.number("last_request", site.last_unix);
    json.number("rss", site.rss_bytes);
    json.number("pid", site.pid);
}

fn cluster(json: &mut Json, told: &Cluster) {
    let view = &told.view;
    json.text("group", &view.group);
    json.number("leads", u8::from(told.leads));
    json.number("draining", u8::from(told.draining));
    json.number("voters", view.voters);
    json.number("quorum", view.quorum);
    json.object("refused", |json| {
        let Refused { forged, replayed, skewed, malformed, oversized } = view.refused;
        for (name, count) in [
            ("forged", forged),
            ("replayed", replayed),
            ("skewed", skewed),
            ("malformed", malformed),
            ("oversized", oversized),
        ] {
            json.number(name, count);
        }
    });
    list(json, "nodes", &view.nodes, node);
}

fn node(json: &mut Json, node: &ClusterNode) {
    json.text("hostname", &node.hostname);
    json.text("address", &node.address);
    json.text("endpoint", node.endpoint.to_string());
    json.text("state", node.state.name());
    json.text("version", &node.version);
    json.number("leader", u8::from(node.leader));
    json.number("own", u8::from(node.own));
    json.number("observer", u8::from(node.observer));
    json.number("workers", node.load.workers);
    json.number("threads", node.load.threads);
    json.number("busy", node.load.busy);
    json.number("queue", node.load.queue);
    json.number("requests", node.load.requests);
    json.number("silent_ms", node.silent_ms);
    json.number("config", node.config.version);
}

#[cfg(test)]
mod tests;
