"""WebSockets through the module uwsgi. The ends of sockets are told in the log."""
import sys
import time

import uwsgi


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/hello":
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]
    try:
        uwsgi.websocket_handshake(environ.get("HTTP_SEC_WEBSOCKET_KEY", ""), environ.get("HTTP_ORIGIN", ""))
    except OSError as error:
        tell(path, error)
        raise
    return SOCKETS[path](environ, start_response) or []


def tell(path, error):
    print("%s ends: %r" % (path, error), file=sys.stderr, flush=True)


def serve(receive, send):
    def run(environ, start_response):
        try:
            while True:
                message = receive()
                if message:
                    send(message)
        except OSError as error:
            tell(environ["PATH_INFO"], error)
    return run


def poll():
    message = uwsgi.websocket_recv_nb()
    if not message:
        time.sleep(0.01)
    return message


def farewell(environ, start_response):
    uwsgi.websocket_send("bye")
    return [b"nobody", b"reads this"]


def attempts(environ, start_response):
    for attempt in (
        lambda: uwsgi.websocket_handshake(),
        lambda: start_response("200 OK", []),
        lambda: uwsgi.websocket_send(5),
    ):
        try:
            attempt()
        except Exception as error:
            uwsgi.websocket_send("%s: %s" % (type(error).__name__, error))


def fail(environ, start_response):
    raise ValueError("the application fails")


def headers(environ, start_response):
    for name in ("HTTP_UPGRADE", "HTTP_CONNECTION", "HTTP_SEC_WEBSOCKET_VERSION", "HTTP_SEC_WEBSOCKET_KEY",
                 "REQUEST_METHOD"):
        uwsgi.websocket_send("%s=%s" % (name, environ.get(name)))


def sizes(environ, start_response):
    while True:
        uwsgi.websocket_send_binary(b"x" * int(uwsgi.websocket_recv()))


def slow(environ, start_response):
    while True:
        message = uwsgi.websocket_recv()
        time.sleep(2)
        uwsgi.websocket_send(message)


SOCKETS = {
    "/echo": serve(uwsgi.websocket_recv, uwsgi.websocket_send),
    "/echo-binary": serve(uwsgi.websocket_recv, uwsgi.websocket_send_binary),
    "/poll": serve(poll, uwsgi.websocket_send),
    "/farewell": farewell,
    "/attempts": attempts,
    "/fail": fail,
    "/headers": headers,
    "/sizes": sizes,
    "/slow": slow,
}
