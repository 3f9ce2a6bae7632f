//! A build without jansson: `cargo test -p uwsgi-plugin-mongrel2 --no-default-features`.
#![cfg(not(feature = "json"))]

use uwsgi_plugin_mongrel2::json::{self, JsonError, Notice};

#[test]
fn it_says_what_to_set() {
    let error = json::headers(b"{}", &mut |_, _| panic!("no header")).expect_err("not built");
    assert_eq!(error, JsonError::NotBuilt);
    assert_eq!(error.reject().status, 501);
    let text = error.to_string();
    for word in ["Handler(..., protocol='tnetstring')", "cargo feature json", "libjansson"] {
        assert!(text.contains(word), "{text}");
    }
}

/// With headers as tnetstrings, notices still are JSON.
#[test]
fn it_knows_the_notices_of_mongrel2() {
    assert_eq!(json::notice_type(br#"{"type":"disconnect"}"#), Ok(Notice::Disconnect));
    assert_eq!(json::notice_type(br#"{"type":"credits"}"#), Ok(Notice::Credits(None)));
    assert_eq!(json::notice_type(br#"{"type": "disconnect"}"#), Err(JsonError::NotBuilt));
}
