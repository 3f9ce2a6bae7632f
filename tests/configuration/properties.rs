//! The fuzz target's properties on generated text, in every test run.

use std::sync::LazyLock;

use proptest::prelude::*;
use uwsgi::config::fuzzing;
use uwsgi::options::Registry;
use uwsgi::sys::machine::Machine;

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| Registry::new(&[]));
static MACHINE: LazyLock<Machine> = LazyLock::new(Machine::detect);

/// Pieces of configuration files, right and wrong.
const PIECES: &[&str] = &[
    "[uwsgi]\n",
    "[other]\n",
    "processes = 4\n",
    "processes = %(processes)\n",
    "a = %(b)%(b)\n",
    "b = %(a)%(a)\n",
    "c = %(d + 3 * d ++)\n",
    "d = 99999999999999999999\n",
    "env = A=B\n",
    "x = $(HOME)@(exec://true)@(/etc/passwd)%n%Y%\n",
    "if-env = HOME\n",
    "if-opt = a\n",
    "if-not-opt = a=1\n",
    "if-exists = %(_)\n",
    "if-hostname-match = (((\n",
    "for = a b c d e f g h\n",
    "for-times = 100\n",
    "for-times = 9999999\n",
    "for-glob = [\n",
    "for-readline = /dev/zero\n",
    "endif =\n",
    "endfor =\n",
    "else =\n",
    "include = a.ini\n",
    "ini = :other\n",
    "inherit = text\n",
    "declare-option = o=o=$1;a=$2$3\n",
    "declare-option2 = p=p=$1\n",
    "o = 1 2\n",
    "p = %(_)\n",
    "set = a=%(a)\n",
    "set = set=set=set\n",
    "strict = true\n",
    "blacklist = a b\n",
    "whitelist = a\n",
    "profile = production\n",
    "fallback-config = x\n",
    "\u{0}\u{ff}\r\n",
    "uwsgi:\n",
    "  a: [b, {c: d}]\n",
    "  - x\n",
    "  a: &x\n",
    "  b: *x\n",
    "  c: |\n    t\n",
    "{\"uwsgi\": {\"a\": [1, true, null, {\"b\": [[[[",
    "]]}}",
    "<uwsgi><a>",
    "<b mode=\"x\"/>&lt;<![CDATA[x]]>",
    "</a></uwsgi>",
    "a = \"\"\"x\n",
    "[[uwsgi]]\n",
    "a.b.c = {x = 1}\n",
];

fn text() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(PIECES).prop_map(|text| text.as_bytes().to_vec());
    let noise = prop::collection::vec(any::<u8>(), 0..12);
    let part = prop_oneof![8 => piece, 1 => noise];
    (any::<bool>(), prop::collection::vec(part, 0..24)).prop_map(|(begin, parts)| {
        let begin: &[u8] = if begin { b"[uwsgi]\n" } else { b"" };
        [begin, &parts.concat()].concat()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_text_panics_or_hangs_the_reader(format in any::<u8>(), text in text()) {
        fuzzing::file(&REGISTRY, &MACHINE, format, &text);
    }

    #[test]
    fn nor_do_bytes(format in any::<u8>(), text in prop::collection::vec(any::<u8>(), 0..512)) {
        fuzzing::file(&REGISTRY, &MACHINE, format, &text);
    }
}
