//! Several Mongrel2 servers and handlers, beside other sockets.

use super::behind;
use crate::support::mongrel2::{Headers, Mongrel2, Plan};
use crate::support::stand_in::StandIn;
use crate::support::{Address, Connection, Request, Server, Setup, fastcgi};

/// Addresses of the sockets of the configuration, in its order; the gateway's own is none of them.
fn addresses(server: &Server) -> Vec<Address> {
    let all = (0..3).map(|number| server.address_of(number));
    all.filter(|address| matches!(address, Address::Tcp(_))).collect()
}

#[test]
fn handlers_stand_beside_each_other_and_beside_sockets() {
    behind_mongrel2!();
    let one = Plan::new(Headers::Json).route("/environ", Headers::Tnetstring).start();
    let two = Mongrel2::new(Headers::Tnetstring);
    let setup = behind(&one.pair(0)).args(["--zeromq", &one.pair(1), "--zeromq", &two.pair(0)]);
    let setup = setup.args(["--http-socket", "127.0.0.1:0", "--fastcgi-socket", "127.0.0.1:0"]);
    let server = setup.args(["--threads", "4"]).master(2).start();
    let addresses = addresses(&server);
    let [http, records] = &addresses[..] else { panic!("{addresses:?}") };
    std::thread::scope(|scope| {
        for mongrel2 in [&one, &two] {
            scope.spawn(|| {
                let mut connection = mongrel2.connect();
                for _ in 0..200 {
                    assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
                    let answer = connection.ask(&Request::get("/environ"));
                    assert_eq!(answer.line("REMOTE_ADDR"), "'127.0.0.1'");
                }
            });
        }
        scope.spawn(|| {
            let mut connection = Connection::open(http);
            for _ in 0..200 {
                assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
            }
        });
        scope.spawn(|| {
            let mut connection = Connection::open(records);
            for _ in 0..200 {
                connection.send(fastcgi::request(&Request::get("/hello"), 1, true));
                assert_eq!(fastcgi::reply(&mut connection, false).answer.text(), "hello");
            }
        });
    });
}

#[test]
fn endpoints_may_be_unix_sockets() {
    behind_mongrel2!();
    let mut mongrel2 = Plan::new(Headers::Json).over_ipc().start();
    let _server = behind(&mongrel2.pair(0)).start();
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
    mongrel2.kill();
    mongrel2.start();
    assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello");
}

#[test]
fn a_mongrel2_that_listens_to_a_name_hears_it() {
    behind_mongrel2!();
    let mongrel2 = Plan::new(Headers::Json).listens_to("6ba7b810-9dad").start();
    let _server = behind(&mongrel2.pair(0)).start();
    let mut connection = mongrel2.connect();
    for _ in 0..3 {
        assert_eq!(connection.ask(&Request::get("/hello")).text(), "hello");
    }
    assert_eq!(mongrel2.connect().ask(&Request::get("/pieces?20")).body.len(), 20 * 65_536);
}

#[test]
fn old_names_of_the_option_are_accepted() {
    behind_mongrel2!();
    for name in ["--zmq", "--zeromq-socket", "--zmq-socket", "--mongrel2"] {
        let mongrel2 = Mongrel2::new(Headers::Json);
        let probe = crate::support::setup::app("probe.py");
        let setup = Setup::new(crate::support::Wire::Http).args([name, &mongrel2.pair(0)]);
        let _server = setup.arg("--wsgi-file").arg(probe).start();
        assert_eq!(mongrel2.connect().ask(&Request::get("/hello")).text(), "hello", "{name}");
    }
}

#[test]
fn an_endpoint_that_is_none_refuses_the_start() {
    ours_only!("it takes any text");
    for pair in ["tcp://127.0.0.1:1", "127.0.0.1:1,127.0.0.1:2", "tcp://nowhere,tcp://127.0.0.1:2"]
    {
        let (status, log) = behind(pair).run();
        assert!(!status.success() && log.contains("accepted: REQUESTS,ANSWERS"), "{pair}: {log}");
    }
}

/// Mongrel2 1.12 has no CURVE; other senders may. The libzmq that is built into the program has none either, and says so.
#[test]
fn connections_may_be_encrypted() {
    ours_only!("it has no such option");
    if zmq::has("curve") != Some(true) {
        let setup = behind("tcp://127.0.0.1:1,tcp://127.0.0.1:2").file("key", "x");
        let (status, text) = setup.args(["--zeromq-curve-server-key", "key"]).run();
        assert!(!status.success());
        assert!(text.contains("the ZeroMQ library of this program has no CURVE"), "{text}");
        return;
    }
    let keys = zmq::CurveKeyPair::new().expect("a pair of keys");
    let public = zmq::z85_encode(&keys.public_key).expect("a key of 32 bytes");
    let stand_in = StandIn::with_key(Some(&keys.secret_key));
    let encrypted = behind(&stand_in.pair()).file("key", &public);
    let server = encrypted.args(["--zeromq-curve-server-key", "key"]).start();
    stand_in.get(1, "/hello");
    assert!(stand_in.receive().bytes.ends_with(b"hello"));
    drop(server);
    for (name, key) in [("none", None), ("wrong", Some("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"))]
    {
        let setup = behind(&stand_in.pair()).file("key", key.unwrap_or_default());
        let args = key.map(|_| ["--zeromq-curve-server-key", "key"]);
        let _server = setup.args(args.into_iter().flatten()).start();
        assert!(!stand_in.is_heard(), "with key {name} nobody is there");
    }
}
