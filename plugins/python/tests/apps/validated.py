import sys
import warnings
from wsgiref.validate import validator

warnings.simplefilter("error")


@validator
def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.errors"].write("")
    environ["wsgi.errors"].flush()
    answer = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"valid %d" % len(body)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(answer)))])
    return [answer or b"valid"] if answer else [b"valid"]
