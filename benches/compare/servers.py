"""How each server is started, and what its processes cost."""
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

from fronts import Front, free_port

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("UWSGI_CACHE") or ROOT / ".cache")
PEERS = CACHE / "peers"
FIXED = ROOT / "target/fixed/release/uwsgi"
TICK = os.sysconf("SC_CLK_TCK")
START_SECONDS_MAX = 20


def command(name, app, port, threads=1, workers=1, wire="http", keep=True, front=None):
    """The command line of server `name`, or None where it has no such feature. `front`: a Mongrel2 that is there."""
    address = f"127.0.0.1:{port}"
    module, function = app.split(":")
    if front is not None:
        return _behind_mongrel2(name, front, module, function, threads, workers)
    if name in ("ours", "uwsgi"):
        return _uwsgi_like(name, address, module, function, threads, workers, wire, keep)
    if wire != "http":
        return None
    if name == "fixed":
        return [str(FIXED), "--http-socket", address, "--disable-logging", "--listen", "1024"]
    python = str(PEERS / "bin/python")
    if name == "granian":
        return [str(PEERS / "bin/granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port),
                "--workers", str(workers), "--blocking-threads", str(threads), "--runtime-threads", "1",
                "--no-ws", "--http", "1", "--log-level", "error", app]
    if name == "gunicorn":
        kind = ["-k", "gthread", "--threads", str(threads), "--keep-alive", "60"]
        return [python, "-m", "gunicorn", "-b", address, "-w", str(workers), *kind, "--backlog", "1024",
                "--log-level", "error", app]
    if threads != 1 or workers != 1:
        return None
    if name == "bjoern":
        return [python, "-c", f"import bjoern, {module}; bjoern.run({module}.{function}, '127.0.0.1', {port})"]
    if name == "fastpysgi":
        code = f"import fastpysgi, {module}; fastpysgi.run({module}.{function}, '127.0.0.1', {port}, loglevel=0)"
        return [python, "-c", code]
    raise ValueError(name)


def _uwsgi_like(name, address, module, function, threads, workers, wire, keep):
    if name == "ours":
        # Serves the virtualenv of the others, so that all run the same Python and Flask.
        binary = os.environ.get("UWSGI_BIN") or str(ROOT / "target/release/uwsgi")
        start = [binary, "--virtualenv", str(PEERS)]
        option = "--http-socket" if wire == "http" else "--socket"
    else:
        start = [str(PEERS / "bin/uwsgi")]
        option = ("--http11-socket" if keep else "--http-socket") if wire == "http" else "--socket"
    args = [*start, option, address, "--disable-logging", "--listen", "1024", "-w", f"{module}:{function}"]
    if workers > 1:
        args += ["--master", "--processes", str(workers)]
    if threads > 1:
        args += ["--threads", str(threads)]
    return args


def _behind_mongrel2(name, front, module, function, threads, workers):
    pair = f"{front.requests},{front.answers}"
    if name == "pyzmq":
        return [str(PEERS / "bin/python"), str(HERE / "handler.py"), front.requests, front.answers]
    if name == "uwsgi":
        # `uwsgi --build-plugin plugins/mongrel2` in its sources; it loses bodies of answers with libzmq 3 and later.
        plugin = os.environ.get("UWSGI_MONGREL2_PLUGIN")
        start = [str(PEERS / "bin/uwsgi"), "--plugin", plugin] if plugin else None
    else:
        start = [os.environ.get("UWSGI_BIN") or str(ROOT / "target/release/uwsgi"), "--virtualenv", str(PEERS)]
    args = start and [*start, "--zeromq", pair, "--disable-logging", "--master", "-w", f"{module}:{function}"]
    return args and [*args, "--processes", str(workers)] + (["--threads", str(threads)] if threads > 1 else [])


class Server:
    """A server and all its processes, on processor 0 where there are two."""

    def __init__(self, name, app, front=None, **options):
        own = free_port()
        self.front = Front(front, pin(1), own) if front else None
        behind = {"front": self.front} if front and front != "nginx" else {}
        self.port = self.front.port if self.front else own
        args = command(name, app, own, **options, **behind)
        if args is None:
            if self.front:
                self.front.stop()
            raise NotImplementedError(name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("UWSGI_")}
        environment["PYTHONPATH"] = str(HERE)
        self.log = open(CACHE / f"bench-{name}.log", "wb")
        self.started = time.perf_counter()
        self.process = subprocess.Popen(pin(0) + args, cwd=HERE, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=self.log, stderr=self.log, start_new_session=True)
        try:
            self.first_answer_seconds = self._wait("http" if front else options.get("wire", "http"))
        except BaseException:
            self.stop()
            raise

    def _wait(self, wire):
        request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                    if wire != "http":
                        return time.perf_counter() - self.started
                    connection.sendall(request)
                    if connection.recv(16).startswith((b"HTTP/1.1 200", b"HTTP/1.0 200")):
                        return time.perf_counter() - self.started
            except OSError:
                pass
            if self.process.poll() is not None or time.perf_counter() - self.started > START_SECONDS_MAX:
                raise RuntimeError(f"does not answer; see {self.log.name}")
            time.sleep(0.002)

    def tree(self):
        """All processes of the server."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit() and (fields := _stat(entry)):
                parents.setdefault(int(fields[1]), []).append(int(entry))
        found, open_ = [], [self.process.pid]
        while open_:
            pid = open_.pop()
            found.append(pid)
            open_ += parents.get(pid, [])
        return found

    def cpu_seconds(self):
        """User and system time of all processes, and of their children that have ended."""
        return sum(sum(map(int, fields[11:15])) for pid in self.tree() if (fields := _stat(pid))) / TICK

    def pss_bytes(self):
        total = 0
        for pid in self.tree():
            with open(f"/proc/{pid}/smaps_rollup") as rollup:
                total += next(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        return total * 1024

    def stop(self):
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                pass
            try:
                self.process.wait(5)
                break
            except subprocess.TimeoutExpired:
                pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # children that outlived the first one
        except ProcessLookupError:
            pass
        self.log.close()
        if self.front:
            self.front.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _stat(pid):
    """Fields of /proc/PID/stat from the third one on."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()
    except OSError:
        return None


def pin(processor):
    """Prefix of a command that keeps it on one processor, where there are two."""
    if os.cpu_count() < 2 or sys.platform != "linux":
        return []
    return ["taskset", "-c", str(processor)]
