"""Adds the repository's address to what is published, because PyPI shows README.md elsewhere.

    python .ci/project_urls.py https://github.com/OWNER/NAME REVISION

Links of README.md become absolute, and pyproject.toml gets `[project.urls]`. The release workflow
calls this with its own repository and commit. In the repository itself the links stay relative, so
they are right in every clone and fork.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PICTURES = (".svg", ".png")


def absolute(readme: str, repository: str, revision: str) -> str:
    def link(found: re.Match[str]) -> str:
        path = found[1]
        kind = "raw" if path.split("#")[0].endswith(PICTURES) else "blob"
        return f"]({repository}/{kind}/{revision}/{path})"

    return re.sub(r"\]\((?![a-z]+:|#)([^)\s]+)\)", link, readme)


def urls(repository: str, revision: str) -> str:
    at = f"{repository}/blob/{revision}"
    return f"""
[project.urls]
Repository = "{repository}"
Documentation = "{at}/docs/index.md"
Changelog = "{at}/CHANGELOG.md"
Issues = "{repository}/issues"
"""


def main() -> None:
    repository, revision = sys.argv[1:]
    readme, pyproject = Path("README.md"), Path("pyproject.toml")
    text = readme.read_text(encoding="utf-8")
    # Line ends must be those of other systems, because wheels name the digests of these files.
    with readme.open("w", encoding="utf-8", newline="\n") as file:
        file.write(absolute(text, repository, revision))
    with pyproject.open("a", encoding="utf-8", newline="\n") as file:
        file.write(urls(repository, revision))


if __name__ == "__main__":
    main()
