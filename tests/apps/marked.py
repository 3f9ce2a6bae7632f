"""Notes in a file which requests it has begun, `/?NUMBER` or `/?NUMBER-MILLISECONDS`, and answers with their numbers."""
import os
import time

# Appending one short line is one step, whoever does it beside.
MARKS = os.open(os.environ["MARKS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)


def application(environ, start_response):
    number, _, milliseconds = environ["QUERY_STRING"].partition("-")
    os.write(MARKS, b"%s %d\n" % (number.encode(), os.getpid()))
    time.sleep(int(milliseconds or 2) / 1000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [number.encode()]
