#!/usr/bin/env bash
# Runs the tests that are ignored as known gaps and fails where one passes: then its #[ignore] has to go.
set -euo pipefail
cd "$(dirname "$0")/.."

if git grep -nE '^\s*#\[ignore\]' -- '*.rs'; then
    echo 'an ignored test needs its reason: #[ignore = "gap: ..."]' >&2
    exit 1
fi

# By name, because test programs with a harness of their own run all they have whatever they are asked.
names=$({ git grep -hE -A4 '^\s*#\[ignore = ' -- '*.rs' || true; } | sed -nE 's/^.*\bfn ([a-z0-9_]+)\(.*$/\1/p' | sort -u)
if [ -z "$names" ]; then
    echo 'no test is ignored'
    exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --workspace --locked --no-fail-fast --lib --bins --tests -- --ignored >"$log" 2>&1 || true
for name in $names; do
    if grep -E "^test (.*::)?$name \.\.\. ok$" "$log"; then
        echo 'this ignored test passes: remove its #[ignore]' >&2
        exit 1
    fi
    if ! grep -qE "^test (.*::)?$name \.\.\. FAILED$" "$log"; then
        cat "$log" >&2
        echo "the ignored test $name was not run" >&2
        exit 1
    fi
    echo "fails as expected: $name"
done
