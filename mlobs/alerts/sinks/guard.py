"""Which addresses may be reached: not those that only this machine can reach.

Pure. Whoever may write a sink's address, or answers for its name in DNS, must not be able to make
this process talk to the machine's own services, to the network it stands in or to the address
where clouds hand out credentials. So the name is resolved first, every address it has is judged
here, and the connection is made to one of exactly those, not to the name.

`allow` lists what may be reached all the same: networks (10.0.0.0/8), addresses, and host names. A
host name allows what it resolves to if that is loopback or private, but never link-local and the
like (`NEVER_BY_NAME`): for those the network itself has to be listed.

Why an address that is written as a number is its own permission in MLOBS_ALERT_WEBHOOK_URL and
nowhere else: that variable belongs to whoever runs the process, no name stands between what was
meant and what is reached, and http://127.0.0.1:8000/ is how everybody begins. The file of sinks
is edited by more people.
"""

import ipaddress
from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from mlobs.errors import SettingError

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Credentials of clouds (AWS, GCP, Azure, Oracle, Alibaba), and what no name should lead to. The two
# networks after ::/128 are translated to IPv4 addresses that nobody can read off them here.
NEVER_BY_NAME = tuple(
    ipaddress.ip_network(one)
    for one in (
        "0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "168.63.129.16/32", "100.100.100.200/32",
        "224.0.0.0/4", "240.0.0.0/4", "::/128", "::ffff:0:0:0/96", "64:ff9b:1::/48", "fe80::/10", "fec0::/10",
        "fd00:ec2::254/128", "fd20:ce::254/128", "ff00::/8",
    )
)  # fmt: skip
SHARED = ipaddress.ip_network("100.64.0.0/10")  # Carrier-grade NAT; not "private" in Python's words.
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def entry(text: str) -> str:
    """Return an entry of an allow list, trimmed and in lower case.

    Raises:
        ValueError: It is neither a network nor a host name.
    """
    found = text.strip().lower().rstrip(".")
    if _network(found) is None and (
        "/" in found or ":" in found or not found or any(c.isspace() for c in found)
    ):
        raise ValueError(
            f"{text!r} came; a host such as hooks.internal or a network such as 10.0.0.0/8 was wanted"
        )
    return found


Allowed = Annotated[str, AfterValidator(entry)]


class Guard:
    """Judges addresses.

    Args:
        allow: Hosts and networks that may be reached although they are not public.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        entries = [entry(one) for one in allow]
        networks = [_network(one) for one in entries]
        self._networks = tuple(one for one in networks if one is not None)
        self._names = {one for one, network in zip(entries, networks, strict=True) if network is None}

    def lists(self, host: str) -> bool:
        """Return whether a host, a name or an address, is on the list as it is written."""
        number = literal(host)
        if number is None:
            return host.lower().rstrip(".") in self._names
        ip = ipaddress.ip_address(number)
        return any(ip in network for network in self._networks if network.version == ip.version)

    def refusal(self, host: str, ip: str) -> str | None:
        """Return why `host` must not be reached at `ip`, or None if it may.

        Args:
            host: As in the sink's address.
            ip: What it resolved to.
        """
        written = ipaddress.ip_address(ip.partition("%")[0])
        came = getattr(written, "ipv4_mapped", None) or written
        for meant in (came, *_inside(came)):
            if any(meant in network for network in self._networks if network.version == meant.version):
                continue
            named = host.lower().rstrip(".") in self._names
            if any(meant in network for network in NEVER_BY_NAME if network.version == meant.version):
                what = "a link-local, metadata or reserved address"
            elif not named and not _is_public(meant):
                what = "an address of this machine" if meant.is_loopback else "a private address"
            else:
                continue
            return f"{came} is {what}" if literal(host) == str(came) else f"{host} is at {came}, {what}"
        return None


def literal(host: str) -> str | None:
    """Return a host that is an address as an address, or None if it is a name.

    >>> literal("[::1]"), literal("127.0.0.1"), literal("localhost")
    ('::1', '127.0.0.1', None)
    """
    try:
        return str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return None


def own_permission(host: str) -> tuple[str, ...]:
    """Return what the host of MLOBS_ALERT_WEBHOOK_URL allows by being written there.

    >>> own_permission("127.0.0.1"), own_permission("localhost"), own_permission("hooks.example.org")
    (('127.0.0.1',), ('127.0.0.0/8', '::1'), ())
    >>> own_permission("169.254.169.254")
    ()
    """
    if host.lower() == "localhost":
        return ("127.0.0.0/8", "::1")
    number = literal(host)
    if number is None:
        return ()
    ip = ipaddress.ip_address(number)
    reserved = any(
        one in net for one in (ip, *_inside(ip)) for net in NEVER_BY_NAME if net.version == one.version
    )
    return () if reserved else (number,)


def check_now(guard: Guard, host: str, where: str) -> None:
    """Return unless `host` is written as an address that will be refused each time.

    Raises:
        SettingError: It is.
    """
    number = literal(host)
    refused = guard.refusal(host, number) if number is not None else None
    if refused is not None:
        raise SettingError(f"{where}: {refused}. {HOW}")


HOW = "If it is meant, list the host or the network under allow, or in MLOBS_ALERT_ALLOW."


def _is_public(ip: Ip) -> bool:
    return ip.is_global and not (ip.version == 4 and ip in SHARED)


def _inside(ip: Ip) -> tuple[Ip, ...]:
    """Return the IPv4 addresses that an IPv6 address leads to."""
    if isinstance(ip, ipaddress.IPv4Address):
        return ()
    found = [ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64 or int(ip) >> 32 == 0:  # the second: "IPv4-compatible", long out of use
        found.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return tuple(one for one in found if one is not None and str(ip) not in {"::", "::1"})


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
