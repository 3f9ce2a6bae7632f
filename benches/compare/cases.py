"""The cases: what is served, how it is asked, and what the figures must be.

A target is the largest (or, with `at_least`, smallest) ratio of ours to another one.
"""
from dataclasses import dataclass, field

HELLO, FLASK, SLEEPING = "apps:hello", "apps_flask:app", "apps:sleeping"
ALL = ("ours", "uwsgi", "granian", "bjoern", "fastpysgi", "gunicorn")


@dataclass
class Variant:
    """One row of a case: a server and its options."""
    server: str
    label: str = ""
    options: dict = field(default_factory=dict)
    hold: tuple = ()

    @property
    def name(self):
        return f"{self.server} {self.label}".strip()


@dataclass
class Target:
    """Ours (`row`) against `peer` in `column`."""
    column: str
    peer: str
    ratio: float
    row: str = "ours"
    at_least: bool = False


@dataclass
class Case:
    name: str
    title: str
    app: str
    variants: list
    targets: list = field(default_factory=list)
    connections: int = 32
    wire: str = "http"
    close: bool = False
    browser: bool = False
    kind: str = "load"  # or "memory", "start"


def servers(names, **options):
    return [Variant(name, options=dict(options)) for name in names]


THREADED = [Variant(name, f"{count} thread{'s' * (count > 1)}", {"threads": count})
            for name in ("ours", "uwsgi", "granian", "gunicorn") for count in (1, 8)]

CASES = [
    Case("hello", "hello of 12 bytes, one thread, keep-alive, headers of a browser", HELLO, servers(ALL), [
        Target("cpu", "bjoern", 0.75), Target("cpu", "granian", 0.4), Target("cpu", "uwsgi", 0.3)], browser=True),
    Case("no-python", "the hello beside the same server answering without Python", HELLO,
         servers(("ours", "fixed")), [Target("cpu", "fixed", 1.4)], browser=True),
    Case("flask", "Flask hello, one thread, keep-alive", FLASK, servers(ALL), [
        Target("cpu", "bjoern", 1.0), Target("cpu", "uwsgi", 0.75)], browser=True),
    Case("threads", "hello, 64 connections, one and eight threads", HELLO, THREADED, [
        Target("cpu", "ours 1 thread", 1.1, "ours 8 threads"),
        Target("p99", "ours 1 thread", 2.0, "ours 8 threads")], connections=64, browser=True),
    Case("sleep", "an app that sleeps 5 ms, eight threads, 32 connections", SLEEPING,
         servers(("ours", "uwsgi", "granian", "gunicorn"), threads=8), [
             Target("rate", "uwsgi", 0.95, at_least=True)], connections=32),
    Case("close-http", "a connection per request over HTTP", HELLO, servers(ALL, keep=False), [
        Target("cpu", "uwsgi", 0.75)], connections=16, close=True),
    Case("close-uwsgi", "a connection per request over the uwsgi protocol", HELLO,
         servers(("ours", "uwsgi"), wire="uwsgi"), [Target("cpu", "uwsgi", 0.85)], connections=16, wire="uwsgi",
         browser=True, close=True),
    Case("memory", "PSS of four workers of Flask hello after load", FLASK,
         servers(("ours", "uwsgi", "granian", "gunicorn"), workers=4), [
             Target("pss", "uwsgi", 0.9), Target("pss", "granian", 0.65)], kind="memory"),
    Case("slow", "hello beside 100 half-sent heads and 2,000 idle connections, and without them", HELLO,
         [Variant(name, label, hold=hold) for name in ("ours", "bjoern")
          for label, hold in (("alone", ()), ("beside", ("--idle", "2000", "--half", "100")))], [
              Target("rate", "ours alone", 0.9, "ours beside", at_least=True)], browser=True),
    Case("mongrel2", "hello through Mongrel2, 50 connections, and through nginx", HELLO, [
        Variant("ours", "json", {"front": "json", "workers": 2, "threads": 4}),
        Variant("ours", "tnetstring", {"front": "tnetstring", "workers": 2, "threads": 4}),
        Variant("pyzmq", options={"front": "json"}),
        Variant("uwsgi", "mongrel2", {"front": "json", "workers": 2}),
        Variant("ours", "nginx", {"front": "nginx", "wire": "uwsgi", "workers": 2, "threads": 4})], [
            Target("cpu", "pyzmq", 0.5, "ours tnetstring"), Target("cpu", "uwsgi mongrel2", 0.8, "ours tnetstring")],
         connections=50),
    Case("start", "start to first answer, empty app", HELLO, servers(ALL), [Target("start", "uwsgi", 1.0)],
         kind="start"),
]
