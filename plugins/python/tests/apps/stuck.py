import os


def deep_down(path):
    while not os.path.exists(path):
        pass


def application(environ, start_response):
    deep_down(environ["QUERY_STRING"])
    start_response("200 OK", [])
    return [b"released"]
