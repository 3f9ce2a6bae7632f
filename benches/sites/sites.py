#!/usr/bin/env python3
"""What many sites of one instance cost: memory of each, and the first request of each.

    sites.py [--sites 100] [--ours PATH] [--uwsgi PATH]

Each site has a directory with a small application of its own. The figures are sums of `Pss` over all processes of the
server, so that what processes share counts once, less those of the same server without any site; `idle` is taken after
all sites have answered and rest. The peer is what one does with uWSGI to keep sites apart: an instance each.
"""
import argparse
import os
import pathlib
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CACHE = pathlib.Path(os.environ.get("UWSGI_CACHE") or ROOT / ".cache")
APP = """
import json, os
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [os.path.basename(os.getcwd()).encode()]
"""
START_SECONDS_MAX = 30


def packet(variables):
    block = b"".join(
        struct.pack("<H", len(part)) + part for pair in variables.items() for part in (pair[0].encode(), pair[1].encode()))
    return b"\0" + struct.pack("<H", len(block)) + b"\0" + block


def ask(path, folder=None):
    """One request; its answer's body. `folder`: of the site that it is for."""
    variables = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "REQUEST_URI": "/", "QUERY_STRING": "",
                 "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_NAME": "localhost", "HTTP_HOST": "localhost"}
    if folder:
        variables.update(SERVER_NAME=folder.name, HTTP_HOST=folder.name, UWSGI_SCRIPT="app", UWSGI_CHDIR=str(folder))
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(path))
        connection.sendall(packet(variables))
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], body


class Server:
    def __init__(self, command, folder, sock):
        self.sock = sock
        self.log = open(folder / f"{sock.name}.log", "wb")
        self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        start_new_session=True)
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until:
            try:
                ask(sock)
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit(f"{command[0]} does not serve; see {self.log.name}")

    def processes(self):
        open_, found = [self.process.pid], []
        while open_:
            pid = open_.pop()
            found.append(pid)
            try:
                for thread in os.listdir(f"/proc/{pid}/task"):
                    open_ += map(int, open(f"/proc/{pid}/task/{thread}/children").read().split())
            except OSError:
                pass
        return found

    def pss_bytes(self):
        total = 0
        for pid in self.processes():
            try:
                lines = open(f"/proc/{pid}/smaps_rollup").read().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
        return total

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def settle(server):
    """Memory once it has come to rest."""
    before = server.pss_bytes()
    for _ in range(20):
        time.sleep(0.25)
        now = server.pss_bytes()
        if abs(now - before) < 64 * 1024:
            return now
        before = now
    return before


def first_requests(server_of, folders):
    """Milliseconds of the first request of each site; every one must be answered by its own application."""
    times = []
    for folder in folders:
        begun = time.perf_counter()
        status, body = ask(server_of(folder), folder)
        times.append((time.perf_counter() - begun) * 1000)
        if body != folder.name.encode():
            raise SystemExit(f"{folder.name}: {status!r} {body[:200]!r}")
    return times


def report(name, memory, times, processes):
    times = sorted(times)
    print(f"| {name} | {memory / 2**20:.2f} | {statistics.median(times):.1f} | {times[int(len(times) * 0.99)]:.1f} |"
          f" {processes:.2f} |", flush=True)


def ours(args, folder, folders, isolation, idle=None):
    """One instance for all sites."""
    sock = folder / f"{isolation}{'-idle' if idle else ''}.sock"
    command = [args.ours, "-s", str(sock), "-M", "-p", "1", "--vhost", "--disable-logging", "--app-isolation", isolation,
               "--max-apps", str(2 * len(folders))]
    if idle:
        command += ["--site-option", f"idle={idle}"]
    server = Server(command, folder, sock)
    try:
        before, processes = settle(server), len(server.processes())
        times = first_requests(lambda _: sock, folders)
        if idle:
            until = time.monotonic() + 60
            while len(server.processes()) > processes and time.monotonic() < until:
                time.sleep(0.2)
        memory = (settle(server) - before) / len(folders)
        added = (len(server.processes()) - processes) / len(folders)
        title = {"interpreter": "an interpreter each", "process": "processes of its own"}[isolation]
        report(f"ours, {title}{', idle' if idle else ''}", memory, times, added)
        if idle:
            first_requests(lambda _: sock, folders[:5])
    finally:
        server.stop()


def theirs(args, folder, folders):
    """An instance of uWSGI for each site."""
    servers, times = {}, []
    try:
        for site in folders:
            sock = folder / f"{site.name}.sock"
            begun = time.perf_counter()
            command = [args.uwsgi, "-s", str(sock), "-M", "-p", "1", "--disable-logging", "--chdir", str(site), "-w", "app"]
            servers[site] = Server(command, folder, sock)
            times.append((time.perf_counter() - begun) * 1000)
        memory = sum(settle(server) for server in servers.values()) / len(folders)
        report("uWSGI, an instance each (its start)", memory, times,
               sum(len(server.processes()) for server in servers.values()) / len(folders))
    finally:
        for server in servers.values():
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sites", type=int, default=100)
    parser.add_argument("--ours", default=os.environ.get("UWSGI_BIN") or str(ROOT / "target/release/uwsgi"))
    parser.add_argument("--uwsgi", default=str(CACHE / "original/bin/uwsgi"))
    args = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sites-"))
    folders = [folder / f"site{number}.example" for number in range(args.sites)]
    for site in folders:
        site.mkdir()
        (site / "app.py").write_text(APP)
    print("| | MiB a site | first request, median ms | p99 ms | processes a site |\n|---|---|---|---|---|")
    try:
        ours(args, folder, folders, "interpreter")
        ours(args, folder, folders, "process")
        ours(args, folder, folders, "process", idle=1)
        if pathlib.Path(args.uwsgi).exists():
            theirs(args, folder, folders)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
