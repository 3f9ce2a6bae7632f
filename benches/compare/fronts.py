"""Front ends for the cases that need one, each in a folder of its own, on the processor of the load."""
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

UUID = "f400bf85-4538-4f7a-8908-67e313d515c2"
MONGREL2 = """handler = Handler(send_spec='{requests}', send_ident='34f9ceee-cd52-4b7f-b197-88bf2f0ec378',
    recv_spec='{answers}', recv_ident='', protocol='{headers}')
main = Server(uuid='{uuid}', access_log='/logs/access.log', error_log='/logs/error.log', chroot='{folder}',
    default_host='localhost', name='bench', pid_file='/run/mongrel2.pid', port={port}, bind_addr='127.0.0.1',
    hosts=[Host(name='localhost', routes={{'/': handler}})])
servers = [main]
settings = {{'server.daemonize': 0, 'disable.access_logging': 1}}
"""
NGINX = """worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000; location / {{
        include {params}; uwsgi_pass 127.0.0.1:{server}; }} }}
}}
"""
PARAMS = "/etc/nginx/uwsgi_params"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Front:
    """A running front end; `port` is its own."""

    def __init__(self, kind, pin, server_port=None):
        self.folder = tempfile.mkdtemp(prefix="bench-")
        self.port = free_port()
        command = self._nginx(server_port) if kind == "nginx" else self._mongrel2(kind)
        self.log = open(os.path.join(self.folder, "output"), "wb")
        self.process = subprocess.Popen(pin + command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, start_new_session=True)
        self._wait()

    def _write(self, name, text):
        path = pathlib.Path(self.folder, name)
        path.write_text(text)
        return str(path)

    def _mongrel2(self, headers):
        for name in ("run", "logs", "tmp"):
            os.mkdir(os.path.join(self.folder, name))
        self.requests, self.answers = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
        config = self._write("mongrel2.conf", MONGREL2.format(
            requests=self.requests, answers=self.answers, headers=headers, folder=self.folder, port=self.port, uuid=UUID))
        subprocess.run(["m2sh", "load", "-config", config, "-db", "mongrel2.sqlite"], cwd=self.folder, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return ["mongrel2", "mongrel2.sqlite", UUID]

    def _nginx(self, server_port):
        nginx = shutil.which("nginx") or "/usr/sbin/nginx"
        config = self._write("nginx.conf", NGINX.format(
            folder=self.folder, port=self.port, params=PARAMS, server=server_port))
        return [nginx, "-c", config]

    def _wait(self):
        until = time.monotonic() + 20
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.01)
        self.stop()
        raise RuntimeError("the front end does not listen")

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(5)
                break
            except (ProcessLookupError, subprocess.TimeoutExpired):
                pass
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
