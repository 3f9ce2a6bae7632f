use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use uwsgi_plugin_api::Settings;

use super::*;

fn plan(group: &str, interface: &str) -> Plan {
    let pairs =
        [("cluster", group), ("cluster-interface", interface), ("cluster-secret", "long enough")];
    let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Plan::read(&Settings::new(pairs.to_vec())).expect("good settings")
}

/// A port that nobody has; groups of two tests do not meet.
fn free_port() -> u16 {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a free port");
    socket.local_addr().expect("it is bound").port()
}

fn hear(sockets: &mut Sockets, ear: Ear) -> Option<(Vec<u8>, SocketAddr)> {
    let mut buffer = [0; DATAGRAM_ROOM];
    let until = Instant::now() + Duration::from_secs(10);
    while Instant::now() < until {
        if let Some((count, from)) = sockets.receive(ear, &mut buffer) {
            return Some((buffer[..count].to_vec(), from));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

#[test]
fn two_nodes_of_a_host_hear_the_group_and_are_reached_apart() {
    let plan = plan(&format!("225.1.1.1:{}", free_port()), "127.0.0.1");
    let open = || Sockets::open(&plan, Role::Node, &[]).expect("loopback is there");
    let (mut first, mut second) = (open(), open());
    assert_eq!(first.address().port(), plan.group.address.port());
    assert_ne!(first.address(), second.address());
    first.send_group(b"to all");
    let heard = Some((b"to all".to_vec(), first.address()));
    assert_eq!(hear(&mut second, Ear::Group), heard);
    assert_eq!(hear(&mut first, Ear::Group), heard);
    first.send(second.address(), b"to one");
    assert_eq!(hear(&mut second, Ear::Own), Some((b"to one".to_vec(), first.address())));
    first.rejoin();
    assert_eq!(first.troubles.line(0), None);
}

#[test]
fn groups_of_ipv6_too() {
    let loopback = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), 0);
    if std::net::UdpSocket::bind(loopback).is_err() {
        println!("skipped: this machine has no IPv6");
        return;
    }
    let plan = plan(&format!("[ff15::1]:{}", free_port()), "lo");
    let mut node = Sockets::open(&plan, Role::Node, &[]).expect("loopback is there");
    let mut guest = Sockets::open(&plan, Role::Guest, &[]).expect("loopback is there");
    guest.send_group(b"to all");
    if guest.troubles.line(0).is_some() {
        println!("skipped: no multicast of IPv6 on loopback here");
        return;
    }
    let heard = hear(&mut node, Ear::Group);
    assert_eq!(heard, Some((b"to all".to_vec(), guest.address())));
    node.send(guest.address(), b"to one");
    assert_eq!(hear(&mut guest, Ear::Own), Some((b"to one".to_vec(), node.address())));
}

#[test]
fn a_named_port_is_that_port_or_none() {
    let mut plan = plan(&format!("225.1.1.1:{}", free_port()), "127.0.0.1");
    let first = Sockets::open(&plan, Role::Node, &[]).expect("loopback is there");
    plan.port = Some(first.address().port());
    let error = Sockets::open(&plan, Role::Node, &[]).expect_err("it is taken");
    assert!(error.contains(&first.address().to_string()), "{error}");
}

#[test]
fn an_interface_that_is_not_there_is_said() {
    let mut plan = plan("225.1.1.1:1", "nosuch0");
    let error = Sockets::open(&plan, Role::Node, &[]).expect_err("no such interface");
    assert_eq!(error, "interface nosuch0 has no address yet");
    plan.interface = Some(crate::plan::Interface::Address([192, 0, 2, 77].into()));
    let error = Sockets::open(&plan, Role::Node, &[]).expect_err("no such address");
    assert!(error.contains("192.0.2.77"), "{error}");
}
