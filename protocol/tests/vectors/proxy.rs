//! Vectors of the PROXY protocol.

use serde_json::{Value, json};
use uwsgi_protocol::proxy;

use super::uwsgi::feed;
use super::{Reading, Vector, cut_otherwise, report, vectors};

/// What is not decided by the bytes: a server that takes one version only.
const OTHERWISE: [&str; 2] = ["v1_not_accepted", "v2_not_accepted"];

/// The reference would wait for 64 KiB of a header.
const WAITS: &str = "proxy-0110";

#[test]
fn proxy_vectors() {
    let mut failures = Vec::new();
    for vector in vectors("proxy.json", &["proxy.header", "xff"]) {
        if vector.kind() == "xff" {
            continue;
        }
        let want = vector.expect();
        if want["error"].as_str().is_some_and(|error| OTHERWISE.contains(&error)) {
            continue;
        }
        if vector.json["id"] == WAITS {
            assert_eq!(decoded(&vector, Reading::Whole), json!("v2_too_long"));
            continue;
        }
        let whole = decoded(&vector, Reading::Whole);
        if whole != wanted(want) {
            failures.push(format!("{}\n  got  {whole}\n  want {want}", vector.name()));
        }
        failures.extend(cut_otherwise(&vector, vector.readings(), decoded));
    }
    report(&failures);
}

/// Of an accepted header: its length, and the addresses where they count.
fn wanted(expect: &Value) -> Value {
    let Value::Object(ok) = &expect["ok"] else {
        let error = expect["error"].as_str();
        return error.map_or(json!("more"), |error| json!(error));
    };
    let stream = ok.get("transport").is_none_or(|transport| transport == "STREAM");
    let inet = ["TCP4", "TCP6", "INET", "INET6"].iter().any(|family| ok["family"] == *family);
    let own = ok.get("use_connection_address").is_some_and(|own| own == true);
    match inet && stream && !own {
        true => {
            json!([ok["consumed"], ok["src"], ok["sport"], ok["dst"], ok["dport"]])
        }
        false => json!([ok["consumed"]]),
    }
}

fn decoded(vector: &Vector, reading: Reading) -> Value {
    match feed(&vector.bytes, reading, proxy::decode) {
        Err(reject) => json!(reject.reason),
        Ok(None) => json!("more"),
        Ok(Some(header)) => match header.addresses {
            None => json!([header.consumed]),
            Some((from, to)) => json!([
                header.consumed,
                from.ip().to_string(),
                from.port(),
                to.ip().to_string(),
                to.port()
            ]),
        },
    }
}
