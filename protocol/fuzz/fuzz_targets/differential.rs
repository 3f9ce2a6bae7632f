#![no_main]

//! Our decoder, httparse and hyper must see the same request wherever they accept the same bytes.

use libfuzzer_sys::fuzz_target;

#[path = "../../tests/differential/oracle.rs"]
mod oracle;

fuzz_target!(|data: &[u8]| {
    oracle::compare(data);
});
