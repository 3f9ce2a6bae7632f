"""A handler of Mongrel2 with pyzmq, as its manual teaches it: receive, take apart, answer. One process.

    handler.py REQUESTS ANSWERS
"""
import json
import sys
import uuid

import zmq


class Request:
    """A message, taken apart."""

    def __init__(self, message):
        self.sender, self.conn_id, self.path, rest = message.split(b" ", 3)
        headers, rest = netstring(rest)
        self.body, _ = netstring(rest)
        self.headers = json.loads(headers)
        self.data = json.loads(self.body) if self.headers["METHOD"] == "JSON" else {}

    def is_disconnect(self):
        return self.headers.get("METHOD") == "JSON" and self.data["type"] == "disconnect"


def netstring(text):
    length, rest = text.split(b":", 1)
    length = int(length)
    assert rest[length:length + 1] == b","
    return rest[:length], rest[length + 1:]


def http_response(body, code, status, headers):
    headers = dict(headers or {})
    headers["Content-Length"] = len(body)
    lines = "\r\n".join(f"{name}: {value}" for name, value in headers.items())
    return f"HTTP/1.1 {code} {status}\r\n{lines}\r\n\r\n{body}".encode()


class Connection:
    """The two sockets."""

    def __init__(self, requests, answers):
        context = zmq.Context()
        self.requests = context.socket(zmq.PULL)
        self.requests.connect(requests)
        self.answers = context.socket(zmq.PUB)
        self.answers.setsockopt(zmq.IDENTITY, str(uuid.uuid4()).encode())
        self.answers.connect(answers)

    def recv(self):
        return Request(self.requests.recv())

    def reply_http(self, request, body, code=200, status="OK", headers=None):
        head = b"%s %d:%s, " % (request.sender, len(request.conn_id), request.conn_id)
        self.answers.send(head + http_response(body, code, status, headers))


def main():
    connection = Connection(*sys.argv[1:])
    while True:
        request = connection.recv()
        if not request.is_disconnect():
            connection.reply_http(request, "Hello World\n", headers={"Content-Type": "text/plain"})


if __name__ == "__main__":
    main()
