#!/usr/bin/env python3
"""Breaks running jobs in every way and writes the table of what became of them.

    scripts/fault_table.py [--runs 20] [--bin .build/release] [--output docs/results/faults.md]

Needs root, nsenter, nft and ss (iproute2) with CONFIG_INET_DIAG_DESTROY. Each job passes ten
thousand small messages per rank and an uneven exchange of 100 MB in all round after round and checks
every byte. Traffic stays on loopback and in network namespaces of its own. A run is as it should be
if the job is, and leaves no process and no namespace, and if no rank holds more descriptors at its
end than after its first round (8 may be connections in the making), or 32 MiB more of memory.
"""
import argparse
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time

RANKS = 3
# Of 8 bytes: two thirds of so many go out from each rank, 100 MB from all.
ELEMENTS = 6_250_000
SECONDS = 5
DESCRIPTORS_MORE, MEBIBYTES_MORE = 8, 32
CONNTRACK_FLUSH = (
    "import socket,struct;s=socket.socket(16,3,12);"
    "s.send(struct.pack('=IHHIIBBH',20,0x102,5,1,0,2,0,0));s.recv(4096)"
)


class Job:
    """A launched job, its output, and the processes of its ranks once they have done a round."""

    def __init__(self, command, environments=None):
        self.started = time.monotonic()
        self.parts = [
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
            for env in (environments or [None])
        ]
        self.lines = []
        self.pids = {}
        # Whether the fault has met anything: a job that ends too soon proves nothing.
        self.was_hit = True
        for part in self.parts:
            os.set_blocking(part.stdout.fileno(), False)

    def read(self):
        for part in self.parts:
            for line in iter(part.stdout.readline, ""):
                self.lines.append(line.rstrip())
                found = re.search(r"rank (\d+) of \d+ is process (\d+)", line)
                if found:
                    self.pids[int(found[1])] = int(found[2])

    def is_over(self):
        self.read()
        return all(part.poll() is not None for part in self.parts)

    def wait_for_round(self, limit=60):
        end = time.monotonic() + limit
        while len(self.pids) < RANKS and time.monotonic() < end and not self.is_over():
            time.sleep(0.05)
        return len(self.pids) == RANKS

    def wait(self, limit=120):
        end = time.monotonic() + limit
        while not self.is_over():
            if time.monotonic() > end:
                for part in self.parts:
                    part.kill()
                return False
            time.sleep(0.05)
        return True


def inside(pid, *command):
    return subprocess.run(
        ["nsenter", "-t", str(pid), "-n", *command], capture_output=True, text=True).stdout


def server_port(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        url = re.search(rb"SERVERLESS_MPI_URL=rendezvous://[^/]*:(\d+)/", file.read())
    return int(url[1])


def links(pid):
    """(local, remote) of the rank's connections to other ranks, or to a relay. The connection to
    the server leaves from the port at which the rank listens; those to its relays do not."""
    server = server_port(pid)
    own = f"pid={pid},"
    listening = {
        line.split()[3].rsplit(":", 1)[1]
        for line in inside(pid, "ss", "-Hltnp").splitlines() if own in line}
    found = []
    for line in inside(pid, "ss", "-Htnp", "state", "established").splitlines():
        local, remote = line.split()[2:4]
        is_server = remote.endswith(f":{server}") and local.rsplit(":", 1)[1] in listening
        if own in line and not is_server:
            found.append((local, remote))
    return found


def reset(pid):
    found = links(pid)
    for local, remote in found:
        inside(pid, "ss", "-K", "src", local, "dst", remote)
    return len(found)


def repeatedly(action, interval):
    def inject(job):
        count, broken = 0, 0
        while not job.is_over() and time.monotonic() - job.started < 40:
            rank = count % RANKS
            try:
                broken += action(job.pids[rank])
            except (FileNotFoundError, TypeError, ProcessLookupError):
                break
            count += 1
            time.sleep(interval)
        job.was_hit = broken > 0
        return f"{broken} connections"
    return inject


def send(number, victim=1):
    def inject(job):
        job.fault_at = time.monotonic()
        os.kill(job.pids[victim], number)
        return f"rank {victim}"
    return inject


def black_out(seconds):
    def inject(job):
        pid = job.pids[1]
        for hook in ("input", "output"):
            inside(pid, "nft", "add table inet blackout")
            inside(
                pid, "nft",
                f"add chain inet blackout {hook} {{ type filter hook {hook} priority 0 ;"
                " policy drop ; }")
        time.sleep(seconds)
        inside(pid, "nft", "delete table inet blackout")
        return f"{seconds} s, rank 1"
    return inject


def one_way(job):
    """What rank 1 sends on its present connections to ranks is lost from now on."""
    pid = job.pids[1]
    inside(pid, "nft", "add table inet oneway")
    inside(
        pid, "nft", "add chain inet oneway output { type filter hook output priority 0 ; }")
    found = links(pid)
    for local, remote in found:
        sport, dport = local.rsplit(":", 1)[1], remote.rsplit(":", 1)[1]
        family = "ip6" if remote.count(":") > 1 else "ip"
        address = remote.rsplit(":", 1)[0].strip("[]").replace("::ffff:", "")
        inside(
            pid, "nft", f"add rule inet oneway output {family} daddr {address}"
            f" tcp sport {sport} tcp dport {dport} drop")
    job.was_hit = bool(found)
    return f"{len(found)} connections"


def flush_conntrack(job):
    names = namespaces(job.parts[0].pid)
    for name in names:
        subprocess.run(
            ["ip", "netns", "exec", name, sys.executable, "-c", CONNTRACK_FLUSH],
            capture_output=True)
    return f"{len(names)} namespaces"


def survive(arguments, seconds=SECONDS):
    return [f"{arguments.bin}/conformance-serverless", "survive", str(seconds), str(ELEMENTS)]


def launch(arguments, environment, *options, seconds=SECONDS):
    return Job([
        f"{arguments.bin}/mpi-compare", "launch", "-n", str(RANKS), "--environment", environment,
        *options, "--", *survive(arguments, seconds)])


def by_hand(arguments):
    """Server and ranks as processes of their own; the server is the job's `server`."""
    env = dict(os.environ, RENDEZVOUS_SECRET="c4" * 32)
    program = f"{arguments.bin}/rendezvous"
    server = subprocess.Popen(
        [program, "serve"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    words = server.stdout.readline().split()
    token = subprocess.run(
        [program, "token", "--job", "faults"], capture_output=True, text=True, env=env).stdout
    env = dict(os.environ)
    env.update(line.split("=", 1) for line in token.split())
    env["SERVERLESS_MPI_URL"] = (
        f"rendezvous://127.0.0.1:{words[1].rsplit(':', 1)[1]}/faults?size={RANKS}"
        "&encryption=on&resume=always")
    job = Job(
        survive(arguments),
        [dict(env, SERVERLESS_MPI_RANK=str(rank)) for rank in range(RANKS)])
    job.server, job.server_program = server, program
    job.server_port = words[1].rsplit(":", 1)[1]
    job.server_env = dict(os.environ, RENDEZVOUS_SECRET="c4" * 32)
    return job


def server_dies(job):
    job.server.kill()
    job.server.wait()
    time.sleep(0.5)
    return "then " + repeatedly(reset, 0.5)(job)


def server_restarts(job):
    port = job.server_port
    job.server.kill()
    job.server.wait()
    job.server = subprocess.Popen(
        [job.server_program, "serve", "--listen", f"127.0.0.1:{port}"], env=job.server_env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    return "then " + repeatedly(reset, 0.3)(job)


def expect_done(job):
    if not job.was_hit:
        return "nothing was broken"
    done = sum("all bytes of" in line for line in job.lines)
    if done != RANKS or any(part.returncode != 0 for part in job.parts):
        return "it did not end well"
    return leaked_by_ranks(job)


def expect_named(job):
    """All others name rank 1, with one cause, within 5 s of the evidence: a death is seen at once,
    silence after 5 s."""
    causes = [line.partition("peerLost, rank 1")[2] for line in job.lines
              if "peerLost, rank 1" in line]
    if len(causes) < RANKS - 1 or any("all bytes of" in line for line in job.lines):
        return "not all others name rank 1"
    return None if len(set(causes)) == 1 else "there is more than one cause"


def leaked_by_ranks(job):
    """What ranks hold at the end, less what they held after their first round."""
    held = {}
    for line in job.lines:
        found = re.search(r"rank (\d+) holds (\d+) descriptors, (\d+) MiB", line)
        if found:
            held.setdefault(int(found[1]), []).append((int(found[2]), int(found[3])))
    if len(held) != RANKS:
        return "not all ranks say what they hold"
    for rank, values in held.items():
        for limit, what, before, after in zip(
                (DESCRIPTORS_MORE, MEBIBYTES_MORE), ("descriptors", "MiB"), values[0], values[-1]):
            if after > before + limit:
                return f"rank {rank} held {before} {what}, then {after}"
    return None


def processes(arguments):
    """Those that run a program of the build."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe").startswith(os.path.realpath(arguments.bin) + "/"):
                found.add(int(pid))
        except OSError:
            pass
    return found


def namespaces(pid):
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True).stdout
    return {line.split()[0] for line in listed.splitlines() if line.strip() and str(pid) in line}


def left_behind(arguments, job, before):
    """What of the job is there 5 s after its end."""
    end = time.monotonic() + 5
    while True:
        left = [f"process {pid}" for pid in processes(arguments) - before]
        left += [f"namespace {name}" for name in namespaces(job.parts[0].pid)]
        if not left or time.monotonic() > end:
            return f"left behind: {', '.join(left)}" if left else None
        time.sleep(0.1)


def faults(arguments):
    nat = lambda *options: lambda: launch(arguments, "serverless-nat", *options)
    here = lambda: launch(arguments, "serverless-resume")
    hand = lambda: by_hand(arguments)
    return [
        ("reset, loopback (ss -K, every 0.1 s)", here, repeatedly(reset, 0.1), expect_done),
        ("reset behind NATs (ss -K, every 0.3 s)", nat(), repeatedly(reset, 0.3), expect_done),
        ("relay death behind NATs (reset of relayed links, every 0.5 s)",
         lambda: launch(arguments, "serverless-nat", "--candidates", "relayed", seconds=2 * SECONDS),
         repeatedly(reset, 0.5), expect_done),
        ("conntrack flush behind NATs", nat(), flush_conntrack, expect_done),
        ("one-way loss on all links of a rank, for good", nat(), one_way, expect_done),
        ("black-out of 3 s of a rank", nat(), black_out(3), expect_done),
        ("rendezvous server killed, then resets", hand, server_dies, expect_done),
        ("rendezvous server killed and started again, then resets", hand, server_restarts,
         expect_done),
        ("SIGKILL of a rank", hand, send(signal.SIGKILL), expect_named, 5),
        ("SIGSTOP of a rank, for good", hand, send(signal.SIGSTOP), expect_named, 9),
    ]


def run(arguments, name, make, inject, expect, limit=None):
    """One run: is it as it should be, what to say of it, and the seconds until its end."""
    before = processes(arguments)
    job = make()
    try:
        if not job.wait_for_round():
            return False, "did not start: " + " | ".join(job.lines[-3:]), 0
        at = time.monotonic()
        what = inject(job)
        if limit:
            others = [part for part in job.parts if part.pid != job.pids[1]]
            end = time.monotonic() + 60
            while any(part.poll() is None for part in others) and time.monotonic() < end:
                job.read()
                time.sleep(0.02)
            took = time.monotonic() - at
            try:
                os.kill(job.pids[1], signal.SIGKILL)
            except ProcessLookupError:
                pass
            job.wait()
        else:
            job.wait()
            took = time.monotonic() - at
        fault = expect(job)
        if limit and took > limit:
            fault = fault or f"after {took:.1f} s"
        if fault:
            fault += ": " + " | ".join(job.lines[-RANKS:])[:600]
    finally:
        for part in job.parts:
            if part.poll() is None:
                part.kill()
                part.wait()
        server = getattr(job, "server", None)
        if server and server.poll() is None:
            server.kill()
            server.wait()
    fault = fault or left_behind(arguments, job, before)
    return not fault, f"{what}: {fault}" if fault else what, took


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--bin", default=".build/release")
    parser.add_argument("--output")
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    rows = ["| fault | runs | as it should be | seconds until the end, longest | |",
            "|---|---|---|---|---|"]
    failed = 0
    for fault in faults(arguments):
        if arguments.only not in fault[0]:
            continue
        outcomes = [run(arguments, *fault) for _ in range(arguments.runs)]
        good = sum(outcome[0] for outcome in outcomes)
        failed += good < arguments.runs
        note = next((o[1] for o in outcomes if not o[0]), outcomes[-1][1])
        longest = max(outcome[2] for outcome in outcomes)
        rows.append(f"| {fault[0]} | {arguments.runs} | {good} | {longest:.1f} | {note} |")
        print(rows[-1], flush=True)
    if arguments.output:
        with open(arguments.output, "w") as file:
            first, _, rest = __doc__.split("\n\n", 2)
            file.write(f"# Faults\n\n`make fault-table`: {first}\n\n{rest}\n")
            file.write("\n".join(rows) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
