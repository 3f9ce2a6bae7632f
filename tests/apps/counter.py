"""Counts answered requests in a file all workers share; the answer is sent after the count."""
import os

FILE = os.open(os.environ["COUNTER"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def application(environ, start_response):
    os.write(FILE, b".")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "7")])
    return [b"counted"]
