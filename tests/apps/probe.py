"""One application with a path for everything the behaviour tests look at."""
import hashlib
import os
import sys
import time
import urllib.parse

PATHS = {}
CLOSED = []


def path(name):
    def register(function):
        PATHS[name] = function
        return function
    return register


def application(environ, start_response):
    handler = PATHS.get(environ.get("PATH_INFO", ""))
    if handler is None:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"no such probe"]
    return handler(environ, start_response)


def text(start_response, body, status="200 OK"):
    start_response(status, [("Content-Type", "text/plain")])
    return [body.encode("latin-1") if isinstance(body, str) else body]


def number(environ, default=0):
    return int(environ["QUERY_STRING"] or default)


class Closing:
    """An iterable that notes when it is closed."""

    def __init__(self, items, name):
        self.items, self.name = iter(items), name

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.items)

    def close(self):
        CLOSED.append(self.name)


# --- plain answers

@path("/hello")
def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


@path("/environ")
def show_environ(environ, start_response):
    lines = ["%s: %r" % item for item in sorted(environ.items(), key=lambda item: item[0])]
    lines.append("type(environ): %s" % type(environ).__name__)
    return text(start_response, "\n".join(lines).encode("utf-8", "replace"))


@path("/status")
def status(environ, start_response):
    """Answers with the status line of the query, and a body."""
    start_response(urllib.parse.unquote(environ["QUERY_STRING"]), [("X-Kind", "status")])
    return [b"body"]


@path("/pid")
def pid(environ, start_response):
    return text(start_response, str(os.getpid()))


@path("/sleep")
def sleep(environ, start_response):
    """Sleeps for so many milliseconds."""
    time.sleep(number(environ) / 1000)
    return text(start_response, "slept %d" % os.getpid())


@path("/hang")
def hang(environ, start_response):
    while True:
        time.sleep(60)


@path("/naps")
def naps(environ, start_response):
    """Hangs, but runs Python code in between."""
    while True:
        time.sleep(0.01)


@path("/half-and-hang")
def half_and_hang(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"half"
    time.sleep(60)


@path("/big")
def big(environ, start_response):
    """So many bytes in one piece."""
    return text(start_response, b"x" * number(environ))


@path("/pieces")
def pieces(environ, start_response):
    """So many pieces of 64 KiB, without a length."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return (b"p" * 65536 for _ in range(number(environ)))


@path("/exit")
def exit_now(environ, start_response):
    os._exit(3)


@path("/crash")
def crash(environ, start_response):
    import ctypes
    ctypes.string_at(0)


@path("/system-exit")
def system_exit(environ, start_response):
    sys.exit(5)


@path("/getenv")
def getenv(environ, start_response):
    return text(start_response, os.environ.get(environ["QUERY_STRING"], "unset"))


@path("/where")
def where(environ, start_response):
    return text(start_response, "cwd: %s\nuid: %d\ngid: %d\nprefix: %s\nexecutable: %s\nversion: %d.%d\npath: %s\nargv: %r" % (
        os.getcwd(), os.getuid(), os.getgid(), sys.prefix, sys.executable, *sys.version_info[:2], sys.path, sys.argv))


@path("/memory")
def memory(environ, start_response):
    """Asks for so many MiB."""
    try:
        block = bytearray(number(environ) << 20)
        return text(start_response, "got %d" % len(block))
    except MemoryError:
        return text(start_response, "MemoryError")


# --- the request body

@path("/body")
def body(environ, start_response):
    try:
        data = environ["wsgi.input"].read()
    except OSError as error:
        return text(start_response, "OSError: %s" % error)
    return text(start_response, "%d %s" % (len(data), hashlib.md5(data).hexdigest()))


@path("/echo")
def echo(environ, start_response):
    return text(start_response, environ["wsgi.input"].read())


@path("/count")
def count(environ, start_response):
    """Reads the body in pieces, and says on the log when it has the first."""
    source, total = environ["wsgi.input"], 0
    while True:
        try:
            data = source.read(65536 if total else 1000)
        except OSError as error:
            print("count error: %s" % type(error).__name__, file=environ["wsgi.errors"], flush=True)
            raise
        if not data:
            return text(start_response, str(total))
        if not total:
            print("count begins with %d" % len(data), file=environ["wsgi.errors"], flush=True)
        total += len(data)


@path("/lines")
def lines(environ, start_response):
    """Runs calls like `readline()` on the input, one line of answer each."""
    calls = urllib.parse.unquote(environ["QUERY_STRING"]).split(";")
    source = environ["wsgi.input"]
    scope = {"input": source}
    return text(start_response, "\n".join(repr(eval(call, scope)) for call in calls))


@path("/ignore")
def ignore(environ, start_response):
    """Leaves the body unread."""
    return text(start_response, "ignored")


@path("/cut")
def cut(environ, start_response):
    """Says on the log how reading went: the client is gone by then."""
    try:
        data = environ["wsgi.input"].read()
        environ["wsgi.errors"].write("body read: %d\n" % len(data))
        environ["wsgi.errors"].flush()
    except OSError as error:
        environ["wsgi.errors"].write("body error: %s\n" % type(error).__name__)
        environ["wsgi.errors"].flush()
    return text(start_response, "done")


# --- PEP 3333

@path("/write")
def write(environ, start_response):
    send = start_response("200 OK", [("Content-Type", "text/plain")])
    send(b"one ")
    send(b"two ")
    return [b"three"]


@path("/write-until-gone")
def write_until_gone(environ, start_response):
    """Writes until the client is gone, and says how it learnt of that."""
    write = start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        for _ in range(number(environ)):
            write(b"x" * 100000)
    except OSError as error:
        print("write() raised OSError: %s" % error, file=environ["wsgi.errors"], flush=True)
        raise
    print("write() raised nothing", file=environ["wsgi.errors"], flush=True)
    return []


@path("/generator")
def generator(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    yield b""
    yield b"two"


@path("/late-start")
def late_start(environ, start_response):
    start_response("202 Late", [("X-Late", "yes")])
    yield b"late"


@path("/headers")
def headers(environ, start_response):
    start_response("200 Fine Indeed", [("X-One", "1"), ("X-Two", "\xe4"), ("X-One", "2"), ("Set-Cookie", "a=b"), ("Set-Cookie", "c=d")])
    return [b"ok"]


@path("/long")
def too_long(environ, start_response):
    start_response("200 OK", [("Content-Length", "3")])
    return [b"abc", b"def"]


@path("/short")
def too_short(environ, start_response):
    start_response("200 OK", [("Content-Length", "10")])
    return [b"abc"]


@path("/length")
def length(environ, start_response):
    start_response("200 OK", [("Content-Length", "6")])
    return [b"abc", b"def"]


@path("/exc-info")
def exc_info(environ, start_response):
    """An error before anything was sent replaces the head."""
    start_response("200 OK", [("X-First", "yes")])
    try:
        raise ValueError("replaced")
    except ValueError:
        start_response("500 Replaced", [("X-Second", "yes")], sys.exc_info())
    return [b"replaced"]


@path("/exc-info-late")
def exc_info_late(environ, start_response):
    """An error after the head was sent is raised again."""
    send = start_response("200 OK", [("Content-Type", "text/plain")])
    send(b"begun ")
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Late", [], sys.exc_info())
    return [b"not reached"]


@path("/second-start")
def second_start(environ, start_response):
    start_response("200 OK", [("X-First", "yes")])
    try:
        start_response("201 Second", [])
    except Exception as error:
        environ["wsgi.errors"].write("second start: %s\n" % type(error).__name__)
        environ["wsgi.errors"].flush()
        raise
    return [b"second"]


@path("/boom")
def boom(environ, start_response):
    raise ValueError("boom before start_response")


@path("/boom-mid")
def boom_mid(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first part "
    raise ValueError("boom in the middle")


@path("/boom-start")
def boom_start(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    raise ValueError("boom after start_response")


@path("/no-start")
def no_start(environ, start_response):
    return [b"headless"]


@path("/inject")
def inject(environ, start_response):
    """Tries `name` or `value` or `status` with a line break in it."""
    bad = "x\r\nInjected: yes"
    what = environ["QUERY_STRING"]
    start_response("200 " + bad if what == "status" else "200 OK",
                   [(bad if what == "name" else "X-Name", bad if what == "value" else "plain")])
    return [b"sent"]


@path("/bad-status")
def bad_status(environ, start_response):
    start_response("OK", [])
    return [b"x"]


@path("/start-error")
def start_error(environ, start_response):
    """Calls start_response as the query says and answers with what it raised."""
    cases = {
        "status-type": lambda: start_response(200, []),
        "headers-type": lambda: start_response("200 OK", (("a", "b"),)),
        "header-type": lambda: start_response("200 OK", ["ab"]),
        "value-type": lambda: start_response("200 OK", [("a", 1)]),
    }
    try:
        cases[environ["QUERY_STRING"]]()
    except Exception as error:
        return text(start_response, "%s: %s" % (type(error).__name__, error))
    return [b"accepted"]


@path("/items")
def items(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"a", "not bytes", b"c"]


@path("/empty")
def empty(environ, start_response):
    start_response("200 OK", [("X-Empty", "yes")])
    return []


@path("/closing")
def closing(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing([b"one", b"two"], "whole")


@path("/closing-boom")
def closing_boom(environ, start_response):
    def items():
        yield b"one"
        raise ValueError("boom while closing is due")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing(items(), "boom")


@path("/closing-endless")
def closing_endless(environ, start_response):
    def items():
        while True:
            yield b"e" * 65536
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing(items(), "endless")


@path("/closed")
def closed(environ, start_response):
    return text(start_response, " ".join(CLOSED))


# --- files

@path("/file")
def send_file(environ, start_response):
    """`wsgi.file_wrapper` over the application's own file, after reading so many bytes of it."""
    source = open(__file__, "rb")
    source.read(number(environ))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](source, 4096)


@path("/file-length")
def send_file_length(environ, start_response):
    source = open(__file__, "rb")
    start_response("200 OK", [("Content-Length", "7")])
    return environ["wsgi.file_wrapper"](source)


@path("/memory-file")
def send_memory_file(environ, start_response):
    import io
    source = io.BytesIO(b"0123456789" * 1000)
    source.read(5)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](source, 100)


@path("/file-closed")
def send_file_closed(environ, start_response):
    class File:
        def __init__(self):
            self.left = [b"wrapped ", b"file"]

        def read(self, size=-1):
            return self.left.pop(0) if self.left else b""

        def close(self):
            CLOSED.append("file")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](File())


# --- threads

@path("/threads")
def threads(environ, start_response):
    """Answers only when so many requests are in here at once."""
    import threading
    global BARRIER
    with LOCK:
        if BARRIER is None:
            BARRIER = threading.Barrier(number(environ))
    BARRIER.wait(timeout=25)
    return text(start_response, "met")


import threading  # noqa: E402

LOCK, BARRIER = threading.Lock(), None


# --- the uwsgi module

@path("/module")
def module(environ, start_response):
    """Evaluates the query with `uwsgi` imported."""
    import uwsgi
    return text(start_response, repr(eval(urllib.parse.unquote(environ["QUERY_STRING"]), {"uwsgi": uwsgi})))


@path("/log")
def log(environ, start_response):
    environ["wsgi.errors"].write("written to wsgi.errors\n")
    environ["wsgi.errors"].flush()
    print("printed to stdout")
    print("printed to stderr", file=sys.stderr)
    return text(start_response, "logged")


@path("/user-harakiri")
def user_harakiri(environ, start_response):
    import uwsgi
    uwsgi.set_user_harakiri(number(environ))
    time.sleep(60)
    return text(start_response, "survived")


# --- answers that the server is asked to compress

@path("/packed")
def packed(environ, start_response):
    """What the query names: `length`, `etag`, `vary`, `encoded`, `stream`, `file`, `partial`."""
    wishes = environ["QUERY_STRING"].split("&")
    body = b"hello world " * 500
    headers = [("Content-Type", "text/plain"), ("uWSGI-Encoding", "gzip")]
    extra = {
        "length": ("Content-Length", str(len(body))),
        "etag": ("ETag", '"v1"'),
        "vary": ("Vary", "Cookie"),
        "encoded": ("Content-Encoding", "identity"),
    }
    headers += [extra[wish] for wish in wishes if wish in extra]
    start_response("206 Partial Content" if "partial" in wishes else "200 OK", headers)
    if "stream" in wishes:
        return iter([body[:3000], body[3000:]])
    if "file" in wishes:
        import tempfile
        file = tempfile.TemporaryFile()
        file.write(body)
        file.seek(0)
        return environ["wsgi.file_wrapper"](file)
    return [body]


@path("/chunked-read")
def chunked_read(environ, start_response):
    import uwsgi
    pieces = []
    try:
        while True:
            pieces.append(uwsgi.chunked_read())
            if not pieces[-1]:
                break
    except OSError as error:
        return text(start_response, "OSError: %s" % error)
    return text(start_response, b"".join(pieces))
