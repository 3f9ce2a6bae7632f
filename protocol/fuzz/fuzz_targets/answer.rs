#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: (Vec<Vec<u8>>, Vec<Vec<u8>>, bool, bool)| {
    let (fields, parts, head_request, http11) = data;
    let fields: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    uwsgi_protocol::fuzzing::answer(&fields, &parts, head_request, http11);
});
