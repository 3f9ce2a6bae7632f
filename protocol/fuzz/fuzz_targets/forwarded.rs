#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    uwsgi_protocol::fuzzing::forwarded_headers(data);
});
