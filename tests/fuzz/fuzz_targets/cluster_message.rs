#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| uwsgi_plugin_cluster::fuzzing::message(data));
