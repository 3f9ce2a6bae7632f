"""One application for the tests: the path says what to do."""

import io
import sys
import tempfile
import threading

import uwsgi

closed = []
kept = {}


def text(start_response, value):
    body = value.encode("utf-8")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


class Body:
    """An iterable that notes its close()."""

    def __init__(self, name, items):
        self.name = name
        self.items = iter(items)

    def __iter__(self):
        return self

    def __next__(self):
        item = next(self.items)
        if isinstance(item, BaseException):
            raise item
        return item

    def close(self):
        closed.append(self.name)


def simple(start_response, status="200 OK", headers=()):
    return start_response(status, list(headers))


# --- environ -----------------------------------------------------------------------------------------


def environ_(environ, start_response):
    lines = ["%s=%r" % item for item in environ.items()]
    return text(start_response, "\n".join(lines))


def environ_type(environ, start_response):
    environ["mine"] = 1
    return text(start_response, "%s %s" % (type(environ).__name__, sorted(k for k in environ if k == "kept")))


# --- responses ---------------------------------------------------------------------------------------


def empty_list(environ, start_response):
    simple(start_response)
    return []


def tuple_(environ, start_response):
    simple(start_response)
    return (b"tuple",)


def bytes_(environ, start_response):
    simple(start_response)
    return b"bytes"


def pieces(environ, start_response):
    simple(start_response)
    return [b"a", b"", b"b", b"c"]


def big_pieces(environ, start_response):
    simple(start_response)
    return [b"x" * 50000, b"y" * 50000]


def odd_items(environ, start_response):
    simple(start_response)
    return [b"a", "unicode", None, b"c", 7]


def text_body(environ, start_response):
    simple(start_response)
    return "text"


def buffers(environ, start_response):
    simple(start_response)
    return [bytearray(b"ab"), memoryview(b"cd")]


def lazy(environ, start_response):
    yield b""
    simple(start_response, "201 Made", [("X-Lazy", "yes")])
    yield b"one"
    yield b"two"


def nothing(environ, start_response):
    simple(start_response)
    return iter(())


def no_start(environ, start_response):
    return [b"x"]


def no_start_generator(environ, start_response):
    yield b"x"


def write(environ, start_response):
    out = simple(start_response)
    out(b"one")
    out(b"")
    return [b"two"]


def write_text(environ, start_response):
    simple(start_response)("text")
    return []


def write_gone(environ, start_response):
    out = simple(start_response)
    try:
        for _ in range(5):
            out(b"x")
    except OSError as error:
        closed.append("OSError: %s" % error)
        raise
    return []


def twice(environ, start_response):
    simple(start_response)
    simple(start_response, "404 Not Found")
    return [b"x"]


def replace(environ, start_response):
    simple(start_response, "200 OK", [("X-Old", "1")])
    try:
        raise ValueError("first")
    except ValueError:
        start_response("500 Oops", [("X-New", "1")], sys.exc_info())
    return [b"replaced"]


def replace_by_keyword(environ, start_response):
    simple(start_response)
    try:
        raise ValueError("first")
    except ValueError:
        start_response("500 Oops", [], exc_info=sys.exc_info())
    return [b"replaced"]


def replace_late(environ, start_response):
    out = simple(start_response)
    out(b"partial")
    try:
        raise KeyError("late")
    except KeyError:
        start_response("500 Oops", [], sys.exc_info())
    return [b"never"]


def exc_info_none(environ, start_response):
    start_response("200 OK", [], None)
    return [b"ok"]


def bad_calls(environ, start_response):
    """Every misuse of start_response, with what was raised."""
    latin = "caf\xe9"
    calls = [
        lambda: start_response(200, []),
        lambda: start_response(b"200 OK", []),
        lambda: start_response("200 OK", (("A", "b"),)),
        lambda: start_response("200 OK", [["A", "b"]]),
        lambda: start_response("200 OK", [("A", "b", "c")]),
        lambda: start_response("200 OK", [(1, "b")]),
        lambda: start_response("200 OK", [("A", b"b")]),
        lambda: start_response("OK", []),
        lambda: start_response("200 OK", [("A", "x\r\nB: y")]),
        lambda: start_response("200 OK", [("A B", "x")]),
        lambda: start_response("200 OK", [("A", "\u20ac")]),
        lambda: start_response("200 \u20ac", []),
        lambda: start_response("200 OK"),
        lambda: start_response("200 OK", [], 7),
        lambda: start_response("200 OK", [], status="x"),
        lambda: start_response(status="200 OK"),
        lambda: type(start_response)(),
    ]
    lines = []
    for call in calls:
        try:
            call()
            lines.append("nothing")
        except Exception as error:
            lines.append("%s: %s" % (type(error).__name__, error))
    start_response(status="200 OK", headers=[("X-Latin", latin)])
    return ["\n".join(lines).encode("utf-8")]


def swallowed(environ, start_response):
    try:
        start_response("200 OK", [("A", "ok"), ("B", "x\r\ny")])
    except ValueError:
        pass
    return [b"must not go out"]


# --- failures and close() ----------------------------------------------------------------------------


def boom(environ, start_response):
    raise ValueError("boom")


def boom_late(environ, start_response):
    simple(start_response)
    return Body("boom_late", [b"a", RuntimeError("middle"), b"b"])


def close_ok(environ, start_response):
    simple(start_response)
    return Body("close_ok", [b"a", b"b"])


def close_no_start(environ, start_response):
    return Body("close_no_start", [b"a"])


def close_raises(environ, start_response):
    class Bad(Body):
        def close(self):
            Body.close(self)
            raise ValueError("from close")

    simple(start_response)
    return Bad("close_raises", [b"a"])


def close_not_iterable(environ, start_response):
    class Bad:
        def close(self):
            closed.append("close_not_iterable")

    simple(start_response)
    return Bad()


def list_with_close(environ, start_response):
    class Closing(list):
        def close(self):
            closed.append("list_with_close")

    simple(start_response)
    return Closing([b"a"])


def generator_closed(environ, start_response):
    def items():
        try:
            simple(start_response)
            while True:
                yield b"x"
        finally:
            closed.append("generator_closed")

    return items()


def closings(environ, start_response):
    value = ",".join(closed)
    closed.clear()
    return text(start_response, value)


def leave(environ, start_response):
    sys.exit(5)


# --- files -------------------------------------------------------------------------------------------


class Noted(io.FileIO):
    def close(self):
        if not self.closed:
            closed.append("file")
        io.FileIO.close(self)


def wrap(environ, start_response, file):
    simple(start_response)
    return environ["wsgi.file_wrapper"](file, 4)


def file_plain(environ, start_response):
    return wrap(environ, start_response, io.BufferedReader(Noted(__file__)))


def file_position(environ, start_response):
    file = open(__file__, "rb")
    file.read(5)
    return wrap(environ, start_response, file)


def file_raw(environ, start_response):
    return wrap(environ, start_response, Noted(__file__))


def file_memory(environ, start_response):
    return wrap(environ, start_response, io.BytesIO(b"0123456789"))


def file_temporary(environ, start_response):
    file = tempfile.NamedTemporaryFile()
    file.write(b"temporary")
    file.flush()
    file.seek(4)
    return wrap(environ, start_response, file)


def file_gzip(environ, start_response):
    import gzip

    file = tempfile.TemporaryFile()
    with gzip.GzipFile(fileobj=file, mode="wb") as packed:
        packed.write(b"unpacked")
    file.seek(0)
    return wrap(environ, start_response, gzip.GzipFile(fileobj=file))


def file_text(environ, start_response):
    return wrap(environ, start_response, open(__file__))


def file_iterated(environ, start_response):
    """Middleware that looks into the wrapper."""
    wrapper = wrap(environ, start_response, io.BytesIO(b"0123456789"))
    return [chunk + b"." for chunk in wrapper]


# --- input -------------------------------------------------------------------------------------------


def read_all(environ, start_response):
    return text(start_response, repr(environ["wsgi.input"].read()))


def read_steps(environ, start_response):
    file = environ["wsgi.input"]
    steps = [
        file.read(0), file.read(3), file.tell(), file.readline(), file.readline(2), file.read(-1), file.read(),
        file.read(5), file.readline(), file.readlines(), file.close(), list(file),
    ]
    return text(start_response, repr(steps))


def read_lines(environ, start_response):
    return text(start_response, repr(environ["wsgi.input"].readlines()))


def read_hint(environ, start_response):
    file = environ["wsgi.input"]
    return text(start_response, repr([file.readlines(3), file.readlines(None), file.read(None)]))


def read_iter(environ, start_response):
    file = environ["wsgi.input"]
    return text(start_response, repr([iter(file) is file, list(file)]))


def read_errors(environ, start_response):
    file = environ["wsgi.input"]
    lines = []
    for call in (
        lambda: file.read(100),
        lambda: file.read(),
        lambda: file.readline(),
        lambda: file.read("x"),
        lambda: file.read(1, 2),
        lambda: file.seek(1),
        lambda: file.seek(file.tell()),
        lambda: type(file)(),
    ):
        try:
            lines.append(repr(call()))
        except Exception as error:
            lines.append("%s: %s" % (type(error).__name__, error))
    return text(start_response, "\n".join(lines))


def read_again(environ, start_response):
    file = environ["wsgi.input"]
    steps = [file.read(), file.seek(0), file.tell(), file.read(5), file.seek(6), file.read(3)]
    try:
        file.seek(1000)
    except OSError:
        steps.append(OSError)
    steps.append(file.tell())
    return text(start_response, "[%s]" % ", ".join(getattr(s, "__name__", repr(s)) for s in steps))


def read_busy(environ, start_response):
    """Another thread waits for the body while this one asks for it."""
    file = environ["wsgi.input"]
    results = []
    thread = threading.Thread(target=lambda: results.append(file.read()))
    thread.start()
    while not uwsgi.in_fill.is_set():
        uwsgi.in_fill.wait(1)
    try:
        results.append(file.read())
    except Exception as error:
        results.append("%s: %s" % (type(error).__name__, error))
    uwsgi.go_on.set()
    thread.join()
    return text(start_response, repr(results))


def read_left_behind(environ, start_response):
    """A thread still waits for the body when the application returns."""
    file = environ["wsgi.input"]
    thread = threading.Thread(target=lambda: kept.__setitem__("late", file.read()))
    thread.start()
    while not uwsgi.in_fill.is_set():
        uwsgi.in_fill.wait(1)
    threading.Timer(0.05, uwsgi.go_on.set).start()
    kept["thread"] = thread
    return text(start_response, "left")


def left_behind(environ, start_response):
    kept.pop("thread").join()
    return text(start_response, repr(kept.pop("late")))


# --- keeping objects beyond the request --------------------------------------------------------------


def keep(environ, start_response):
    out = start_response("200 OK", [])
    kept.update(environ=environ, input=environ["wsgi.input"], start=start_response, write=out)
    environ["kept"] = "yes"
    return [b"kept"]


def use_kept(environ, start_response):
    lines = []
    for call in (
        lambda: kept["input"].read(),
        lambda: kept["write"](b"stale"),
        lambda: kept["start"]("200 OK", []),
        lambda: next(kept["input"]),
    ):
        try:
            lines.append("nothing: %r" % (call(),))
        except Exception as error:
            lines.append("%s: %s" % (type(error).__name__, error))
    fresh = environ["wsgi.input"] is not kept["input"] and start_response is not kept["start"]
    lines.append("fresh %s, old environ %s" % (fresh, kept["environ"].get("kept")))
    return text(start_response, "\n".join(lines))


def drop_kept(environ, start_response):
    kept.clear()
    return text(start_response, "dropped")


def identities(environ, start_response):
    return text(start_response, "%x %x" % (id(start_response), id(environ["wsgi.input"])))


def census(environ, start_response):
    """What would grow if something leaked."""
    import gc

    gc.collect()
    counts = [sys.getrefcount(x) for x in (None, True, application, uwsgi, "wsgi.input", b"x" * 1)]
    return text(start_response, "%d|%s" % (len(gc.get_objects()), ",".join(map(str, counts))))


# --- others ------------------------------------------------------------------------------------------


def thread_name(environ, start_response):
    return text(start_response, threading.current_thread().name)


def call_uwsgi(environ, start_response):
    """Evaluates the query string with the module at hand."""
    return text(start_response, repr(eval(environ["QUERY_STRING"], {"uwsgi": uwsgi, "sys": sys})))


def application(environ, start_response):
    return globals()[environ["PATH_INFO"].strip("/")](environ, start_response)
