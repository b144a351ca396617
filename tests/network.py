"""Two machines with a network between them, as far as processes can tell: network namespaces of Linux, and a link."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import pytest

CLONE_NEWNET = 0x40000000


@dataclass(frozen=True)
class Machine:
    """A network namespace; it lasts as long as the process that holds it."""

    holder: int
    address: str
    interface: str

    def enter(self) -> None:
        """Move this process, which has one thread as yet, to this machine's network."""
        libc = ctypes.CDLL(None, use_errno=True)
        with open(f"/proc/{self.holder}/ns/net") as place:
            if libc.setns(place.fileno(), CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "setns")
        os.environ["GLOO_SOCKET_IFNAME"] = self.interface  # by the host's name gloo would find this machine alone

    def _run(self, *command: str) -> None:
        subprocess.run(["nsenter", f"--net=/proc/{self.holder}/ns/net", *command], check=True, capture_output=True)


@contextmanager
def two_machines() -> Iterator[tuple[Machine, Machine]]:
    """Make two machines that reach each other and nothing else; skip the test where this user may not."""
    for program in ("unshare", "nsenter", "ip"):
        if shutil.which(program) is None:
            pytest.skip(f"there is no program {program}, which makes networks")
    with ExitStack() as stack:
        machines = []
        for number in (1, 2):
            holder = subprocess.Popen(
                ["unshare", "--net", "sh", "-c", "echo ready; cat"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            stack.callback(lambda process: process.communicate(), holder)  # it ends with its input
            if holder.stdout.readline() != "ready\n":
                pytest.skip("this user may make no network namespaces")
            machines.append(Machine(holder.pid, f"10.77.0.{number}", f"link{number}"))
        one, two = machines
        names = [one.interface, "netns", str(one.holder)], [two.interface, "netns", str(two.holder)]
        made = subprocess.run(["ip", "link", "add", *names[0], "type", "veth", "peer", "name", *names[1]], check=False)
        if made.returncode:
            pytest.skip("this kernel makes no links between network namespaces")
        for machine in machines:
            machine._run("ip", "address", "add", f"{machine.address}/24", "dev", machine.interface)
            for interface in (machine.interface, "lo"):
                machine._run("ip", "link", "set", interface, "up")
        yield one, two
