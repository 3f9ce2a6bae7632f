import time

import uwsgi


class Broken(ValueError):
    pass


def hello(start_response):
    start_response("200 OK", [])
    return [b"hello"]


def sleep(start_response):
    uwsgi.log("it runs")
    time.sleep(3600)


def spin(start_response):
    uwsgi.log("it runs")
    while True:
        pass


def catch(start_response):
    try:
        sleep(start_response)
    except uwsgi.RequestTimeout as timeout:
        assert not isinstance(timeout, Exception)
        start_response("200 OK", [])
        return [b"caught"]


def steps(start_response):
    """Others get the GIL in its middle."""
    for _ in range(3):
        time.sleep(0.0001)
    start_response("200 OK", [])
    return [b"steps"]


def boom(start_response):
    raise ValueError("no good")


def broken(start_response):
    raise Broken("beyond repair")


def application(environ, start_response):
    return globals()[environ["PATH_INFO"][1:]](start_response)
