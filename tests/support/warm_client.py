"""Asks the process of warm_processes.py for a fork; as a program, it stands for one of its forks.

`python -IS tests/support/warm_client.py -m MODULE WORDS...`: imports next to nothing.
"""

import json
import os
import socket
import sys


def ask(address, **request):
    """Let a request be done; returns how it ended."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        connection.sendall(json.dumps(request).encode() + b"\n")
        return int(connection.makefile().readline())


def read_request(file):
    """The request that was asked."""
    return json.loads(file.readline())


if __name__ == "__main__":
    status = ask(
        os.environ["WARM_PROCESSES"],
        words=sys.argv[2:],
        cwd=os.getcwd(),  # noqa: PTH109 (pathlib takes long to import)
        env=dict(os.environ),
        outputs=[f"/proc/{os.getpid()}/fd/{number}" for number in (1, 2)],
    )
    sys.exit(status if status >= 0 else 128 - status)
