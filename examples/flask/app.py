"""A Flask application, in this folder after `python3 -m venv venv && venv/bin/pip install -r requirements.txt`:

    uwsgi --http-socket 127.0.0.1:8080 --virtualenv venv --wsgi-file app.py --callable app
"""
from flask import Flask, request

app = Flask(__name__)


@app.get("/")
def index():
    return "Hello, %s\n" % request.args.get("name", "world")


@app.post("/upload")
def upload():
    return "%d bytes\n" % len(request.get_data())
