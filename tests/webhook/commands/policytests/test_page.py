"""docs/policy-tests.md and docs/howto/share-a-network.md: the outputs are those of the program, and the test passes."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.paths import EXAMPLES, ROOT
from webhook.cli import nadmit

PAGE = (ROOT / "docs" / "policy-tests.md").read_text()
SHARING = (ROOT / "docs/howto/share-a-network.md").read_text()
RECIPES = EXAMPLES / "policies"
SHARED, LIMITED = (RECIPES / name / "policy.yaml" for name in ("share-one-network-with-one-team", "limit-static-ips"))


def output_of(command: str, page: str = PAGE) -> str:
    """Return what a page shows below a command; a comment may follow the command."""
    found = re.findall(rf"^\$ {re.escape(command)}(?: +#.*)?\n((?:[^$`\n].*\n)+)", page, re.MULTILINE)
    assert len(found) == 1, found
    return str(found[0])


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    """A folder `new` with the cluster of the recipes and two policies, and one of them in a folder `test`."""
    for name, policies in (("new", (SHARED, LIMITED)), ("one", (SHARED,)), ("test/policies", (SHARED,))):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        for number, policy in enumerate(policies):
            shutil.copy(policy, folder / ("policy.yaml" if name.startswith("test") else f"{number}.yaml"))
        shutil.copy(RECIPES / "cluster.yaml", folder.parent if name.startswith("test") else folder)
    return tmp_path


def test_the_test_of_the_page_passes(trees: Path) -> None:
    (text,) = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind: PolicyTest" in block]
    (trees / "test" / "policies" / "test.yaml").write_text(text)
    done = CliRunner().invoke(nadmit, ["test", str(trees / "test")])
    assert (done.exit_code, done.output) == (0, output_of("nadmit test policies/"))


def test_the_difference_of_the_page(trees: Path) -> None:
    done = CliRunner().invoke(nadmit, ["diff", str(RECIPES / "cluster.yaml"), str(trees / "new")])
    assert done.output == output_of("nadmit diff ../base/deploy deploy")


def test_the_difference_of_sharing_a_network(trees: Path) -> None:
    (policy,) = re.findall(r"```yaml\n(.*?)```", SHARING, re.DOTALL)
    (trees / "one" / "0.yaml").write_text(policy)
    done = CliRunner().invoke(nadmit, ["diff", str(RECIPES / "cluster.yaml"), str(trees / "one")])
    assert done.output == output_of("nadmit diff --cluster share.yaml", SHARING)
