"""The documentation site: mkdocs.yml names every page, and every link leads somewhere.

`nox -s docs` builds the site. It finds links to missing pages and headings; the rest is here.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
#: Files in Markdown outside of docs/ that are read on their own.
OTHERS = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PAGES = sorted(DOCS.glob("*.md")) + [REPOSITORY / name for name in OTHERS]


def named_in_nav() -> list[str]:
    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    nav = text.split("\nnav:\n")[1]
    return re.findall(r"(?m)^ *- [^#\n]+: (\S+\.md)$", nav)


def prose(page: Path) -> str:
    """A page without its code, in which brackets are no links."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"(?ms)^ *```.*?^ *```$|`[^`\n]*`", "", text)


def test_each_page_is_in_the_navigation_once() -> None:
    assert sorted(named_in_nav()) == sorted(page.name for page in DOCS.glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    links += re.findall(r"(?:src|href)=\"([^\"]+)\"", prose(page))
    for link in links:
        path = link.split("#")[0]
        if not path or re.match(r"https?://|mailto:", path):
            continue
        target = (page.parent / path).resolve()
        assert target.is_file(), f"{page.name}: {link}"
        # A page of the site links to the site only: nothing else is there to be read.
        if page.parent == DOCS:
            assert target.is_relative_to(DOCS), f"{page.name}: {link} is outside of docs/"


def test_what_pypi_shows_has_absolute_links() -> None:
    spec = importlib.util.spec_from_file_location("urls", REPOSITORY / ".ci" / "project_urls.py")
    assert spec is not None
    assert spec.loader is not None
    project_urls = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(project_urls)
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", project_urls.absolute(readme, "https://HOST/A/B", "v1"))
    assert all(link.startswith("https://") for link in links), links
    assert "https://HOST/A/B/raw/v1/docs/pictures/session.svg" in links
    assert "https://HOST/A/B/blob/v1/docs/settings.md#limits" in links
    urls = project_urls.urls("https://HOST/A/B", "v1")
    paths = re.findall(r"https://HOST/A/B/blob/v1/([^\"]+)", urls)
    assert len(paths) == 2
    assert all((REPOSITORY / path).is_file() for path in paths)
