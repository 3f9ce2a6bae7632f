"""How each server is started, and how it is told to reload, upgrade and so on.

An action is a function that is given the running instance and returns when all was asked for; whether it has come to
its end is seen from outside (see `Instance.settled`). What a server has no such thing for, it has no action for.
"""
import os
import pathlib
import random
import shutil
import signal
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CACHE = pathlib.Path(os.environ.get("UWSGI_CACHE") or ROOT / ".cache")
STORM_SIGNALS = 40
STORM_SECONDS = 4.0


def hup(instance):
    os.kill(instance.master, signal.SIGHUP)


def replace_program(instance):
    """A new file under the old name, as a package manager does it, and a reload."""
    program = pathlib.Path(instance.command[0])
    shutil.copy2(program, instance.folder / "next")
    os.rename(instance.folder / "next", program)
    hup(instance)


def write_fifo(instance, command):
    """Waits for a reader: a master that starts anew has none for a while."""
    def written():
        try:
            fifo = os.open(instance.folder / "fifo", os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            return False
        os.write(fifo, command)
        os.close(fifo)
        return True
    instance.wait("a reader of the fifo", written)


def chain(instance):
    write_fifo(instance, b"c")


def new_master(instance):
    """Gunicorn's upgrade: USR2, and when workers of the new master answer, TERM to the old one.

    Not WINCH, which Gunicorn follows only as a daemon.
    """
    old = instance.master
    os.kill(old, signal.SIGUSR2)
    instance.wait("a second master", lambda: instance.pid_in("pid.2"))
    new = instance.pid_in("pid.2")
    instance.wait("an answer of its workers", lambda: instance.answering() in instance.descendants(new))
    instance.master = new
    os.kill(old, signal.SIGTERM)
    instance.wait("the end of the old master", lambda: not alive(old))


def storm(instance):
    """More and fewer workers, faster than they boot; as many down as up."""
    signals = [signal.SIGTTIN, signal.SIGTTOU] * (STORM_SIGNALS // 2)
    random.shuffle(signals)
    for number in signals:
        os.kill(instance.master, number)
        time.sleep(STORM_SECONDS / STORM_SIGNALS)


def fifo_storm(instance):
    commands = [b"+", b"-"] * (STORM_SIGNALS // 2)
    random.shuffle(commands)
    for command in commands:
        write_fifo(instance, command)
        time.sleep(STORM_SECONDS / STORM_SIGNALS)


def kill_worker(instance):
    """The worker that answers next; its requests are lost, and only those may be."""
    pid = instance.answering()
    if pid:
        os.kill(pid, signal.SIGKILL)


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


class Profile:
    """A server: its command, what it can be asked, and what its main socket can speak."""

    def __init__(self, name, command, actions, wires=("http", "keep"), recycling=(), storming=()):
        self.name, self.command, self.actions, self.wires = name, command, actions, wires
        self.more = {"recycle": tuple(recycling), "storm": tuple(storming)}

    def phases(self):
        return [*self.actions, *(["recycle"] if self.more["recycle"] else [])]

    def arguments(self, phase, folder, port, wire, workers):
        return [*self.command(folder, port, wire, workers), *self.more.get(phase, ())]


SOCKET = {"http": "--http-socket", "keep": "--http11-socket", "uwsgi": "--socket"}


def uwsgi_like(program, *more):
    def command(folder, port, wire, workers):
        copy = folder / "program"  # which an upgrade replaces
        shutil.copy2(program, copy)
        return [str(copy), SOCKET[wire], f"127.0.0.1:{port}", "--master", "--processes", str(workers),
                "--threads", "4", "--listen", "1024", "--disable-logging", "--need-app",
                "--master-fifo", str(folder / "fifo"), "--pidfile", str(folder / "pid"),
                "--pythonpath", str(HERE), "--module", "app", "--min-worker-lifetime", "0", *more]
    return command


def gunicorn(folder, port, wire, workers):
    # Its script and not `python -m`: the new master of an upgrade would find the package gunicorn.app as `app`.
    return [str(CACHE / "peers/bin/gunicorn"), "app:application", "-b", f"127.0.0.1:{port}", "-w", str(workers),
            "-k", "gthread", "--threads", "4", "--keep-alive", "60" if wire == "keep" else "0", "--backlog",
            "1024", "--log-level", "warning", "--timeout", "120", "--chdir", str(HERE), "--pid", str(folder / "pid")]


def granian(folder, port, wire, workers):
    return [str(CACHE / "peers/bin/granian"), "app:application", "--interface", "wsgi", "--host", "127.0.0.1",
            "--port", str(port), "--workers", str(workers), "--blocking-threads", "4", "--no-ws", "--http", "1",
            "--backlog", "1024", "--respawn-failed-workers", "--log-level", "warning", "--working-dir", str(HERE)]


OURS = os.environ.get("RELOAD_PROGRAM") or ROOT / "target/release/uwsgi"
ORIGINAL = CACHE / "original/bin/uwsgi"
UWSGI_WIRES = ("http", "keep", "uwsgi")
RECYCLE = ("--max-requests", "100")
CHEAPER = ("--cheaper", "1", "--cheaper-algo", "manual", "--cheaper-initial", "2")
OF_OURS = {"hup": hup, "chain": chain, "upgrade": replace_program, "storm": storm, "kill": kill_worker}
OF_UWSGI = {**OF_OURS, "storm": fifo_storm}
OF_GUNICORN = {"hup": hup, "upgrade": new_master, "storm": storm, "kill": kill_worker}

PROFILES = {profile.name: profile for profile in (
    Profile("ours", uwsgi_like(OURS), OF_OURS, UWSGI_WIRES, RECYCLE),
    Profile("ours-lazy", uwsgi_like(OURS, "--lazy-apps"), OF_OURS, UWSGI_WIRES, RECYCLE),
    Profile("ours-gunicorn", uwsgi_like(OURS, "--signals", "gunicorn"), OF_GUNICORN, UWSGI_WIRES, RECYCLE),
    Profile("uwsgi", uwsgi_like(ORIGINAL), OF_UWSGI, UWSGI_WIRES, RECYCLE, CHEAPER),
    Profile("uwsgi-lazy", uwsgi_like(ORIGINAL, "--lazy-apps"), OF_UWSGI, UWSGI_WIRES, RECYCLE, CHEAPER),
    Profile("gunicorn", gunicorn, OF_GUNICORN, recycling=RECYCLE),
    Profile("granian", granian, {"hup": hup, "kill": kill_worker}),
)}
