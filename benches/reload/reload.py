#!/usr/bin/env python3
"""Asks a server at a constant rate while it is reloaded, upgraded, scaled and killed, and says what clients saw of it.

    benches/reload/reload.py --servers ours,uwsgi --traffic close-20 --phases hup,chain --count 3

See README.md beside this file. Exit status 1 with --check: a request of ours failed where none may, or p99 doubled.
"""
import argparse
import collections
import json
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from instance import Instance, Load, Unsettled  # noqa: E402
from profiles import PROFILES, ROOT  # noqa: E402

WARM_UP_SECONDS = 2
TAIL_SECONDS = 1
RATIO_MAX = 2.0
FAILURES_SHOWN = 20
# Kind of connection: what the server's socket speaks, and whether clients open a connection for each request.
KINDS = {"close": ("http", True), "keep": ("keep", False), "nginx": ("uwsgi", False)}
TRAFFIC = [f"{kind}-{rate}" for rate in (20, 2000) for kind in KINDS]
PHASES = ("hup", "chain", "upgrade", "storm", "recycle", "kill")


def load_generator():
    """Our own client, built by cargo, which tells where it is."""
    args = ["cargo", "build", "--release", "--locked", "--bench", "load", "--message-format=json"]
    for line in subprocess.run(args, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "load":
            return message["executable"]
    raise RuntimeError("cargo built no load generator")


class Run:
    """Requests of one phase, told apart by the time at which they were due."""

    def __init__(self):
        self.inside, self.outside, self.late, self.failures, self.notes = [], [], [], [], []
        self.actions = 0

    def take(self, records, windows, start):
        """Windows are (from, to); what was due before `start` was for warming up."""
        for due, late, latency, outcome in records:
            if due < start:
                continue
            within = any(begin <= due < end for begin, end in windows)
            self.late.append(late)
            if outcome.startswith("ok"):
                (self.inside if within else self.outside).append(latency)
            else:
                place = "inside" if within else "outside"
                self.failures.append({"second": round(due - start, 3), "after": round(latency, 3), "where": place,
                                      "why": outcome})

    def summary(self):
        inside, outside = spread(self.inside), spread(self.outside)
        ratio = inside["p99"] / outside["p99"] if self.inside and self.outside else None
        return {"actions": self.actions, "requests": len(self.inside) + len(self.outside) + len(self.failures),
                "failed": len(self.failures), "outside": outside, "inside": inside, "ratio": ratio,
                "late_p99": spread(self.late)["p99"], "failures": self.failures, "notes": self.notes}


def spread(seconds):
    """Quantiles in milliseconds."""
    if not seconds:
        return {"p50": 0.0, "p99": 0.0, "max": 0.0}
    ordered = sorted(seconds)
    at = lambda share: 1000 * ordered[min(len(ordered) * share // 100, len(ordered) - 1)]  # noqa: E731
    return {"p50": at(50), "p99": at(99), "max": at(100)}


def acting(profile, phase, traffic, options):
    """Quiet and busy times of one instance, in turn: both are measured within the same minute."""
    run = Run()
    with start(profile, phase, traffic, options) as instance, load(instance, traffic, options) as client:
        time.sleep(WARM_UP_SECONDS)
        begin, windows = time.monotonic(), []
        try:
            for _ in range(options.count):
                time.sleep(options.quiet)
                before, mark, since = instance.descendants(), instance.mark(), time.monotonic()
                windows.append((since, float("inf")))
                profile.actions[phase](instance)
                instance.settled(phase, before, mark)
                run.actions += 1
                time.sleep(TAIL_SECONDS)
                windows[-1] = (since, time.monotonic())
            time.sleep(options.quiet)
        except Unsettled as error:
            run.notes += [str(error), *instance.tail()]
        run.take(client.records(), windows, begin)
    return run


def recycling(profile, traffic, options):
    """Instances that recycle their workers, and those that do not, in turn."""
    run = Run()
    for _ in range(2):
        for phase in ("quiet", "recycle"):
            with start(profile, phase, traffic, options) as instance, load(instance, traffic, options) as client:
                time.sleep(WARM_UP_SECONDS)
                begin, seen = time.monotonic(), instance.descendants()
                first = len(seen)
                while time.monotonic() - begin < options.recycle_seconds:
                    seen |= instance.descendants()
                    time.sleep(0.1)
                run.actions += len(seen) - first
                end = float("inf") if phase == "recycle" else begin
                run.take(client.records(), [(begin, end)], begin)
    return run


def start(profile, phase, traffic, options):
    environment = {"IMPORT_SECONDS": str(options.import_seconds), "IMPORT_KIND": options.import_kind}
    return Instance(profile, phase, KINDS[traffic.split("-")[0]][0], options.workers, environment)


def load(instance, traffic, options):
    kind, rate = traffic.split("-")
    return Load(options.program, instance.address, float(rate), KINDS[kind][1])


HEAD = ("| server | traffic | phase | done | requests | failed | p50/p99/max outside, ms | inside, ms | p99 ratio "
        "| load late p99, ms |\n|---|---|---|---|---|---|---|---|---|---|")


def line(server, traffic, phase, row):
    figures = ["/".join(f"{row[part][key]:.1f}" for key in ("p50", "p99", "max")) for part in ("outside", "inside")]
    ratio = f"{row['ratio']:.2f}" if row["ratio"] else "-"
    return (f"| {server} | {traffic} | {phase} | {row['actions']} | {row['requests']} | {row['failed']} "
            f"| {figures[0]} | {figures[1]} | {ratio} | {row['late_p99']:.1f} |")


def explain(row):
    """Failures with their time and reason, those of a tenth of a second together, and why a phase ended early."""
    groups = collections.Counter((round(failure["second"], 1), failure["where"], failure["why"])
                                 for failure in row["failures"])
    for (second, place, why), count in sorted(groups.items())[:FAILURES_SHOWN]:
        yield f"    {second:6.1f} s, {place}: {count} x {why}"
    if len(groups) > FAILURES_SHOWN:
        yield f"    and until {max(groups)[0]} s: " + ", ".join(
            f"{count} x {why}" for why, count in collections.Counter(f["why"] for f in row["failures"]).items())
    yield from (f"    {note}" for note in row["notes"])


def is_met(server, phase, row):
    """Whether this row shows what is promised: only a worker that is killed may lose requests."""
    if not server.startswith("ours"):
        return True
    lost = row["failed"] and phase != "kill"
    return not (lost or row["notes"] or (row["ratio"] or 0) > RATIO_MAX)


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", default="ours,uwsgi,gunicorn,granian", help="of " + ", ".join(PROFILES))
    parser.add_argument("--traffic", default=",".join(TRAFFIC), help="of " + ", ".join(TRAFFIC) + ", or other rates")
    parser.add_argument("--phases", default=",".join(PHASES), help="of " + ", ".join(PHASES))
    parser.add_argument("--count", type=int, default=10, help="actions of a phase (default 10)")
    parser.add_argument("--quiet", type=float, default=8, help="seconds between two of them (default 8)")
    parser.add_argument("--recycle-seconds", type=float, default=30, help="length of a recycling run (default 30)")
    parser.add_argument("--import-seconds", type=float, default=8, help="how long the application loads (default 8)")
    parser.add_argument("--import-kind", choices=("sleep", "cpu"), default="sleep")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=pathlib.Path, help="write all figures and failures there")
    parser.add_argument("--check", action="store_true", help="exit with 1 where ours breaks a promise")
    options = parser.parse_args()
    for name, known in (("servers", PROFILES), ("phases", PHASES)):
        chosen = getattr(options, name).split(",")
        if unknown := set(chosen) - set(known):
            parser.error(f"--{name}: {', '.join(sorted(unknown))}: accepted are {', '.join(known)}")
        setattr(options, name, chosen)
    options.traffic = options.traffic.split(",")
    for name in options.traffic:
        kind, _, rate = name.partition("-")
        if kind not in KINDS or not rate.isdigit() or not int(rate):
            parser.error(f"--traffic: {name}: accepted are {', '.join(KINDS)} with a rate, as close-20")
    return options


def main():
    options = parse()
    # So that what was started ends with this program.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    options.program = load_generator()
    print(HEAD, flush=True)
    rows, all_met = [], True
    for traffic in options.traffic:
        for phase in options.phases:
            # Servers take turns, so that a noisy minute hits all of them.
            for name in options.servers:
                profile = PROFILES[name]
                if KINDS[traffic.split("-")[0]][0] not in profile.wires or phase not in profile.phases():
                    continue
                try:
                    act = recycling if phase == "recycle" else lambda *args: acting(args[0], phase, *args[1:])
                    row = act(profile, traffic, options).summary()
                except (OSError, RuntimeError, Unsettled) as error:
                    print(f"not measured: {name} {traffic} {phase}: {error}", flush=True)
                    all_met = False
                    continue
                print(line(name, traffic, phase, row), *explain(row), sep="\n", flush=True)
                all_met &= is_met(name, phase, row)
                rows.append({"server": name, "traffic": traffic, "phase": phase, **row})
                if options.json:
                    options.json.write_text(json.dumps(rows, indent=1))
    return 0 if all_met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
