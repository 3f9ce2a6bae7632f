use super::*;
use crate::config::model::proxies::Peers;

/// Proxies are in 10.0.0.0/8.
fn trusted(headers: Headers, local: bool) -> Trusted {
    let networks = vec!["10.0.0.0/8".parse().unwrap()];
    Trusted { peers: Peers { networks, local }, headers }
}

fn vars(pairs: &[(&str, &str)]) -> (Vars, Vec<u8>) {
    let (mut vars, mut head) = (Vars::default(), Vec::new());
    for (name, value) in pairs {
        let known = Known::ALL.iter().find(|known| known.as_str() == *name);
        match known {
            Some(known) => vars.push_bytes(*known, value.as_bytes()),
            None => {
                head.extend_from_slice(name.as_bytes());
                let name =
                    Name::Other(uwsgi_protocol::Span::head(head.len() - name.len(), name.len()));
                let value = vars.stash(value.as_bytes());
                vars.push(name, value);
            }
        }
    }
    (vars, head)
}

/// Address, port and scheme of a request by a protocol, with `trusted-proxies`.
fn seen(trusted: &Trusted, protocol: WireProtocol, pairs: &[(&str, &str)]) -> [String; 3] {
    let (mut vars, head) = vars(pairs);
    let peer = Peer::from_text(vars.view(&head).get(Known::RemoteAddr).unwrap_or_default(), 0);
    let believed = is_believed(trusted, &peer, &mut None);
    amend(trusted, (protocol, believed), &head, &mut vars);
    let view = vars.view(&head);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    [
        text(view.get(Known::RemoteAddr).unwrap_or_default()),
        text(view.get(Known::RemotePort).unwrap_or(b"none")),
        text(url_scheme(view, protocol, true)),
    ]
}

const FOR: &str = "HTTP_X_FORWARDED_FOR";
const PROTO: &str = "HTTP_X_FORWARDED_PROTO";
const ADDR: &str = "REMOTE_ADDR";

#[test]
fn only_trusted_proxies_are_believed() {
    let cases = [
        (&[(ADDR, "10.0.0.1"), (FOR, "192.0.2.9"), (PROTO, "https")][..], "192.0.2.9", "https"),
        (&[(ADDR, "11.0.0.1"), (FOR, "192.0.2.9"), (PROTO, "https")], "11.0.0.1", "http"),
        (&[(ADDR, "10.0.0.1"), (FOR, "1.1.1.1, 192.0.2.9, 10.0.0.2")], "192.0.2.9", "http"),
        (&[(ADDR, "10.0.0.1"), (FOR, "192.0.2.9, 10.0.0.1")], "192.0.2.9", "http"),
        (&[(ADDR, "10.0.0.1"), (FOR, "unknown")], "10.0.0.1", "http"),
        (&[(ADDR, "10.0.0.1"), ("HTTP_X_FORWARDED_SSL", "on")], "10.0.0.1", "https"),
        (&[(ADDR, "10.0.0.1"), (FOR, "2001:DB8::1")], "2001:db8::1", "http"),
        (&[(ADDR, "::ffff:10.0.0.1"), (FOR, "192.0.2.9")], "192.0.2.9", "http"),
        (&[(ADDR, ""), (FOR, "192.0.2.9")], "", "http"),
        (&[(ADDR, "unix:"), (FOR, "192.0.2.9")], "unix:", "http"),
        (&[(ADDR, "10.0.0.1x"), (FOR, "192.0.2.9")], "10.0.0.1x", "http"),
        (&[(ADDR, "10.0.0.1")], "10.0.0.1", "http"),
        (&[(ADDR, "10.0.0.1"), ("HTTP_FORWARDED", "for=192.0.2.9")], "10.0.0.1", "http"),
    ];
    let trusted = trusted(Headers::XForwarded, false);
    for (pairs, address, scheme) in cases {
        for protocol in [WireProtocol::Http, WireProtocol::Uwsgi, WireProtocol::FastCgi] {
            let [got, _, by] = seen(&trusted, protocol, pairs);
            assert_eq!((&*got, &*by), (address, scheme), "{pairs:?}");
        }
    }
}

#[test]
fn clients_of_unix_sockets_have_a_name_of_their_own() {
    let trusted = trusted(Headers::XForwarded, true);
    for address in ["", "unix:"] {
        let pairs = [(ADDR, address), (FOR, "192.0.2.9")];
        assert_eq!(seen(&trusted, WireProtocol::Http, &pairs)[0], "192.0.2.9");
        assert_eq!(seen(&trusted, WireProtocol::Uwsgi, &pairs)[0], "192.0.2.9");
    }
}

#[test]
fn forwarded_counts_where_it_is_said_so() {
    let trusted = trusted(Headers::Forwarded, false);
    let pairs = [
        (ADDR, "10.0.0.1"),
        ("REMOTE_PORT", "1"),
        (FOR, "1.1.1.1"),
        ("HTTP_FORWARDED", "for=\"192.0.2.9:4711\";proto=https"),
    ];
    for protocol in [WireProtocol::Http, WireProtocol::Scgi] {
        assert_eq!(seen(&trusted, protocol, &pairs), ["192.0.2.9", "4711", "https"]);
    }
}

#[test]
fn what_the_front_end_said_of_the_proxy_is_replaced() {
    let trusted = trusted(Headers::XForwarded, false);
    let front = [
        (ADDR, "10.0.0.1"),
        ("REMOTE_PORT", "4711"),
        ("HTTPS", "on"),
        ("UWSGI_SCHEME", "https"),
        ("REQUEST_SCHEME", "https"),
        (FOR, "192.0.2.9"),
        (PROTO, "http"),
    ];
    assert_eq!(seen(&trusted, WireProtocol::Uwsgi, &front), ["192.0.2.9", "", "http"]);
    let (mut vars, head) = vars(&front);
    amend(&trusted, (WireProtocol::Uwsgi, false), &head, &mut vars);
    let view = vars.view(&head);
    assert_eq!(view.get(Known::RequestScheme), Some(&b"http"[..]));
    assert_eq!(view.get(Known::Https), Some(&b"off"[..]));
    assert_eq!(view.get(Known::XForwardedProto), Some(&b"http"[..]), "headers stay");
}

/// As uWSGI decides it; a client on an HTTP socket cannot.
#[test]
fn without_the_option_front_ends_are_believed() {
    for (pairs, front, http) in [
        (&[("HTTPS", "on")][..], "https", "https"),
        (&[("HTTPS", "1")], "https", "https"),
        (&[("HTTPS", "off")], "http", "http"),
        (&[(PROTO, "HTTPS")], "https", "http"),
        (&[(PROTO, "http"), ("HTTPS", "on")], "http", "https"),
        (&[(PROTO, "x"), ("HTTP_X_FORWARDED_SSL", "on")], "https", "http"),
        (&[("HTTP_X_FORWARDED_SSL", "on")], "https", "http"),
        (&[("UWSGI_SCHEME", "wss"), ("HTTPS", "on")], "wss", "https"),
        (&[("UWSGI_SCHEME", "")], "http", "http"),
    ] {
        let (vars, head) = vars(pairs);
        let view = vars.view(&head);
        assert_eq!(url_scheme(view, WireProtocol::Uwsgi, false), front.as_bytes(), "{pairs:?}");
        assert_eq!(url_scheme(view, WireProtocol::Http, false), http.as_bytes(), "{pairs:?}");
    }
}
