"""Shows the packages of a frontend's environment to the stable interpreter (docs/design.md, D7).

A copy of this file is in the stable interpreter's site-packages, and a ``.pth`` file there imports
it. The folders come with the process, because builds of several environments share the interpreter.
"""

import os
import sys

_FOLDERS = os.environ.get("WHEELPRINT_SYS_PATH")
if _FOLDERS:
    import json
    import site

    for _folder in json.loads(_FOLDERS):
        if os.path.basename(_folder) in ("site-packages", "dist-packages"):
            site.addsitedir(_folder)
        if _folder not in sys.path and os.path.exists(_folder):
            sys.path.append(_folder)
    # maturin may have installed cffi here, for the environment of another build.
    _own = os.path.dirname(__file__)
    if _own in sys.path:
        sys.path.remove(_own)
        sys.path.append(_own)
