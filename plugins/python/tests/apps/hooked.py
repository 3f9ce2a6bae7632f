"""Hooks around fork, load and exit."""

import atexit
import gc
import os
import random
import threading

import uwsgi

events = []
boot_random = random.random()


def hook():
    events.append("post_fork %d in own process %s" % (uwsgi.worker_id(), os.getpid() != loaded_in))


loaded_in = os.getpid()
uwsgi.post_fork_hook = hook
os.register_at_fork(before=lambda: events.append("before"), after_in_child=lambda: events.append("child"))


def leave(name):
    with open(os.environ["LEAVE_FILE"], "a") as file:
        file.write(name + "\n")


def exit_hook():
    leave("uwsgi.atexit")
    raise ValueError("does not keep the others from running")


uwsgi.atexit = exit_hook
atexit.register(leave, "atexit")

if os.environ.get("START_THREAD"):
    threading.Thread(target=threading.Event().wait, daemon=True).start()


def application(environ, start_response):
    start_response("200 OK", [])
    return [repr((events, gc.get_freeze_count() > 1000, random.random())).encode()]
