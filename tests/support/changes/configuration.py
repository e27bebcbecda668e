"""Changes of cargo's configuration."""

from __future__ import annotations

from ..cases import Case
from .edits import CONFIG, OUTPUT_FOLDER

CONFIGURATION = {
    "changes": Case(
        lambda p: p.write(CONFIG, '[env]\nREAD_BY_CRATE = "two"\n'),
        {"variable": "two"},
        f"{CONFIG} changed",
        before=lambda p: p.write(CONFIG, '[env]\nREAD_BY_CRATE = "one"\n'),
    ),
    "changes above": Case(
        lambda p: p.write(f"../{CONFIG}", '[build]\nrustflags = ["--cfg", "loud"]\n'),
        {"flag": "true"},
        f"../{CONFIG} changed",
        before=lambda p: p.write(f"../{CONFIG}", '[build]\nrustflags = ["--cfg", "quiet"]\n'),
        besides=OUTPUT_FOLDER,
    ),
    "disappears": Case(
        lambda p: p.path(CONFIG).unlink(),
        {"variable": "unset"},
        f"{CONFIG} is gone",
        before=lambda p: p.write(CONFIG, '[env]\nREAD_BY_CRATE = "one"\n'),
    ),
    "is included": Case(
        lambda p: p.write(".cargo/more.toml", '[env]\nREAD_BY_CRATE = "two"\n'),
        {"variable": "two"},
        ".cargo/more.toml changed",
        before=lambda p: (
            p.write(CONFIG, 'include = ["more.toml"]\n'),
            p.write(".cargo/more.toml", '[env]\nREAD_BY_CRATE = "one"\n'),
        ),
    ),
    "is overridden nearer": Case(
        lambda p: p.write(CONFIG, '[env]\nREAD_BY_CRATE = "near"\n'),
        {"variable": "near"},
        f"{CONFIG} is new",
        before=lambda p: p.write(f"../{CONFIG}", '[env]\nREAD_BY_CRATE = "far"\n'),
    ),
}
