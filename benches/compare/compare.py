#!/usr/bin/env python3
"""Runs this server and its peers alternately on the same cases and prints what they cost.

    benches/compare/compare.py [--cases hello,flask] [--servers ours,uwsgi] [--rounds 5] [--seconds 3]

See README.md beside this file. Exit status 1: a figure misses its target (only with --check).
"""
import argparse
import json
import pathlib
import re
import statistics
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from cases import CASES  # noqa: E402
from servers import FIXED, ROOT, Server, pin  # noqa: E402

WARM_UP_SECONDS = 0.7
COLUMNS = {"cpu": ("CPU µs/request", "{:.1f}"), "rate": ("requests/s", "{:.0f}"), "p50": ("p50 ms", "{:.2f}"),
           "p99": ("p99 ms", "{:.2f}"), "errors": ("errors", "{:.0f}"), "pss": ("PSS MB", "{:.1f}"),
           "start": ("first answer ms", "{:.0f}")}
BROWSER = {
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "Accept-Language": "en-US,en;q=0.5",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cookie": "session=0123456789abcdef0123456789abcdef; theme=dark",
    "Upgrade-Insecure-Requests": "1",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
}


def load_generator():
    """Our own client, built by cargo, which tells where it is."""
    args = ["cargo", "build", "--release", "--bench", "load", "--message-format=json"]
    output = subprocess.run(args, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "load":
            return message["executable"]
    raise RuntimeError("cargo built no load generator")


def build_fixed():
    """Our server without Python, answering everything with one text."""
    args = ["cargo", "build", "--release", "--no-default-features", "--features", "fixed", "--bin", "uwsgi",
            "--target-dir", str(FIXED.parent.parent)]
    subprocess.run(args, cwd=ROOT, check=True)


def ask(case, server, load, seconds):
    """Requests, errors and latencies of so many seconds: by wrk where it can, else by our own client."""
    if case.close or case.wire != "http":
        args = [load, "ask", case.wire, f"127.0.0.1:{server.port}", "--connections", str(case.connections),
                "--seconds", str(seconds)]
        args += ["--browser"] * case.browser + ["--close"] * case.close
        text = subprocess.run(pin(1) + args, check=True, stdout=subprocess.PIPE, text=True).stdout
        facts = {key: float(value) for key, value in (part.split("=") for part in text.split())}
        return {"requests": facts["requests"], "errors": facts["errors"], "seconds": facts["seconds"],
                "p50": facts["p50_us"] / 1000, "p99": facts["p99_us"] / 1000}
    headers = [part for name, value in BROWSER.items() for part in ("-H", f"{name}: {value}")] * case.browser
    args = ["wrk", "-t1", f"-c{case.connections}", f"-d{max(1, round(seconds))}s", "--latency", *headers,
            f"http://127.0.0.1:{server.port}/"]
    text = subprocess.run(pin(1) + args, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = re.search(r"(\d+) requests in ([\d.]+)(m?s)", text)
    errors = re.search(r"connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return {"requests": float(found[1]), "seconds": float(found[2]) / (1000 if found[3] == "ms" else 1),
            "errors": sum(map(float, errors.groups() if errors else ())) + (float(bad[1]) if bad else 0),
            "p50": latency(text, "50%"), "p99": latency(text, "99%")}


def latency(text, share):
    """Milliseconds from a line like `99%    1.20ms` of wrk."""
    found = re.search(rf"^\s*{share}\s+([\d.]+)(us|ms|s|m)\s*$", text, re.M)
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[found[2]] if found else 0.0


def measure(case, variant, load, seconds):
    """One round of one row."""
    with Server(variant.server, case.app, **variant.options) as server:
        if case.kind == "start":
            return {"start": server.first_answer_seconds * 1000}
        ask(case, server, load, WARM_UP_SECONDS)
        holder = None
        if variant.hold:
            args = [load, "hold", "http", f"127.0.0.1:{server.port}", *variant.hold]
            holder = subprocess.Popen(pin(1) + args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            if holder.stdout.readline() != b"ready\n":
                raise RuntimeError("the server does not hold these connections")
        try:
            before = server.cpu_seconds()
            facts = ask(case, server, load, seconds)
            cpu = server.cpu_seconds() - before
            if case.kind == "memory":
                return {"pss": server.pss_bytes() / 1e6}
        finally:
            if holder:
                holder.stdin.close()
                holder.wait()
        if not facts["requests"]:
            raise RuntimeError("not one good answer")
        return {"cpu": cpu * 1e6 / facts["requests"], "rate": facts["requests"] / facts["seconds"],
                "p50": facts["p50"], "p99": facts["p99"], "errors": facts["errors"]}


def run(case, options, load):
    """Medians of all rows; the rows take turns, so that a noisy minute hits all of them."""
    rounds = {variant.name: [] for variant in case.variants if variant.server in options.servers}
    failures = {}
    for _ in range(options.rounds):
        for variant in case.variants:
            if variant.name not in rounds or variant.name in failures:
                continue
            try:
                rounds[variant.name].append(measure(case, variant, load, options.seconds))
            except (NotImplementedError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
                failures[variant.name] = str(error)
    medians = {name: {key: statistics.median(part[key] for part in parts) for key in parts[0]}
               for name, parts in rounds.items() if parts and name not in failures}
    return medians, failures


def table(case, medians):
    """A Markdown table; ratios are of our first row to each other one, in the first column."""
    columns = list(next(iter(medians.values())))
    lines = ["| server | " + " | ".join(COLUMNS[key][0] for key in columns) + " | ours / it |",
             "|---" * (len(columns) + 2) + "|"]
    ours = next((row[columns[0]] for name, row in medians.items() if name.split()[0] == "ours"), None)
    for name, row in medians.items():
        ratio = f"{ours / row[columns[0]]:.2f}" if ours and row[columns[0]] else "-"
        lines.append(f"| {name} | " + " | ".join(COLUMNS[key][1].format(row[key]) for key in columns) + f" | {ratio} |")
    return "\n".join(lines)


def verdicts(case, medians):
    """Each target of the case: its text, and whether it is met."""
    for target in case.targets:
        ours, peer = medians.get(target.row), medians.get(target.peer)
        if not ours or not peer or not peer[target.column]:
            continue
        ratio = ours[target.column] / peer[target.column]
        met = ratio >= target.ratio if target.at_least else ratio <= target.ratio
        bound = "at least" if target.at_least else "at most"
        text = f"{COLUMNS[target.column][0]} of {target.row} / {target.peer} = {ratio:.2f} ({bound} {target.ratio:.2f})"
        yield f"{'ok  ' if met else 'MISS'} {text}", met


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [case.name for case in CASES]
    parser.add_argument("--cases", default=",".join(names), help="of " + ", ".join(names))
    parser.add_argument("--servers", default="ours,fixed,uwsgi,granian,bjoern,fastpysgi,gunicorn,pyzmq")
    parser.add_argument("--rounds", type=int, default=5, help="alternating rounds whose median counts (default 5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement (default 3)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a target is missed")
    options = parser.parse_args()
    options.servers = options.servers.split(",")
    chosen = options.cases.split(",")
    if unknown := set(chosen) - set(names):
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    load = load_generator()
    if "no-python" in chosen and "fixed" in options.servers:
        build_fixed()
    all_met = True
    for case in CASES:
        if case.name not in chosen:
            continue
        print(f"\n### {case.name}: {case.title}\n", flush=True)
        medians, failures = run(case, options, load)
        if medians:
            print(table(case, medians), flush=True)
        for text, met in verdicts(case, medians):
            print(f"\n{text}", end="")
            all_met &= met
        print()
        for name, why in failures.items():
            print(f"not measured: {name}: {why}")
    return 0 if all_met or not options.check else 1


if __name__ == "__main__":
    sys.exit(main())
