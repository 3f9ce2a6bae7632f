#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use uwsgi::options::Registry;
use uwsgi::sys::machine::Machine;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(&[]));
static MACHINE: LazyLock<Machine> = LazyLock::new(Machine::detect);

fuzz_target!(|data: &[u8]| {
    // The first byte says which format it is.
    if let [format, text @ ..] = data {
        uwsgi::config::fuzzing::file(&REGISTRY, &MACHINE, *format, text);
    }
});
