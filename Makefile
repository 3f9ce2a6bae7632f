# make run, make test, make bench, make lint: each sets up what this machine lacks (tests/setup.sh).

HTTP ?= 127.0.0.1:8080
UWSGI ?= 127.0.0.1:9090
CACHE := $(if $(UWSGI_CACHE),$(UWSGI_CACHE),$(CURDIR)/.cache)
export PATH := $(PATH):/usr/sbin:$(HOME)/.cargo/bin

.PHONY: help run test test-ours test-original test-ignored bench bench-reload lint golden

help:
	@echo 'make run    build, serve examples/hello.py on http://$(HTTP)/ and on uwsgi socket $(UWSGI)'
	@echo 'make test   all tests, against this server and against the original'
	@echo 'make bench  compare with other servers (needs a quiet machine)'
	@echo 'make bench-reload  what clients see of reloads, beside other servers (hours; RELOAD=--help)'
	@echo 'make lint   formatting, lints, documentation'
	@echo 'make golden write what is rendered from the option table: help, man page, docs/options.md, schema, completions'

run:
	tests/setup.sh run
	cargo build --release --locked
	@echo
	@echo '    http://$(HTTP)/    and for nginx:  uwsgi_pass $(UWSGI);    Ctrl-C stops'
	@echo
	target/release/uwsgi --http-socket $(HTTP) --socket $(UWSGI) --master --processes 2 --threads 4 \
	    --die-on-term --wsgi-file examples/hello.py

test:
	tests/setup.sh test
	$(MAKE) test-ours test-original

test-ours:
	cargo test --workspace --locked
	cargo test --locked -p uwsgi-plugin-mongrel2 --no-default-features

test-original:
	UWSGI_BIN='$(CACHE)/original/bin/uwsgi' cargo test --locked --test behaviour
	UWSGI_ORIGINAL='$(CACHE)/original/bin/uwsgi' cargo test --locked --test configuration recorded

# Tests that are ignored as known gaps must still fail; one that passes is no gap any more.
test-ignored:
	tests/ignored.sh

bench:
	tests/setup.sh bench
	cargo build --release --locked --bin uwsgi
	python3 benches/compare/compare.py $(BENCH)

bench-reload:
	tests/setup.sh bench
	cargo build --release --locked --bin uwsgi
	python3 benches/reload/reload.py $(RELOAD)

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --locked
	bash -n tests/setup.sh tests/ignored.sh .ci/run
	python3 -c 'import ast, glob; [ast.parse(open(f).read(), f) for g in ("benches/compare", "benches/reload", "benches/sites", "examples", "tests/apps") for f in glob.glob(g + "/*.py")]'

# The files that tests/golden.rs compares with what the option table says.
golden:
	UPDATE_GOLDEN=1 cargo test --locked --test golden
