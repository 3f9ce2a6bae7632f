"""The applications that every server runs."""
import time

BODY = b"Hello World!"
HEADERS = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(BODY)))]


def hello(environ, start_response):
    start_response("200 OK", HEADERS[:])
    return [BODY]


def sleeping(environ, start_response):
    time.sleep(0.005)
    start_response("200 OK", HEADERS[:])
    return [BODY]


def flask():
    from flask import Flask
    app = Flask("hello")
    app.add_url_rule("/", "hello", lambda: "Hello World!")
    return app
