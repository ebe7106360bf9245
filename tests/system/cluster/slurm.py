"""A real Slurm on this machine, for a while: munge, MariaDB, slurmdbd, slurmctld, slurmd, all on
loopback, all in one temporary folder.

    python tests/system/cluster/slurm.py COMMAND ..      # runs COMMAND with SLURM_CONF set, then
    takes everything down again

At the end no process and no file is left, also after Ctrl-C or kill -9: a reaper beside this
process waits for its end. Nothing is written outside of the folder: without SLURM_CONF in its
environment no other command sees this cluster.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import psutil

PROGRAMS = (
    "munged",
    "mariadbd",
    "mariadb-install-db",
    "slurmdbd",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "sacct",
    "sacctmgr",
)
PACKAGES = "slurmctld slurmd slurm-client slurmdbd munge mariadb-server"
PATIENCE = 60.0  # seconds after which a daemon counts as broken
POLL = 0.05  # seconds between two looks
REAP = "--reap"

SLURM_CONF = """\
ClusterName=throughtime
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={accounting}
AccountingStoragePass={folder}/munge/socket
AccountingStoreFlags=job_comment
JobAcctGatherType=jobacct_gather/linux
# A job that uses more memory than it asked for is killed, as on clusters that confine jobs by \
cgroups; looked at every second.
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/none
KillWait=2
NodeName=localhost NodeAddr=127.0.0.1 NodeHostname={host} CPUs={cpus} RealMemory={memory}
PartitionName=main Nodes=localhost Default=YES MaxTime=INFINITE State=UP
"""

SLURMDBD_CONF = """\
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={accounting}
SlurmUser=root
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
LogFile={folder}/slurmdbd.log
PidFile={folder}/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={database}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm
"""

DATABASE = """\
CREATE DATABASE IF NOT EXISTS slurm;
CREATE USER IF NOT EXISTS slurm@127.0.0.1 IDENTIFIED BY '{password}';
GRANT ALL ON slurm.* TO slurm@127.0.0.1;
"""


class Unavailable(Exception):
    """This machine cannot run the cluster; the message says what to install, or who must run it."""


def check() -> None:
    """Whether the daemons can run here.

    Raises:
        Unavailable: a program is missing, or this is not root.
    """
    missing = [name for name in PROGRAMS if shutil.which(name, path=_path()) is None]
    if missing:
        raise Unavailable(
            f"{', '.join(missing)}: not installed; as root: apt-get install "
            f"--no-install-recommends {PACKAGES}"
        )
    if os.geteuid() != 0:
        raise Unavailable("the daemons of Slurm are started as root here; run this as root")


def _path() -> str:
    return os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _listening(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@dataclass
class Slurm:
    """A running cluster of one node.

    Attributes:
        folder: of all that it writes.
        cpus, memory: of its node, memory in MiB.
        daemons: its processes, in the order in which they were started.
    """

    folder: Path
    cpus: int
    memory: int
    daemons: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """What a command needs to see this cluster."""
        return {
            "SLURM_CONF": str(self.folder / "slurm.conf"),
            "PATH": os.pathsep.join([str(self.folder / "bin"), _path()]),
        }

    def call(self, *command: str) -> str:
        """Run a command on this cluster, which must succeed; what it said."""
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    # Up -------------------------------------------------------------------------------------------

    def up(self) -> None:
        """Start all daemons, each when the one before it answers."""
        controller, node, accounting, database = _free_ports(4)
        self._write(
            controller=controller,
            node=node,
            accounting=accounting,
            database=database,
            password=secrets.token_hex(16),
        )
        munge = self.folder / "munge"
        self._start("munged", "--foreground", "--force", f"--socket={munge}/socket",
                    f"--key-file={munge}/key", f"--log-file={munge}/log", f"--pid-file={munge}/pid",
                    f"--seed-file={munge}/seed")  # fmt: skip
        self._until("munged", (munge / "socket").exists)
        self._start_database(database)
        self._until("mariadbd", lambda: _listening(database))
        self._start("slurmdbd", "-D")
        self._until("slurmdbd", lambda: _listening(accounting))
        self._until(
            "slurmdbd",
            lambda: self._succeeds("sacctmgr", "--immediate", "add", "cluster", "throughtime"),
        )
        self._start("slurmctld", "-D", "-c")
        self._until("slurmctld", lambda: _listening(controller))
        self._start("slurmd", "-D", "-N", "localhost")
        self._until(
            "slurmd", lambda: self.call("sinfo", "--noheader", "--format=%t").strip() == "idle"
        )

    def _write(self, **values: int | str) -> None:
        values |= {
            "folder": str(self.folder),
            "host": platform_node(),
            "cpus": self.cpus,
            "memory": self.memory,
        }
        for name in ("munge", "state", "spool", "database", "bin"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o400)
        key.write_bytes(secrets.token_bytes(128))
        for name, text in (
            ("slurm.conf", SLURM_CONF),
            ("slurmdbd.conf", SLURMDBD_CONF),
            ("database.sql", DATABASE),
        ):
            path = self.folder / name
            path.touch(mode=0o600)
            path.write_text(text.format(**values))
        # Within a job the plugin (jobstep 0.6.1) calls srun without SLURM_CONF: an srun that knows
        # it comes first in PATH.
        srun = self.folder / "bin" / "srun"
        srun.write_text(
            f'#!/bin/sh\nSLURM_CONF={self.folder}/slurm.conf exec {shutil.which("srun")} "$@"\n'
        )
        srun.chmod(0o755)

    def _start_database(self, port: int) -> None:
        data = self.folder / "database"
        common = ("--no-defaults", f"--datadir={data}", "--user=root")
        self.call(
            "mariadb-install-db",
            *common,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        self._start("mariadbd", *common, "--bind-address=127.0.0.1", f"--port={port}",
                    f"--socket={self.folder}/db", f"--pid-file={self.folder}/db.pid",
                    f"--init-file={self.folder}/database.sql", "--innodb-buffer-pool-size=64M",
                    "--innodb-lock-wait-timeout=900")  # fmt: skip

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.out").open("wb") as out:
            self.daemons[name] = subprocess.Popen(
                [shutil.which(name, path=_path()) or name, *arguments],
                env={**os.environ, **self.environment},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for this process alone
            )

    def _until(self, name: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not ready():
            if self.daemons[name].poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(
                    f"{name} does not come up: "
                    f"{(self.folder / f'{name}.out').read_text(errors='replace')[-2000:]}"
                )
            time.sleep(POLL)

    def _succeeds(self, *command: str) -> bool:
        try:
            self.call(*command)
        except RuntimeError:
            return False
        return True

    # Down -----------------------------------------------------------------------------------------

    def down(self) -> None:
        """End all jobs and all daemons, last started first; what does not end by itself is
        killed.
        """
        if "slurmctld" in self.daemons and self.daemons["slurmctld"].poll() is None:
            self._succeeds("scancel", "--full", "--signal=KILL", "--user=root")
        for process in reversed(list(self.daemons.values())):
            process.terminate()
            try:
                process.wait(PATIENCE / 4)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.sweep()

    def sweep(self) -> None:
        """Kill whatever is left of the cluster and its jobs, and delete the folder."""
        while left := self.processes():
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(left, timeout=1)
        shutil.rmtree(self.folder, ignore_errors=True)

    def processes(self) -> list[psutil.Process]:
        """Everything that belongs to this cluster, its jobs included: it has its SLURM_CONF in the
        environment. Not this process.
        """
        found = []
        for process in psutil.process_iter():
            try:
                here = process.environ().get("SLURM_CONF") == self.environment["SLURM_CONF"]
                if here and process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError):
                continue
        return found


def platform_node() -> str:
    """The name of this machine as slurmd sees it: up to the first dot."""
    return socket.gethostname().partition(".")[0]


@contextmanager
def cluster(cpus: int | None = None, memory: int = 8000) -> Iterator[Slurm]:
    """A cluster, for as long as the block runs.

    Args:
        cpus: of its node; None: as many as this machine has.
        memory: of its node, MiB.

    Raises:
        Unavailable: this machine cannot run it.
    """
    check()
    folder = Path(
        tempfile.mkdtemp(prefix="slurm-")
    )  # short: a socket's path has at most 107 characters
    slurm = Slurm(folder, cpus or os.cpu_count() or 1, memory)
    with subprocess.Popen(
        [sys.executable, __file__, REAP, str(folder)], stdin=subprocess.PIPE, start_new_session=True
    ):
        try:
            slurm.up()
            yield slurm
        finally:
            slurm.down()


def reap(folder: Path) -> None:
    """Wait until the process at the other end of stdin has ended, however it ended; then nothing of
    its cluster stays.
    """
    sys.stdin.read()
    Slurm(folder, 1, 1).sweep()


def _stop(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)  # through all `finally`


def main(command: list[str]) -> int:
    """Run a command on a cluster; its exit code."""
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell hands it on ignored to what it starts in the background
    try:
        with cluster() as slurm:
            return subprocess.run(
                command, env={**os.environ, **slurm.environment}, check=False
            ).returncode
    except Unavailable as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    if sys.argv[1:2] == [REAP]:
        sys.exit(reap(Path(sys.argv[2])))
    sys.exit(main(sys.argv[1:] or ["bash"]))
