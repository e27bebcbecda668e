/t/release/deps/_core.d: src/lib.rs src/a\ b.rs /w/core/src/lib.rs words/one.txt

/t/release/deps/lib_core.so: src/lib.rs \
  src/a\ b.rs

src/lib.rs:
# env-dep:CARGO_PKG_NAME=app
# env-dep:UNSET
# env-dep:LINES=one\ntwo\\
# checksum:blake3=ab file_len:3 src/lib.rs
