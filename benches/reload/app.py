"""An application that takes its time to be imported.

IMPORT_SECONDS  how long (0)
IMPORT_KIND     sleep: it waits, as for a database; cpu: it computes, as imports of large packages do
"""
import os
import time

SECONDS = float(os.environ.get("IMPORT_SECONDS", "0"))

if os.environ.get("IMPORT_KIND", "sleep") == "cpu":
    # Processor time, not the clock's: it stays the same amount of work beside others.
    END = time.process_time() + SECONDS
    while time.process_time() < END:
        sum(range(10_000))
else:
    time.sleep(SECONDS)


def application(environ, start_response):
    body = b"%d\n" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
