#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The first byte says how the rest is cut.
    if let [step, input @ ..] = data {
        uwsgi_protocol::fuzzing::websocket_frames(input, usize::from(*step));
    }
});
