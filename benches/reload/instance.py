"""A running server, nginx in front of it, and the load: processes that are gone with their `with` block."""
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from profiles import HERE, alive

WAIT_SECONDS_MAX = 120
QUIET_SECONDS = 3
CHAIN_ENDS = b"chain reloading complete"
ANSWER_SECONDS_MAX = 60
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Unsettled(Exception):
    """What was asked for did not come to its end."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Group:
    """A process with a group of its own, which ends with it."""

    def __init__(self, args, **more):
        self.process = subprocess.Popen(args, start_new_session=True, **more)

    def end(self):
        for number in (signal.SIGINT, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(5)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # who outlived the first one
        except ProcessLookupError:
            pass
        self.process.wait()


class Instance:
    """A server of a profile. `address` is where clients ask: the server's own, or nginx's."""

    def __init__(self, profile, phase, wire, workers, environment):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="reload-"))
        self.front = None
        port = free_port()
        self.command = profile.arguments(phase, self.folder, port, wire, workers)
        known = {key: value for key, value in os.environ.items() if not key.startswith("UWSGI_")}
        known.update(environment, PYTHONPATH=str(HERE), PYTHONDONTWRITEBYTECODE="1")
        self.log = open(self.folder / "log", "wb")
        self.server = Group(self.command, cwd=self.folder, env=known, stdin=subprocess.DEVNULL, stdout=self.log,
                            stderr=self.log)
        self.master = self.server.process.pid
        self.address = f"127.0.0.1:{port}"
        try:
            if wire == "uwsgi":
                self._start_nginx(port)
            self.wait("an answer", self.answering)
        except BaseException:
            self.__exit__()
            raise

    def _start_nginx(self, port):
        listen = free_port()
        self.address = f"127.0.0.1:{listen}"
        names = "QUERY_STRING $query_string REQUEST_METHOD $request_method REQUEST_URI $request_uri " \
                "PATH_INFO $document_uri SERVER_PROTOCOL $server_protocol SERVER_NAME $server_name " \
                "SERVER_PORT $server_port REMOTE_ADDR $remote_addr".split()
        params = "".join(f"uwsgi_param {a} {b};" for a, b in zip(names[::2], names[1::2]))
        temporary = "".join(f"{kind}_temp_path {self.folder}/{kind};"
                            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        user = "user root;" if os.geteuid() == 0 else ""
        # Two connections for each request that waits: nginx shall not be the one who is short of them.
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        (self.folder / "nginx.conf").write_text(
            f"daemon off; {user} worker_processes 1; pid {self.folder}/nginx.pid; error_log stderr error;"
            f"worker_rlimit_nofile {files}; events {{ worker_connections {min(files, 40_000)}; }}"
            f"http {{ access_log off; {temporary} keepalive_requests 1000000;"
            f"server {{ listen 127.0.0.1:{listen} backlog=1024; location / {{ {params}"
            f"uwsgi_pass 127.0.0.1:{port}; }} }} }}")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        self.front = Group([program, "-e", "stderr", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")],
                           stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    # --- what it looks like from outside

    def answering(self):
        """The pid that the next request is answered by; None without an answer."""
        host, port = self.address.split(":")
        try:
            with socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS_MAX) as connection:
                connection.sendall(REQUEST)
                text = b""
                while part := connection.recv(4096):
                    text += part
                head, _, body = text.partition(b"\r\n\r\n")
                return int(body) if b" 200 " in head[:16] else None
        except (OSError, ValueError):
            return None

    def descendants(self, pid=None):
        """All processes below the master, or below another one."""
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    with open(f"/proc/{entry}/stat") as stat:
                        fields = stat.read().rsplit(")", 1)[1].split()
                except OSError:
                    continue
                if fields[0] not in "ZX":
                    children.setdefault(int(fields[1]), set()).add(int(entry))
        found, open_ = set(), [pid or self.master]
        while open_:
            below = children.get(open_.pop(), set())
            open_ += below - found
            found |= below
        return found

    def pid_in(self, name):
        try:
            return int((self.folder / name).read_text())
        except (OSError, ValueError):
            return None

    def wait(self, what, condition):
        start = time.monotonic()
        while not condition():
            if time.monotonic() - start > WAIT_SECONDS_MAX:
                raise Unsettled(f"waited {WAIT_SECONDS_MAX} s in vain for {what}")
            if not alive(self.master):
                raise Unsettled(f"waited for {what}, but the server has ended")
            time.sleep(0.02)

    def settled(self, phase, before, mark):
        """Waits for the end of what was asked for when the processes `before` and `mark` bytes of log were there."""
        if phase == "storm":
            self._wait_unchanged()
        elif phase == "chain":
            # Workers alone are replaced, and which processes are workers is not seen from outside.
            self.wait("the end of the chain", lambda: CHAIN_ENDS in self._log_since(mark))
        elif phase == "kill":
            self.wait("another worker", lambda: self.answering() not in before | {None})
        else:
            self.wait("the end of the old workers", lambda: not any(map(alive, before)))
            self.wait("an answer of a new worker", lambda: self.answering() not in before | {None})

    def _wait_unchanged(self):
        last = [self.descendants(), time.monotonic()]

        def unchanged():
            now = self.descendants()
            if now != last[0]:
                last[:] = [now, time.monotonic()]
            return time.monotonic() - last[1] > QUIET_SECONDS
        self.wait("an end of changes", unchanged)

    def mark(self):
        return (self.folder / "log").stat().st_size

    def _log_since(self, mark):
        with open(self.folder / "log", "rb") as log:
            log.seek(mark)
            return log.read()

    def tail(self, lines=15):
        return (self.folder / "log").read_text(errors="replace").splitlines()[-lines:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.front:
            self.front.end()
        self.server.end()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Load:
    """`load rate` beside the instance; its records when it has ended."""

    def __init__(self, program, address, rate, close):
        self.out = tempfile.NamedTemporaryFile(prefix="reload-", suffix=".load")
        args = [program, "rate", "http", address, "--rate", str(rate), "--out", self.out.name]
        self.process = subprocess.Popen(args + ["--close"] * close, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError("the load generator does not start")
        try:
            # It shall not wait for a processor beside what it measures, and needs little of it.
            os.sched_setscheduler(self.process.pid, os.SCHED_FIFO, os.sched_param(1))
        except PermissionError:
            pass

    def records(self):
        """(due, late, latency, outcome) of each request, in seconds."""
        self.process.stdin.close()
        self.process.wait()
        with open(self.out.name) as lines:
            rows = [line.split() for line in lines]
        self.out.close()
        return [(int(due) / 1e6, int(late) / 1e6, int(latency) / 1e6, outcome) for due, late, latency, outcome in rows]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
