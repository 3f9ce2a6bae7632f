//! The Python module `uwsgi`: what the application sees of the server (behaviour note 5.4).
//!
//! All texts that it returns are `bytes`, as under uWSGI with Python 3; texts are accepted as `str` or `bytes`. Only
//! what works is there: `hasattr(uwsgi, ...)` tells the truth.

use std::cell::{Cell, RefCell};
use std::os::fd::RawFd;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use uwsgi_plugin_api::websocket::Kind;
use uwsgi_plugin_api::{AppStatus, CoreId, Host, Settings, WorkerStatus};

use crate::ffi::{self, Exception, Exchange, Function, Object, Py, Raised, Ref};
use crate::{cluster, input, websocket};

/// The version of uWSGI that applications may count on.
const COMPATIBLE_VERSION: &str = "2.0.31";

static HOST: OnceLock<Arc<dyn Host>> = OnceLock::new();
/// Name of this machine.
static HOST_NAME: OnceLock<Vec<u8>> = OnceLock::new();

/// The request that this thread serves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Current {
    pub(crate) core: CoreId,
    pub(crate) connection: RawFd,
}

thread_local! {
    static CURRENT: Cell<Option<Current>> = const { Cell::new(None) };
    static EXCHANGE: RefCell<Option<Arc<Exchange>>> = const { RefCell::new(None) };
}

/// Sets what this thread serves, `None` between requests.
#[inline]
pub(crate) fn set_current(current: Option<Current>) {
    CURRENT.with(|cell| cell.set(current));
}

/// Where this thread's requests are lent to Python, from now on.
pub(crate) fn set_exchange(exchange: &Arc<Exchange>) {
    EXCHANGE.with(|cell| cell.replace(Some(Arc::clone(exchange))));
}

fn exchange() -> Option<Arc<Exchange>> {
    EXCHANGE.with(|cell| cell.borrow().clone())
}

fn core() -> Option<CoreId> {
    CURRENT.with(Cell::get).map(|current| current.core)
}

fn host() -> Option<&'static Arc<dyn Host>> {
    HOST.get()
}

/// Makes the module and puts it into `sys.modules`.
///
/// # Errors
/// What Python raises, memory errors only.
pub(crate) fn install(
    py: Py<'_>,
    host: &Arc<dyn Host>,
    settings: &Settings,
    host_name: &[u8],
) -> Result<(), Raised> {
    let _ = HOST.set(Arc::clone(host)); // there is one server in a process
    let _ = HOST_NAME.set(host_name.to_vec());
    let module = py.add_module(c"uwsgi")?;
    let module = module.borrowed();
    ffi::add_functions(py, module, |functions| {
        functions.add::<Log>();
        functions.add::<WorkerId>();
        functions.add::<RequestId>();
        functions.add::<TotalRequests>();
        functions.add::<Workers>();
        functions.add::<MasterPid>();
        functions.add::<SetUserHarakiri>();
        functions.add::<Reload>();
        functions.add::<Stop>();
        functions.add::<Disconnect>();
        functions.add::<ConnectionFd>();
        functions.add::<Accepting>();
        functions.add::<Micros>();
        functions.add::<Ready>();
        functions.add::<Mem>();
        functions.add::<SetProcName>();
        functions.add::<MuleId>();
        functions.add::<ChunkedRead>();
        functions.add::<WebSocketHandshake>();
        functions.add::<WebSocketReceive>();
        functions.add::<WebSocketReceiveNow>();
        functions.add::<WebSocketSend>();
        functions.add::<WebSocketSendBinary>();
        functions.add::<ClusterGroup>();
        functions.add::<ClusterNodes>();
        functions.add::<ClusterNodeName>();
        functions.add::<ClusterBestNode>();
        functions.add::<ClusterIsLeader>();
        functions.add::<ClusterMessages>();
        functions.add::<SendMulticastMessage>();
    })?;
    let own_version = env!("CARGO_PKG_VERSION");
    let compatible = version_info(py)?;
    let threads = i64::from(host.threads());
    for (name, value) in [
        ("version", py.bytes(COMPATIBLE_VERSION.as_bytes())?),
        ("version_info", compatible),
        ("rs_version", py.bytes(own_version.as_bytes())?),
        ("hostname", py.bytes(host_name)?),
        ("numproc", py.integer(i64::from(host.worker_count()))?),
        ("has_threads", py.integer(1)?),
        ("cores", py.integer(threads)?),
        ("threads", py.integer(threads)?),
        ("buffer_size", py.integer(host.buffer_size() as i64)?),
        ("started_on", py.unsigned(host.started_on())?),
        ("applications", py.none().own(py)),
        ("loop", py.none().own(py)),
        ("is_a_reload", py.boolean(host.is_a_reload()).own(py)),
        ("opt", opt(py, host, settings)?),
        ("sockets", sockets(py, host)?),
    ] {
        module.set_attribute(py, name, value.borrowed())?;
    }
    Ok(())
}

/// The module's `log`, for start-up code in Python.
///
/// # Errors
/// Where the module is not there.
pub(crate) fn log_function(py: Py<'_>) -> Result<Object, Raised> {
    py.import(c"uwsgi")?.borrowed().attribute(py, py.interned("log")?.borrowed())
}

fn version_info(py: Py<'_>) -> Result<Object, Raised> {
    let mut parts = COMPATIBLE_VERSION
        .split('.')
        .map(|part| py.integer(part.parse().unwrap_or(0)))
        .collect::<Result<Vec<_>, _>>()?;
    parts.push(py.integer(0)?);
    parts.push(py.bytes(b"")?);
    py.tuple(parts)
}

fn sockets(py: Py<'_>, host: &Arc<dyn Host>) -> Result<Object, Raised> {
    py.list(host.sockets().into_iter().map(|fd| py.integer(fd.into())).collect::<Result<_, _>>()?)
}

/// `uwsgi.opt`: names as `str`; values as `bytes`, `True` for flags, a list where an option was repeated.
fn opt(py: Py<'_>, host: &Arc<dyn Host>, settings: &Settings) -> Result<Object, Raised> {
    let dict = py.dict()?;
    for (name, _) in settings.pairs() {
        let key = py.interned(name)?;
        if dict.borrowed().item(py, key.borrowed())?.is_some() {
            continue;
        }
        let mut values = settings
            .all(name)
            .map(|value| {
                if value == "1" && host.option_is_flag(name) {
                    Ok(py.boolean(true).own(py))
                } else {
                    py.bytes(value.as_bytes())
                }
            })
            .collect::<Result<Vec<_>, _>>()?;
        let value = match values.pop() {
            Some(only) if values.is_empty() => only,
            Some(last) => {
                values.push(last);
                py.list(values)?
            }
            None => continue,
        };
        dict.borrowed().set_item(py, key.borrowed(), value.borrowed())?;
    }
    Ok(dict)
}

fn text_argument(py: Py<'_>, arguments: &[Ref<'_>]) -> Result<String, Raised> {
    match arguments {
        [text] if text.is_bytes() => Ok(String::from_utf8_lossy(text.bytes(py)?).into_owned()),
        [text] if text.is_str() => Ok(text.text(py)),
        _ => Err(py.raise(Exception::TypeError, "expected one argument: str or bytes")),
    }
}

/// Without a host (never in a server) a function does nothing.
fn or_none(py: Py<'_>, value: Option<Result<Object, Raised>>) -> Result<Object, Raised> {
    value.unwrap_or_else(|| Ok(py.none().own(py)))
}

/// True on success, else None.
fn success(py: Py<'_>, done: bool) -> Result<Object, Raised> {
    Ok(if done { py.boolean(true).own(py) } else { py.none().own(py) })
}

macro_rules! functions {
    ($($(#[doc = $doc:literal])* $type:ident = $name:literal, $summary:literal, |$py:ident, $arguments:ident| $body:expr;)*) => {$(
        struct $type;

        impl Function for $type {
            const NAME: &'static std::ffi::CStr = $name;
            const DOC: &'static std::ffi::CStr = $summary;

            fn call($py: Py<'_>, $arguments: &[Ref<'_>]) -> Result<Object, Raised> {
                $body
            }
        }
    )*};
}

functions! {
    Log = c"log", c"Writes a line to the server's log.", |py, arguments| {
        let text = text_argument(py, arguments)?;
        if let Some(host) = host() {
            host.log(&text);
        }
        success(py, true)
    };
    WorkerId = c"worker_id", c"Number of this worker; 0 in the master.", |py, _arguments|
        or_none(py, host().map(|host| py.integer(host.worker_id().0.into())));
    RequestId = c"request_id", c"Requests that this core has answered.", |py, _arguments| {
        let count = host().zip(core()).map_or(0, |(host, core)| host.core_requests(core));
        py.unsigned(count)
    };
    TotalRequests = c"total_requests", c"Requests of all workers.", |py, _arguments|
        or_none(py, host().map(|host| py.unsigned(host.total_requests())));
    Workers = c"workers", c"A tuple of dictionaries, one a worker.", |py, _arguments|
        or_none(py, host().map(|host| workers(py, &host.workers())));
    MasterPid = c"masterpid", c"Process id of the master, 0 without one.", |py, _arguments|
        or_none(py, host().map(|host| py.integer(host.master_pid().into())));
    SetUserHarakiri = c"set_user_harakiri", c"Ends the current request in this many seconds; 0 lifts the limit.", |py, arguments| {
        let [seconds] = arguments else {
            return Err(py.raise(Exception::TypeError, "expected one argument: seconds"));
        };
        let seconds = u32::try_from(seconds.integer(py)?.max(0)).unwrap_or(u32::MAX);
        if let Some((host, core)) = host().zip(core()) {
            host.set_user_harakiri(core, seconds);
        }
        Ok(py.none().own(py))
    };
    Reload = c"reload", c"Asks the master for a graceful reload.", |py, _arguments|
        success(py, host().is_some_and(|host| host.reload()));
    Stop = c"stop", c"Asks the master to stop.", |py, _arguments|
        success(py, host().is_some_and(|host| host.stop()));
    Disconnect = c"disconnect", c"Closes the connection once the answer is out.", |py, _arguments|
        success(py, host().zip(core()).is_some_and(|(host, core)| host.disconnect(core)));
    ConnectionFd = c"connection_fd", c"Descriptor of the current connection.", |py, _arguments| {
        let fd = CURRENT.with(Cell::get).map_or(-1, |current| current.connection);
        py.integer(fd.into())
    };
    Accepting = c"accepting", c"Whether this worker accepts; tells the master that it is ready.", |py, _arguments|
        success(py, host().is_some_and(|host| host.accepting()));
    Ready = c"ready", c"True where this worker serves, else None.", |py, _arguments|
        success(py, host().is_some_and(|host| host.ready()));
    Mem = c"mem", c"Resident memory and address space of this process, in bytes.", |py, _arguments| {
        let (rss, vsz) = host().map_or((0, 0), |host| host.memory());
        py.tuple(vec![py.unsigned(rss)?, py.unsigned(vsz)?])
    };
    SetProcName = c"setprocname", c"Names this process in ps.", |py, arguments| {
        let name = text_argument(py, arguments)?;
        if let Some(host) = host() {
            host.name_process(&name);
        }
        Ok(py.none().own(py))
    };
    MuleId = c"mule_id", c"Number of this mule; 0 in a process that is none.", |py, _arguments|
        py.integer(0);
    ChunkedRead = c"chunked_read", c"chunked_read([timeout]): the next piece of a chunked body; b'' at its end. Waits for it as wsgi.input does.", |py, arguments| {
        if let [timeout] = arguments {
            timeout.integer(py)?; // as an error where it is no number
        }
        match exchange() {
            Some(exchange) => input::piece(py, &exchange),
            None => Err(py.raise(Exception::OSError, input::NO_CHUNK)),
        }
    };
    WebSocketHandshake = c"websocket_handshake", c"websocket_handshake([key, origin, proto]): makes the request a WebSocket.", |py, arguments| {
        let terms = host().map(|host| host.websockets()).unwrap_or_default();
        websocket::handshake(py, exchange().as_deref(), terms, arguments)
    };
    WebSocketReceive = c"websocket_recv", c"The next message; waits for it.", |py, _arguments|
        websocket::receive(py, exchange().as_deref(), true);
    WebSocketReceiveNow = c"websocket_recv_nb", c"The next message; b'' where there is none yet.", |py, _arguments|
        websocket::receive(py, exchange().as_deref(), false);
    WebSocketSend = c"websocket_send", c"websocket_send(message): sends a text.", |py, arguments|
        websocket::send(py, exchange().as_deref(), Kind::Text, arguments);
    WebSocketSendBinary = c"websocket_send_binary", c"websocket_send_binary(message): sends bytes.", |py, arguments|
        websocket::send(py, exchange().as_deref(), Kind::Binary, arguments);
    ClusterGroup = c"cluster", c"Group of the cluster that this instance is in, or None.", |py, _arguments|
        or_none(py, host().map(|host| cluster::group(py, &**host)));
    ClusterNodes = c"cluster_nodes", c"Addresses of the nodes of the cluster that take requests.", |py, _arguments|
        or_none(py, host().map(|host| cluster::nodes(py, &**host)));
    ClusterNodeName = c"cluster_node_name", c"cluster_node_name([address]): name of the host of a node, of this one where none is named.", |py, arguments| {
        let address = match arguments {
            [] => None,
            arguments => Some(text_argument(py, arguments)?),
        };
        let own = HOST_NAME.get().map(Vec::as_slice).unwrap_or_default();
        or_none(py, host().map(|host| cluster::node_name(py, &**host, own, address.as_deref())))
    };
    ClusterBestNode = c"cluster_best_node", c"Address of the node with the most room, or None.", |py, _arguments|
        or_none(py, host().map(|host| cluster::best(py, &**host)));
    ClusterMessages = c"cluster_messages", c"cluster_messages([after]): what applications of other nodes sent to all, as (number, host, message).", |py, arguments| {
        let after = match arguments {
            [] => 0,
            [number] => u64::try_from(number.integer(py)?).unwrap_or(0),
            _ => return Err(py.raise(Exception::TypeError, "expected at most one argument: a number")),
        };
        cluster::messages(py, host().map(|host| &**host), after)
    };
    ClusterIsLeader = c"cluster_is_leader", c"Whether this instance leads its cluster.", |py, _arguments|
        Ok(py.boolean(host().is_some_and(|host| host.leads_cluster())).own(py));
    SendMulticastMessage = c"send_multicast_message", c"send_multicast_message(address, message): to all who listen there.", |py, arguments|
        cluster::send(py, host().map(|host| &**host), arguments);
    Micros = c"micros", c"Microseconds since 1970.", |py, _arguments| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        py.unsigned(u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
    };
}

fn workers(py: Py<'_>, workers: &[WorkerStatus]) -> Result<Object, Raised> {
    py.tuple(workers.iter().map(|worker| worker_dict(py, worker)).collect::<Result<_, _>>()?)
}

/// `interpreter` and `callable` are addresses in uWSGI's memory: of no use to anybody, and 0 here.
fn apps(py: Py<'_>, apps: &[AppStatus]) -> Result<Object, Raised> {
    let dict = |app: &AppStatus| {
        let dict = py.dict()?;
        for (name, value) in [
            ("id", py.integer(app.id.into())?),
            ("modifier1", py.integer(app.modifier1.into())?),
            ("mountpoint", py.bytes(app.mountpoint.as_bytes())?),
            ("startup_time", py.unsigned(app.startup_time)?),
            ("interpreter", py.integer(0)?),
            ("callable", py.integer(0)?),
            ("requests", py.unsigned(app.requests)?),
            ("exceptions", py.unsigned(app.exceptions)?),
            ("chdir", py.bytes(b"")?),
        ] {
            dict.borrowed().set_item(py, py.interned(name)?.borrowed(), value.borrowed())?;
        }
        Ok(dict)
    };
    py.tuple(apps.iter().map(dict).collect::<Result<_, Raised>>()?)
}

fn worker_dict(py: Py<'_>, worker: &WorkerStatus) -> Result<Object, Raised> {
    let dict = py.dict()?;
    for (name, value) in [
        ("id", py.integer(worker.id.into())?),
        ("pid", py.integer(worker.pid.into())?),
        ("requests", py.unsigned(worker.requests)?),
        ("delta_requests", py.unsigned(worker.delta_requests)?),
        ("signals", py.integer(0)?),
        ("exceptions", py.unsigned(worker.exceptions)?),
        ("status", py.bytes(worker.status.as_bytes())?),
        ("rss", py.unsigned(worker.rss)?),
        ("vsz", py.unsigned(worker.vsz)?),
        ("running_time", py.unsigned(worker.running_time)?),
        ("last_spawn", py.unsigned(worker.last_spawn)?),
        ("respawn_count", py.unsigned(worker.respawn_count)?),
        ("tx", py.unsigned(worker.tx)?),
        ("avg_rt", py.unsigned(worker.avg_rt)?),
        ("apps", apps(py, &worker.apps)?),
    ] {
        dict.borrowed().set_item(py, py.interned(name)?.borrowed(), value.borrowed())?;
    }
    Ok(dict)
}

/// Writes a line to the server's log.
pub(crate) fn log_line(line: &str) {
    if let Some(host) = host() {
        host.log(line);
    }
}
