"""The files of the page: what is vendored is what was published, and the modules fit into one script."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter

from tests.browser import worlds
from webhook.commands.ui import singlefile
from webhook.commands.ui.singlefile import MODULES, PAGE

DECLARED = re.compile(r"^(?:export )?(?:async )?(?:function|const|let|class) +(\w+)", re.MULTILINE)
IMPORTED = re.compile(r'from "\./(\w+)\.js"')


def test_the_vendored_library_is_the_published_file() -> None:
    about = json.loads((PAGE / "vendor" / "cytoscape.json").read_text())
    file = PAGE / "vendor" / about["file"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == about["sha256"]
    assert about["license"] == "MIT"
    notice = (PAGE / "vendor" / "cytoscape.LICENSE").read_text()
    assert notice.startswith("Copyright (c) 2016-")
    assert about["version"] in file.read_text(encoding="utf-8"), "the file names its version"
    assert {path.name for path in (PAGE / "vendor").iterdir()} == {
        "cytoscape.json",
        "cytoscape.LICENSE",
        "cytoscape.min.js",
    }


def test_every_module_is_in_the_file_and_declared_before_its_users() -> None:
    assert sorted(MODULES) == sorted(path.stem for path in PAGE.glob("*.js"))
    seen: set[str] = set()
    for name in MODULES:
        used = set(IMPORTED.findall((PAGE / f"{name}.js").read_text(encoding="utf-8")))
        assert used <= seen, f"{name} uses {used - seen}, which come later in MODULES"
        seen.add(name)


def test_no_name_is_declared_twice() -> None:
    names = Counter(DECLARED.findall(singlefile.join_modules()))
    assert len(names) > 60
    assert [name for name, count in names.items() if count > 1] == []


def test_no_module_makes_markup_of_texts() -> None:
    for path in PAGE.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        found = re.findall(
            r"innerHTML\s*=[^=]|insertAdjacentHTML|outerHTML\s*=|document\.write|\beval\(|new Function", text
        )
        assert found == [], path


def test_one_file_asks_for_nothing() -> None:
    made = singlefile.render({"segments": [], "notes": [worlds.ATTACK, "</script><script>"], "unread": []})
    assert not re.search(r'<(?:link|script|img|iframe)[^>]* (?:src|href)="(?!data:)', made)
    assert "</script><script>" not in made
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', made)
    assert data is not None
    assert json.loads(data[1])["notes"] == [worlds.ATTACK, "</script><script>"]
    assert "default-src 'none'" in made
