"""The smallest WSGI application."""


def application(environ, start_response):
    body = b"Hello from uwsgi-rs\n"
    start_response("200 OK", [("Content-Type", "text/plain; charset=utf-8")])
    return [body]
