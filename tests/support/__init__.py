"""Code that the tests share: sample projects in fixed folders, real frontends, and a compiler log.

| module | what it does |
|---|---|
| `versions` | the range of maturin versions that is tested |
| `environment` | the environment variables of every tool |
| `spy` | wrappers of `cargo`, `rustc` and `maturin` that log each call |
| `samples` | the list of sample projects |
| `workbench` | a folder for each worker, in which samples are checked out |
| `project` | a checked-out sample: edit it, call hooks, run uv, pip and build on it |
| `call_hook` | a script that calls one hook of a build backend |
| `asking` | builds a project and asks the compiled module for its inputs |
| `commands` | wheelprint's command line, with and without a terminal |
| `installed` | a project as an editable install, and the effects of its import |
| `archives` | results of `uv build`, from the tree and through an sdist |
| `layouts` | a small crate in every layout that maturin supports |
| `many` | a cargo and uv workspace of several packages that share a crate |
| `background` | a build that runs while a test does something else |
| `killing` | commands that are killed at some moment, with all their child processes |
| `shim` | a library that replaces functions of the C library: clocks, file times, renaming |
| `disks` | small in-memory disks that tests can fill |
| `kept` | checks that every stored and delivered file is complete |
| `changes` | tables of every kind of change that counts |
| `keys` | projects without cache keys |
| `verifying` | the results of `wheelprint verify` |
| `cases` | an input change, the expected value in the module, and the expected reason |
| `packages` | more packages for a sample: written, vendored, with a build script |
| `frontends` | tools with their own home folder, run several times in a row |
| `pythons` | other versions of Python on this machine |
| `toolchains` | the Rust toolchains of this machine, through rustup |
| `damage` | damages the files of a store in many ways, and calls a hook after each |
| `hostile` | archives that no tool would write, and limits for commands that read them |
| `tree` | the files of a folder, restored after a change |
| `schemas` | compares JSON output with schemas and snapshots |
| `wheels` | reads, checks and compares wheels |
| `made` | keeps every wheel and sdist that the tests make, and checks them at the end |
| `checkers` | twine and other checkers, and the findings that are allowed |
| `measuring` | shared code of the scripts that measure |
| `peak` | the peak memory of commands |
| `privileges` | makes files unreadable and unwritable, also for root |
| `smoke` | the list of smoke tests |
"""
