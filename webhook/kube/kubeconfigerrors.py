"""What the Kubernetes client says about a kubeconfig, without any value of the kubeconfig.

The client's errors name an entry by its whole content: `Expected key command in f/{'name': 'u', 'user': {'token': ...`,
so its words are never shown. What is wrong is recognised by the beginning of the sentence, which is the client's own.
"""

from __future__ import annotations

import logging
import re

import yaml

_SENTENCES: tuple[tuple[str, str], ...] = (
    (r"Invalid kube-config file\. Expected key ([A-Za-z-]+) in ", 'it has no "{}" where one is needed'),
    (r"Invalid kube-config file\. Expected object with name ", "a name that a context gives is not in its list"),
    (r"Invalid kube-config file\. Expected only one object ", "a name is in its list twice; keep one of them"),
    (r"Invalid kube-config file\. Expected all values in ", "an entry of a list has no name"),
    (r"Invalid kube-config file\. Expected .* to be a list", "clusters, contexts or users is not a list"),
    (r"Invalid kube-config\. .* file is empty", "it is empty"),
    (r"File does not exist: ", "a file that it names does not exist"),
    (r"Service (token|certification) file does not exist", "the {} file of the service account does not exist"),
    (r"(Token|Cert) file exists but empty", "the {} file of the service account is empty"),
    (r"exec: malformed request\. missing key '([A-Za-z]+)'", 'the exec of its user has no "{}"'),
    (r"exec: process returned ([0-9-]+)", "the program of its user's exec ended with code {}; run it to see why"),
    (r"exec: ", "the answer of the program of its user's exec cannot be used"),
    (r"cmd-path: process returned ([0-9-]+)", "the program of its user's auth-provider ended with code {}"),
)
_OTHER = "it does not have the form of a kubeconfig"


def explain_kubeconfig(error: BaseException) -> str:
    """Return why a kubeconfig cannot be used, in one line, without any value of it."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"it is not YAML at line {mark.line + 1}, column {mark.column + 1}"
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(error, OSError):
        return (error.strerror or _OTHER).lower()
    return _reworded(str(error))


def _reworded(sentence: str) -> str:
    for pattern, words in _SENTENCES:
        match = re.match(pattern, sentence, re.DOTALL)
        if match:
            return words.format(*match.groups())
    return _OTHER


class ClientLogFilter(logging.Filter):
    """Rewords what the client's `kube_config` logs: it catches errors of `exec` and logs them with whole entries."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass."""
        if record.module == "kube_config":
            record.msg, record.args = f"nadmit: kubeconfig: {_reworded(record.getMessage())}", None
        return True


_FILTER = ClientLogFilter()


def hide_values_in_log() -> None:
    """Put the filter on the root logger, which the client logs to. Twice is as once."""
    logging.getLogger().addFilter(_FILTER)
