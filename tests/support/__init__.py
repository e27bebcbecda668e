"""What the tests share: sample projects in fixed places, real frontends, and a log of the compiler.

| module | what it does |
|---|---|
| `versions` | the range of maturin that is tested |
| `environment` | the variables every tool is started with |
| `spy` | `cargo`, `rustc` and `maturin` that write down that they were called |
| `samples` | which sample projects there are |
| `workbench` | one place on disk per worker, where samples are checked out |
| `project` | a checked-out sample: edit it, call hooks, run uv, pip and build on it |
| `asking` | building a project and asking the compiled module what it sees |
| `commands` | the command line, with and without a terminal |
| `background` | a build that runs while a test does something else |
| `killing` | commands that are killed at some moment, with all that they started |
| `shim` | a library that answers in place of the C library: clocks, times of files, renaming |
| `disks` | small disks, in memory, to be filled |
| `kept` | what is stored and delivered, file by file: is it whole? |
| `cases` | a kind of change, what the module says then, and the reason given |
| `packages` | more packages for a sample: written, vendored, given a build script |
| `frontends` | tools with a home of the test's own, run several times in a row |
| `pythons` | other versions of Python on this machine |
| `toolchains` | the Rust toolchains of this machine, behind rustup |
| `damage` | a store's files damaged in every way, and a hook asked each time |
| `hostile` | archives as no tool would write them, and commands that must bear them |
| `tree` | a folder's files, to be restored after a change |
| `commands` | wheelprint's own command line |
| `schemas` | what commands print as JSON, held against schemas and snapshots |
| `wheels` | reading, checking and comparing wheels |
| `made` | keeping every wheel and sdist that the tests make, to be checked at the end |
| `checkers` | twine and other checkers, and what they may find |
| `privileges` | making files unreadable and unwritable, for root too |
"""
