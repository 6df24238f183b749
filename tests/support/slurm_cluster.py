"""A real Slurm on this machine: slurmctld, slurmd for each node and munge, on loopback only.

Everything is below one folder; nothing is written elsewhere, and `stop` ends every process.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

PROGRAMS: Final = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "srun")

_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/sbin")
_CONFIGURATION: Final = """\
ClusterName=heterosis
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={root}/munge.socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
ReturnToService=2
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=0,batch_sched_delay=0
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
EnforcePartLimits=ALL
PropagateResourceLimits=NONE
KillWait=2
InactiveLimit=0
MinJobAge=300
SlurmctldTimeout=30
SlurmdTimeout=30
MessageTimeout=10
OverTimeLimit=0
StateSaveLocation={root}/state
SlurmctldPidFile={root}/slurmctld.pid
SlurmctldLogFile={root}/slurmctld.log
SlurmdSpoolDir={root}/spool.%n
SlurmdPidFile={root}/slurmd.%n.pid
SlurmdLogFile={root}/slurmd.%n.log
{nodes}
PartitionName=main Nodes={names} Default=YES MaxTime=INFINITE DefaultTime=10 State=UP
"""


class NoSlurm(Exception):
    """Slurm cannot be had here; the message says why."""


class Cluster:
    """A running Slurm.

    Attributes:
        root: folder of all its files.
        environment: what a process needs to use it.
        partition: the only one.
    """

    partition = "main"

    def __init__(self, root: Path, nodes: int = 2, cpus: int = 4) -> None:
        """Prepare so many nodes of so many cores, real or not, below an empty folder."""
        self.root = root
        self._cpus = cpus
        programs = [*os.environ["PATH"].split(os.pathsep), *_SYSTEM_FOLDERS]
        self.environment = {
            **os.environ,
            "PATH": os.pathsep.join(dict.fromkeys(programs)),
            "SLURM_CONF": str(root / "slurm.conf"),
            # A worker pool that is killed leaves a folder there.
            "TMPDIR": str(root / "tmp"),
        }
        self._nodes = [f"n{index}" for index in range(1, nodes + 1)]

    def start(self) -> None:
        """Start munge, the controller and the nodes' daemons, and wait until they are idle.

        Raises:
            NoSlurm: one of them does not start.
        """
        for folder in ("tmp", "state"):
            (self.root / folder).mkdir()
        self._configure()
        self._munge()
        self.run("slurmctld")
        for node in self._nodes:
            self.run("slurmd", "-N", node)
        self._wait_until_idle()

    def run(self, *command: str, check: bool = True) -> str:
        """Run a command of Slurm's and return what it printed."""
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode:
            raise NoSlurm(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout.strip()

    def jobs(self) -> list[str]:
        """Return the ids of the jobs that are running."""
        return self.run("squeue", "-h", "-t", "running", "-o", "%i").split()

    def state(self, job: str) -> str:
        """Return a job's state, running or ended."""
        return self.run("squeue", "-h", "-t", "all", "-j", job, "-o", "%T")

    def stop(self) -> None:
        """End all jobs and daemons; nothing that belongs to this cluster runs afterwards."""
        with suppress(subprocess.SubprocessError):
            for job in self.run("squeue", "-h", "-o", "%i", check=False).split():
                self.run("scancel", job, check=False)
            deadline = time.monotonic() + 10
            while self.run("squeue", "-h", check=False) and time.monotonic() < deadline:
                time.sleep(0.1)
        _end(self.processes(), signal.SIGTERM, 10.0)
        _end(self.processes(), signal.SIGKILL, 10.0)

    def processes(self) -> list[int]:
        """Return the processes of this cluster: all that know its configuration, and below.

        A worker of Parsl's gives itself a title, which overwrites its environment.
        """
        known = f"SLURM_CONF={self.environment['SLURM_CONF']}".encode()
        key = str(self.root).encode()
        found, parents = set(), {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) == os.getpid():
                continue
            with suppress(OSError):
                process = int(folder.name)
                stat = (folder / "stat").read_text().rpartition(")")[2].split()
                command = (folder / "cmdline").read_bytes()
                environment = (folder / "environ").read_bytes().split(b"\0")
                parents[process] = int(stat[1])
                if known in environment or (b"munged" in command and key in command):
                    found.add(process)
        while below := {child for child, parent in parents.items() if parent in found} - found:
            found |= below
        return sorted(found)

    def _configure(self) -> None:
        host = socket.gethostname().partition(".")[0]
        first = _free_ports(len(self._nodes) + 1)
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={first + index} "
            f"CPUs={self._cpus} RealMemory=4000 State=UNKNOWN"
            for index, name in enumerate(self._nodes, 1)
        )
        text = _CONFIGURATION.format(
            host=host,
            port=first,
            user=os.environ.get("USER", "root"),
            root=self.root,
            nodes=nodes,
            names=",".join(self._nodes),
        )
        (self.root / "slurm.conf").write_text(text)

    def _munge(self) -> None:
        key = self.root / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        self.run(
            "munged",
            f"--key-file={key}",
            f"--socket={self.root}/munge.socket",
            f"--pid-file={self.root}/munge.pid",
            f"--log-file={self.root}/munge.log",
            f"--seed-file={self.root}/munge.seed",
            "--num-threads=1",
            "--force",
        )

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + 30
        states: list[str] = []
        while time.monotonic() < deadline:
            states = self.run("sinfo", "-h", "-N", "-o", "%T", check=False).split()
            if states == ["idle"] * len(self._nodes):
                return
            time.sleep(0.1)
        raise NoSlurm(f"the nodes are not idle after 30 s: {states}")


def missing() -> str | None:
    """Return why there can be no cluster here, or None."""
    path = os.pathsep.join([os.environ["PATH"], *_SYSTEM_FOLDERS])
    absent = [program for program in PROGRAMS if shutil.which(program, path=path) is None]
    if absent:
        return f"{', '.join(absent)} not installed (Debian: slurmctld slurmd slurm-client munge)"
    if os.getuid() != 0:
        return "slurmd wants to be started by root"
    return None


@contextmanager
def running_cluster(nodes: int = 2, cpus: int = 4) -> Iterator[Cluster]:
    """Bring a cluster up below a new folder, and take both away in the end.

    Raises:
        NoSlurm: it cannot be had.
    """
    if reason := missing():
        raise NoSlurm(reason)
    # Short: the path of a socket ends at 107 bytes.
    root = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
    cluster = Cluster(root, nodes, cpus)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(root, ignore_errors=True)


def _free_ports(count: int) -> int:
    """Return the first of so many ports in a row that nobody listens on."""
    for first in range(21000 + os.getpid() % 500 * 10, 32000, count):
        with suppress(OSError):
            held = [socket.socket() for _ in range(count)]
            try:
                for offset, each in enumerate(held):
                    each.bind(("127.0.0.1", first + offset))
                return first
            finally:
                for each in held:
                    each.close()
    raise NoSlurm("no free ports")


def _end(processes: list[int], how: signal.Signals, patience_s: float) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, how)
    deadline = time.monotonic() + patience_s
    while any(map(_alive, processes)) and time.monotonic() < deadline:
        time.sleep(0.05)


def _alive(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
