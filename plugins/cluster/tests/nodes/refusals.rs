//! Who has not the secret learns nothing and changes nothing; what is not taken is counted.

use std::net::UdpSocket;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use uwsgi_plugin_api::Instance as _;
use uwsgi_plugin_api::cluster::{NodeState, Refused};
use uwsgi_plugin_cluster::id::{Life, Member};
use uwsgi_plugin_cluster::seal::{DATAGRAM_BYTES_MAX, Seal};
use uwsgi_plugin_cluster::wire::Message;

use crate::support::{Meeting, SECRET, eventually, together};

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

fn seal(secret: &str, group: &str) -> Seal {
    let tolerance = Duration::from_secs(60);
    Seal::new(&[secret.as_bytes().to_vec()], group, Life(77), tolerance).expect("a secret")
}

#[test]
fn another_secret_is_another_cluster() {
    let meeting = Meeting::new();
    let nodes = [meeting.founder("a"), meeting.follower("b")];
    together(&nodes.each_ref());
    let wrong = meeting.clone().secret("another secret of tests");
    let mut stranger = wrong.founder("x");
    let error = wrong.perform(&["drain", "a:3031"]).expect_err("it is a stranger's cluster");
    assert!(error.contains("no node"), "{error}");
    eventually("what the stranger says to be counted", || {
        nodes.iter().all(|node| node.view().refused.forged > 0)
    });
    for node in &nodes {
        assert_eq!(node.states(), [NodeState::Alive, NodeState::Alive]);
        assert!(!node.instance.is_draining());
    }
    assert_eq!(stranger.states(), [NodeState::Alive]);
    stranger.stop();
    let error = wrong.perform(&["nodes"]).expect_err("nobody has that secret");
    assert!(error.contains("nobody answers") && error.contains(&meeting.group), "{error}");
}

#[test]
fn what_is_no_message_is_counted_by_what_it_is() {
    let meeting = Meeting::new();
    let node = meeting.founder("a");
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let send =
        |bytes: &[u8]| assert_eq!(socket.send_to(bytes, node.endpoint()).unwrap(), bytes.len());
    let mut seal = seal(SECRET, &meeting.group);
    let member = Member { key: socket.local_addr().unwrap(), life: Life(77), epoch: 1 };
    let hello = Message::Hello { member, guest: true }.encode().unwrap();
    let good = seal.seal(None, now(), &hello);

    send(b"garbage");
    send(b"");
    send(&good[..good.len() - 1]);
    send(&[&*good, b"x"].concat());
    let mut changed = good.clone();
    changed[70] ^= 1;
    send(&changed);
    send(&vec![0; DATAGRAM_BYTES_MAX + 1]);
    send(&vec![0; 60_000]);
    send(&good);
    send(&good); // again
    send(&seal.seal(Some(Life(1)), now(), &hello)); // for another life
    send(&seal.seal(None, now() - 3_600_000, &hello));
    send(&seal.seal(None, now(), b"\x01nonsense"));
    let wanted = Refused { forged: 5, replayed: 2, skewed: 1, malformed: 1, oversized: 2 };
    eventually("all of it to be counted", || node.view().refused == wanted);
    let warnings = node.log().iter().filter(|line| line.contains("this host's clock")).count();
    assert_eq!(warnings, 1, "{:?}", node.log());

    let mut answer = [0; DATAGRAM_BYTES_MAX];
    let count = socket.recv(&mut answer).expect("an answer to the good one");
    let (_, plain) = seal.open(now(), &answer[..count]).expect("it is sealed");
    assert!(matches!(Message::decode(&plain), Ok(Message::Welcome { .. })));
    socket.set_nonblocking(true).unwrap();
    assert!(socket.recv(&mut answer).is_err(), "only the good one is answered");
    assert_eq!(node.states(), [NodeState::Alive], "a guest is no node");
}

#[test]
fn a_secret_is_changed_while_nodes_run() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let write = |text: &str| std::fs::write(file.path(), text).expect("written");
    write("the first secret\n");
    let path = file.path().to_str().expect("a name");
    let meeting = Meeting::new().without_secret().with("cluster-secret-file", path);
    let nodes = [meeting.founder("a"), meeting.follower("b")];
    together(&nodes.each_ref());
    let both = "the second secret\nthe first secret\n";
    write(both);
    for node in &nodes {
        eventually("it to be taken", || {
            node.log().iter().any(|line| line.contains("other secrets count"))
        });
    }
    together(&nodes.each_ref());
    let own = Meeting::at(&meeting.group).secret("the second secret");
    let table = own.perform(&["nodes"]).expect("the new secret is one of theirs");
    assert!(table.contains("a:3031") && table.contains("b:3031"), "{table}");
}
