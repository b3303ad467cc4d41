"""What a container still has on the node, if the record of another program that named it is damaged.

Multus' file is lost with its content, and only the namespace can say whether something is left. While the namespace has
other interfaces than its own and the default one, DEL is an error, so that the runtime asks again and somebody notices.
When the namespace is gone, its interfaces are gone, and DEL must not fail for ever: the log has named the file. An
operator who has freed the rest ends the error by removing the file.
"""

from __future__ import annotations

import os

from cniplugin.cnierrors import IO_FAILURE, CniError
from cniplugin.host.netlink import interface_names

from .teardown import reachable_netns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from cniplugin.protocol.skel import Invocation

OF_EACH_NAMESPACE = frozenset(
    ("lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0", "ip6_vti0")
)
"""The loopback, and the devices that the kernel makes in each namespace (net.core.fb_tunnels_only_for_init_net)."""


def check_namespace(invocation: Invocation, damaged: Sequence[str]) -> None:
    """Raise CniError 5 if the namespace has further interfaces, with the damaged files in its message."""
    netns = reachable_netns(invocation.netns, invocation.environ)
    if not netns or not os.path.exists(netns):  # noqa: PTH110  # pathlib costs 5 ms
        return
    left = sorted(interface_names(netns) - OF_EACH_NAMESPACE - {invocation.ifname})
    if left:
        files = ", ".join(damaged)
        what = f"what it names is not detached, and the pod still has {', '.join(left)}"
        fix = "free its interfaces, addresses and rules by hand, then remove the file; or remove the namespace"
        raise CniError(IO_FAILURE, f"{files}: the record of another program cannot be read: {what}; {fix}")
