#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first byte says where the rest is cut.
    if let [cut, input @ ..] = data {
        uwsgi_protocol::fuzzing::cluster_datagram(input, usize::from(*cut));
    }
});
