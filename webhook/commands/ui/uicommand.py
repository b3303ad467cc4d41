"""`nadmit ui`: start the page's server, say where it is, and open a browser."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import Callable, Mapping
from threading import Thread
from typing import TYPE_CHECKING, Any

import click

from webhook.commands import objectfiles
from webhook.commands.options import (
    EXIT_UNREADABLE,
    Command,
    add_options,
    attachment_rules_options,
    config_option,
    configuration_of,
    fail,
    namespace_option,
    network_namespace_option,
    paint,
    warn_unreadable,
)

if TYPE_CHECKING:
    from .application import Changes
    from .clusterview import Origin, Settings

HOST = "127.0.0.1"
FIRST_LISTS_S = 20.0
"""How long the start waits for the first lists. The page opens in any case, and says what is missing."""

_OPTIONS = (
    namespace_option(
        "Watch the pods of this namespace only, if you may not list those of all. Default: all namespaces."
    ),
    *objectfiles.source_options(", with pods, networks and policies", "networks, namespaces, policies and pods"),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=0,
        show_default=True,
        help="Port on 127.0.0.1; 0 takes a free one.",
    ),
    click.option("--browser/--no-browser", default=True, show_default=True, help="Open the page in a browser."),
)


def _options(command: Command) -> Command:
    return add_options(command, _OPTIONS)


@click.command("ui", short_help="Open a page that shows networks, who uses them and who may.")
@_options
@config_option
@attachment_rules_options
@network_namespace_option
def ui(**options: Any) -> None:
    """Open a page that shows the networks of a cluster: what is attached to what, who may attach, and what is wrong.

    The page is served on 127.0.0.1 with your own kubeconfig and rights. It is live: objects are watched. Nothing is
    installed, nothing in the cluster is changed, and the page loads nothing from elsewhere. Its address has a token,
    and whoever has the address can read what you may read, so do not pass it on.

    It needs the rights to list and watch pods, definitions, namespaces and access policies. Each right that is missing
    is named in one line, here and on the page, and the rest works without it. Ctrl-C ends it.

    \b
    Examples:
      nadmit ui
      nadmit ui -n blue                            pods of one namespace, if you may not list all
      nadmit ui --no-browser --port 8100           then: ssh -L 8100:127.0.0.1:8100 this-host
      nadmit ui --manifests examples/cluster       a tree of YAML instead of a cluster
      kubectl get pods,net-attach-def,ns -A -o yaml | nadmit ui -f -

    \b
    Exit codes:
      0  ended by Ctrl-C or SIGTERM
      2  the kubeconfig or a file cannot be read, the API server does not answer, or an option is wrong
    """  # noqa: D301 - click reads the backspace: keep these lines as they are
    listener = _listen(options["port"])
    configuration = configuration_of(options["config"], options["plugin_schemas"], options["attached_by"])
    from .application import Changes  # noqa: PLC0415 - --help does not pay for what judges, and for a web server
    from .clusterview import Settings  # noqa: PLC0415 - as above

    settings = Settings(configuration, options, options["network_namespace"])
    logging.getLogger("nadmit").addHandler(logging.NullHandler())  # the page says what a watch would log
    changes = Changes()
    if objectfiles.is_copy(options):
        _serve(listener, _read_files(options), settings, changes, has_browser=options["browser"])
        return
    origin, stop = _watch(options, changes)
    try:
        _serve(listener, origin, settings, changes, has_browser=options["browser"])
    finally:
        stop()


def _listen(port: int) -> socket.socket:
    """Return a socket on loopback. It is bound before the cluster is read: a port in use ends the command at once."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        text = f"--port {port} cannot be used: {error.strerror}; give another one, or 0 for a free one"
        raise click.UsageError(text) from error
    return listener


def _read_files(options: dict[str, Any]) -> Origin:
    from .copiedobjects import CopiedObjects  # noqa: PLC0415 - it loads what reads the graph

    documents = objectfiles.read(options["files"], options["directory"])
    title = ", ".join([*options["files"], *filter(None, [options["directory"]])])
    origin = CopiedObjects(
        documents,
        title=title,
        namespace=options["namespace"] or "",
        network_namespace=options["network_namespace"],
    )
    warn_unreadable(origin.problems)
    return origin


def _watch(options: dict[str, Any], changes: Changes) -> tuple[Origin, Callable[[], None]]:
    """Return the cluster after its first lists, and what ends the watches. Ends the command if nothing can be read."""
    from webhook.kube.apierrors import ClusterError  # noqa: PLC0415 - files do not pay for the client

    from .livecluster import LiveCluster  # noqa: PLC0415 - as above

    origin = LiveCluster(
        options["kubeconfig"],
        namespace=options["namespace"] or "",
        network_namespace=options["network_namespace"],
        on_change=changes.note,
    )
    try:
        origin.start()
    except ClusterError as error:
        fail(str(error))
    if sys.stderr.isatty():
        click.echo(f"reading {origin.title}", err=True)
    origin.wait(FIRST_LISTS_S)
    unread = origin.unread()
    for text in dict.fromkeys(unread.values()):
        click.echo(f"{paint('unread:', 'warning')} {text}", err=True)
    if origin.has_nothing():
        if not origin.namespace and not origin.may_list_pods():
            click.echo("with rights in one namespace: nadmit ui -n NAMESPACE", err=True)
        origin.stop()
        sys.exit(EXIT_UNREADABLE)
    return origin, origin.stop


def _serve(listener: socket.socket, origin: Origin, settings: Settings, changes: Changes, *, has_browser: bool) -> None:
    """Serve until a signal."""
    import uvicorn  # noqa: PLC0415 - as above

    from .application import Application  # noqa: PLC0415 - as above
    from .guard import Guard  # noqa: PLC0415 - as above

    guard = Guard(listener.getsockname()[1])
    application = Application(guard, origin, settings, changes)
    config = uvicorn.Config(
        application,
        log_level="critical",
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=0,  # a stream that is open must not keep Ctrl-C waiting
    )
    server = uvicorn.Server(config)

    def end(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in (signal.SIGINT, signal.SIGTERM):  # before uvicorn has its own, and when it raises them again
        signal.signal(number, end)
    listener.listen()  # whoever reads the address may connect at once
    click.echo(f"{origin.title} at {guard.url}")
    click.echo("Ctrl-C ends it.", err=True)
    if has_browser and can_open(os.environ, sys.platform):
        Thread(target=_open_browser, args=(guard.first_url,), daemon=True).start()
    server.run(sockets=[listener])


def can_open(environ: Mapping[str, str], platform: str) -> bool:
    """Say whether a browser has a screen. Without one, the standard library would start a browser in this terminal."""
    return platform in {"darwin", "win32"} or any(map(environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")))


def _open_browser(url: str) -> None:
    """Open the page, if this machine has a browser. The address was printed in any case."""
    try:
        controller = webbrowser.get()
    except webbrowser.Error:
        return
    controller.open(url)
