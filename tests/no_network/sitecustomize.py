"""Blocks the network for every Python process that has this folder on PYTHONPATH, notebook kernels included.

Loopback stays open, because Jupyter talks to its kernels through it. Each attempt raises an error and is
written to the file named by NETWORK_LOG, so that a test also sees one that the caller swallowed.
"""

import ipaddress
import os
import socket
from pathlib import Path

real_connect, real_connect_ex, real_getaddrinfo = (
    socket.socket.connect,
    socket.socket.connect_ex,
    socket.getaddrinfo,
)


def is_local(host):
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def refuse(host):
    if log := os.environ.get("NETWORK_LOG"):
        with Path(log).open("a") as file:
            file.write(f"{host}\n")
    raise OSError(f"the network is blocked in tests: something asked for {host}")


def check_address(connection, address):
    if connection.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
        refuse(address[0])


def connect(self, address):
    check_address(self, address)
    return real_connect(self, address)


def connect_ex(self, address):
    check_address(self, address)
    return real_connect_ex(self, address)


def getaddrinfo(host, *arguments, **keywords):
    if not is_local(host):
        refuse(host)
    return real_getaddrinfo(host, *arguments, **keywords)


socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo = connect, connect_ex, getaddrinfo
