"""What a host mounts from elsewhere (/proc/self/mountinfo): data on such a mount lies in another place."""

import ipaddress
import re
from typing import Final

from checkvalve.posture.types import RemoteMount

FROM_ELSEWHERE: Final = re.compile(
    r"^(nfs4?|cifs|smb3|9p|ceph|glusterfs|lustre|afs|davfs|fuse\.(sshfs|s3fs|rclone|gcsfuse|goofys|glusterfs|davfs2?|cephfs|blobfuse2?))$"
)
HOST: Final = re.compile(r"^(?://|\\\\)?(?:[^@/]*@)?(\[[0-9a-fA-F:]+\]|[\w.-]+)[:/\\]")


def remote(text: str) -> list[RemoteMount]:
    """Lines that say something else are not mounts from elsewhere."""
    found = []
    for line in text.splitlines():
        left, dash, right = line.partition(" - ")
        words, source = left.split(), right.split()
        if dash and len(words) >= 5 and len(source) >= 2 and FROM_ELSEWHERE.match(source[0]):
            host = HOST.match(source[1])
            found.append(RemoteMount(kind=source[0], host=host[1].strip("[]") if host else source[1], target=_plain(words[4])))
    return found


def is_near(host: str) -> bool:
    """An address of this house: private, link-local, loopback; a name without a dot."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))
    return not address.is_global


def _plain(path: str) -> str:
    """The kernel writes spaces and the like as three octal digits."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), path)
