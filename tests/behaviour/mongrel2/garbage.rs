//! Messages that no Mongrel2 should send, and clients that leave.

use super::{behind, gateway, memory_kib};
use crate::support::mongrel2::{BOTH, Mongrel2, Plan};
use crate::support::stand_in::{SENDER, StandIn, get, message, notice};
use crate::support::{Request, Server, eventually, process};

/// Memory that may be gained by chance: pools, fragments, a first use of something.
const GAIN_KIB_MAX: u64 = 24 * 1024;

/// A request in the name of this client is answered; what others are told is passed over.
#[track_caller]
fn serves(mongrel2: &StandIn, id: u32) {
    mongrel2.get(id, "/hello");
    loop {
        let reply = mongrel2.receive();
        if reply.ids == id.to_string() {
            assert!(reply.bytes.ends_with(b"hello"), "{reply:?}");
            return;
        }
    }
}

fn garbage() -> Vec<Vec<u8>> {
    let whole = get(1, "/hello", &[]);
    let headers = |headers: &str| format!("{SENDER} 1 /x {}:{headers},0:,", headers.len());
    let tnet = |dict: &str| format!("{SENDER} 1 /x {}:{dict}}}0:,", dict.len());
    let deep = "[".repeat(100_000);
    let deep_tnet = (0..500).fold(String::new(), |inner, _| format!("{}:{inner}]", inner.len()));
    let many: String = (0..5_000).map(|number| format!("\"x-{number}\":\"\",")).collect();
    let texts = [
        String::new(),
        " ".into(),
        "x".into(),
        "\0".repeat(1_000),
        SENDER.into(),
        format!("{SENDER} 1"),
        format!("{SENDER} 1 /x"),
        format!("{SENDER} 1 /x 2:{{}},"),
        format!("{SENDER} 1 /x 2:{{}},0:"),
        format!("{SENDER} 1 /x 99999999999999999999:{{}},0:,"),
        format!("{SENDER} 1 /x -1:{{}},0:,"),
        format!("{SENDER} 1 /x 02:{{}},0:,"),
        format!("{SENDER} 4294967296 /x 2:{{}},0:,"),
        format!("{SENDER} -1 /x 2:{{}},0:,"),
        format!("{SENDER} x /x 2:{{}},0:,"),
        format!("{} 1 /x 2:{{}},0:,", "u".repeat(100_000)),
        whole.replace("0:,", "5:,"),
        format!("{whole}{whole}"),
        headers("{}"),
        headers("{"),
        headers("[]"),
        headers("null"),
        headers("{\"METHOD\":1}"),
        headers("{\"METHOD\":{\"a\":\"b\"}}"),
        headers("{\"METHOD\":[\"GET\",[\"POST\"]]}"),
        headers("{\"METHOD\":\"GET\"}"),
        headers("{\"METHOD\":\"G T\",\"PATH\":\"/\"}"),
        headers(&format!("{{\"METHOD\":{deep}}}")),
        headers(&format!("{{{many}\"METHOD\":\"GET\"}}")),
        headers(&format!("{{\"METHOD\":\"GET\",\"x\":\"{}\"}}", "v".repeat(2_000_000))),
        tnet(""),
        tnet("6:METHOD,"),
        tnet("6:METHOD,3:GET#"),
        tnet("9999999999:METHOD,3:GET,"),
        tnet(&format!("1:x,{deep_tnet}")),
        get(1, "/hello", &[("x", "a\nb")]),
        get(1, "/hello", &[("x y", "1")]),
        get(1, "/hello", &[("content-length", "7")]),
        get(1, "/hello", &[("content-length", "0"), ("transfer-encoding", "chunked")]),
        get(1, "/%00", &[]),
        get(1, "/hello", &[("UPLOAD_STREAM", "5")]),
        get(1, "/hello", &[("UPLOAD_STREAM", "x"), ("UPLOAD_STREAM_DONE", "y")]),
        get(1, "/hello", &[("DOWNLOAD_CREDITS", "99999999999999999999999")]),
        message(1, "WEBSOCKET", "/x", &[("FLAGS", "0x81")], "a frame of nobody"),
        message(1, "WEBSOCKET", "/x", &[("FLAGS", "nonsense")], ""),
        message(1, "WEBSOCKET_HANDSHAKE", "/hello", &[("sec-websocket-key", "no")], "x"),
        message(1, "JSON", "@chat", &[], "{\"type\":\"msg\"}"),
        message(1, "XML", "<tag", &[], "<tag/>"),
        notice(1, ""),
        notice(1, "{"),
        notice(1, "[]"),
        notice(1, "{\"type\":\"unheard of\"}"),
        notice(1, "{\"type\":\"credits\",\"credits\":-1}"),
        notice(4_000_000_000, "{\"type\":\"disconnect\"}"),
        notice(1, &deep),
        format!("{SENDER} 1 @* 1:{{,21:{{\"type\":\"disconnect\"}},"),
    ];
    texts.into_iter().map(String::into_bytes).collect()
}

#[test]
fn garbage_is_logged_and_the_next_request_served() {
    ours_only!("its plugin sends no bodies with libzmq 3 or later");
    let mongrel2 = StandIn::new();
    let server = behind(&mongrel2.pair()).args(["--threads", "2"]).master(1).start();
    serves(&mongrel2, 100);
    let (handler, worker) = (gateway(&server), server.worker(1));
    for (number, bytes) in garbage().into_iter().enumerate() {
        println!("{number}: {}", String::from_utf8_lossy(&bytes[..bytes.len().min(200)]));
        mongrel2.send(bytes);
        serves(&mongrel2, 100);
    }
    server.wait_for("<*>mongrel2: a message that is none: <*>");
    assert_eq!((gateway(&server), server.worker(1)), (handler, worker), "somebody has died");
}

#[test]
fn each_kind_of_garbage_has_its_line() {
    ours_only!("its plugin sends no bodies with libzmq 3 or later");
    let headers = |headers: &str| format!("{SENDER} 1 /x {}:{headers},0:,", headers.len());
    for (bytes, line) in [
        ("nonsense".to_owned(), "<*>mongrel2: a message that is none: <*> (8 bytes)"),
        (headers("{"), "<*>mongrel2: headers that are none: <*>"),
        (message(1, "XML", "<tag", &[], "<tag/>"), "<*>mongrel2: a message of a raw socket<*>"),
        (message(1, "JSON", "@chat", &[], "{}"), "<*>mongrel2: a message of a raw socket<*>"),
        (notice(1, "{"), "<*>mongrel2: a notice that cannot be read: <*>"),
        (notice(1, "{\"type\":\"x\"}"), "<*>mongrel2: a notice that nobody knows"),
    ] {
        let mongrel2 = StandIn::new();
        // Lines are few, whatever comes: each of these is the first.
        let server = behind(&mongrel2.pair()).start();
        mongrel2.send(bytes);
        server.wait_for(line);
    }
}

/// Bytes are changed, left out and doubled, the same ones in each run.
#[test]
fn damaged_messages_do_no_harm() {
    ours_only!("its plugin sends no bodies with libzmq 3 or later");
    let mongrel2 = StandIn::new();
    let server = behind(&mongrel2.pair()).args(["--threads", "2"]).master(1).start();
    serves(&mongrel2, 100);
    let handler = gateway(&server);
    let whole = [
        message(1, "POST", "/echo?a=b", &[("content-length", "4"), ("x-own", "v")], "body"),
        format!("{SENDER} 1 /hello 43:6:METHOD,3:GET,4:PATH,6:/hello,8:x-header,0:,}}0:,"),
        notice(1, "{\"type\":\"disconnect\"}"),
    ];
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % end
    };
    for turn in 0..3_000 {
        let mut bytes = whole[turn % whole.len()].clone().into_bytes();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            match below(4) {
                0 => bytes[at] = u8::try_from(below(256)).unwrap(),
                1 => bytes[at] = b"0123456789:,{}\"\\[] "[below(19)],
                2 => drop(bytes.remove(at)),
                _ => bytes.insert(at, bytes[at]),
            }
        }
        mongrel2.send(bytes);
        if turn % 50 == 0 {
            serves(&mongrel2, 100_000 + u32::try_from(turn).unwrap());
        }
    }
    serves(&mongrel2, 1_000_000);
    assert_eq!(gateway(&server), handler, "it has died");
}

/// All threads of the one worker run a request at once.
#[track_caller]
fn threads_are_free(mongrel2: &Mongrel2, threads: usize) {
    let waiting = (0..threads).map(|_| {
        let mut connection = mongrel2.connect();
        connection.send(Request::get(&format!("/threads?{threads}")).to_http());
        connection
    });
    for mut connection in waiting.collect::<Vec<_>>() {
        assert_eq!(connection.answer(false).text(), "met");
    }
}

/// So many clients leave, each in another state of its request.
fn leave(mongrel2: &Mongrel2, server: &Server, count: usize) {
    let large = Request::post("/count", vec![b'x'; 200_000]).to_http();
    let body = Request::post("/count", vec![b'x'; 10_000]).to_http();
    for number in 0..count {
        let mut connection = mongrel2.connect();
        match number % 6 {
            0 => connection.send("GET /hello HTTP/1.1\r\nHost: x\r\nX-Half: "),
            1 => connection.send(&body[..5_000]),
            2 => connection.send(&large[..100_000]),
            3 => connection.send(Request::get("/sleep?5").to_http()),
            4 => {
                connection.send(Request::get("/pieces?20").to_http());
                connection.take(1_000);
            }
            _ => connection.send(Request::get("/hello").to_http()),
        }
        drop(connection);
        if number % 50 == 0 {
            assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
        }
    }
    assert!(process::alive(server.worker(1)));
}

#[test]
fn a_thousand_clients_that_leave_leave_nothing() {
    behind_mongrel2!();
    for headers in BOTH {
        let mongrel2 = Plan::new(headers).stores_uploads().start();
        let setup = behind(&mongrel2.pair(0)).args(mongrel2.upload_options());
        let setup = setup.args(["--mongrel2-upload-remove", "--threads", "4"]);
        let server = setup.master(1).start();
        leave(&mongrel2, &server, 60);
        threads_are_free(&mongrel2, 4);
        let processes = [gateway(&server), server.worker(1)];
        let count = |pid| std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        let (memory, files) = (processes.map(memory_kib), processes.map(count));
        leave(&mongrel2, &server, 1_000);
        threads_are_free(&mongrel2, 4);
        eventually("files to be removed", || mongrel2.stored().is_empty());
        assert_eq!([gateway(&server), server.worker(1)], processes, "somebody has died");
        let after = processes.map(memory_kib);
        println!("{headers:?}: KiB of handler and worker before {memory:?}, after {after:?}");
        for (before, after) in memory.iter().zip(after) {
            assert!(after < before + GAIN_KIB_MAX, "{before} KiB became {after}");
        }
        for (before, after) in files.iter().zip(processes.map(count)) {
            assert!(after < before + 20, "{before} descriptors became {after}");
        }
    }
}
