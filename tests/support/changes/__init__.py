"""Every kind of change that counts, as tables: what is changed, and what the module says then."""

from __future__ import annotations

from .build_scripts import BUILD_SCRIPTS
from .configuration import CONFIGURATION
from .manifests import MANIFESTS
from .sources import SOURCES
from .variables import VARIABLES

TABLES = {
    "source": SOURCES,
    "build script": BUILD_SCRIPTS,
    "manifest": MANIFESTS,
    "variable": VARIABLES,
    "configuration": CONFIGURATION,
}
#: Config settings are given to a frontend; an import has none to compare.
KINDS = {
    f"{table}: {name}": case
    for table, cases in TABLES.items()
    for name, case in cases.items()
    if case.settings == (None, None)
}
#: Asks the module of `every-input` what it says.
SEEN = "import every_input, json; print(json.dumps(every_input.seen()))"
