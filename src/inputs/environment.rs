//! The variables that count, and the maturin that the environment has.

use crate::project::normalize_name;
use crate::request::{Environment, Interpreter};

/// Variables that decide what is compiled, by exact name. One group in a line.
#[rustfmt::skip]
const EXACT: &[&str] = &[
    // The cargo that maturin calls.
    "CARGO",
    "RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "RUSTC_LINKER", "RUSTC_BOOTSTRAP", "RUSTFLAGS",
    "CC", "CXX", "AR", "LD", "RANLIB", "CROSS_COMPILE",
    "CFLAGS", "CXXFLAGS", "CPPFLAGS", "LDFLAGS", "ARFLAGS",
    // The first search paths of gcc and clang (gcc's manual, "Environment Variables Affecting
    // GCC").
    "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH", "LIBRARY_PATH", "COMPILER_PATH", "GCC_EXEC_PREFIX",
    // Options for cl and link. INCLUDE and LIB are not here: Visual Studio's prompt sets them, and
    // without it rustc and the cc crate find the same folders themselves.
    "CL", "_CL_", "LINK", "_LINK_",
    "ARCHFLAGS", "MACOSX_DEPLOYMENT_TARGET", "IPHONEOS_DEPLOYMENT_TARGET", "SDKROOT", "DEVELOPER_DIR",
    "SOURCE_DATE_EPOCH",
    "_PYTHON_HOST_PLATFORM", "_PYTHON_SYSCONFIGDATA_NAME",
];

/// Families of variables that decide what is compiled, by prefix.
#[rustfmt::skip]
const PREFIXES: &[&str] = &[
    "CARGO_", "MATURIN_", "PYO3_", "UNSAFE_PYO3_",
    "CC_", "CXX_", "AR_", "CFLAGS_", "CXXFLAGS_",
    "HOST_CC", "HOST_CXX", "HOST_CFLAGS", "TARGET_CC", "TARGET_CXX", "TARGET_CFLAGS",
    "PKG_CONFIG", "BINDGEN_EXTRA_CLANG_ARGS",
];

/// Exceptions in the families, which do not change what is compiled. They control display,
/// downloads or publishing, name a location, or are set by cargo itself for the programs it runs.
#[rustfmt::skip]
const NOT: &[&str] = &[
    "CARGO_HOME", "CARGO_LOG", "CARGO_TERM_", "CARGO_ALIAS_", "CARGO_BUILD_JOBS", "CARGO_MAKEFLAGS",
    "CARGO_NET_", "CARGO_HTTP_", "CARGO_REGISTRY_", "CARGO_REGISTRIES_", "CARGO_CACHE_",
    "CARGO_PKG_", "CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_MANIFEST_", "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "MATURIN_PEP517_METADATA_DIR", "MATURIN_NON_INTERACTIVE", "MATURIN_NO_INSTALL_RUST",
    "MATURIN_PYPI_TOKEN", "MATURIN_PASSWORD", "MATURIN_USERNAME",
    "MATURIN_REPOSITORY", "MATURIN_REPOSITORY_",
];

/// Variables with which frontends, shells and cargo describe their own place. They count for a
/// build that reads them, but an import runs with other values than the build. Other variables of
/// these tools are set by the user, and count at import too.
#[rustfmt::skip]
const NOT_AT_IMPORT: &[&str] = &[
    "CARGO", "OUT_DIR", "HOME", "PATH",
    "PYO3_PYTHON", "PYTHONHOME", "PYTHONPATH", "PYTHON_SYS_EXECUTABLE",
    "CONDA_DEFAULT_ENV", "CONDA_EXE", "CONDA_PREFIX", "CONDA_PREFIX_", "CONDA_PROMPT_MODIFIER",
    "CONDA_PYTHON_EXE", "CONDA_SHLVL",
    "PIP_BUILD_TRACKER", "UV", "UV_INTERNAL_", "UV_RUN_RECURSION_DEPTH", "VIRTUAL_ENV",
];

/// The variables that an import compares although no source names them: exact names, prefixes, and
/// the exceptions from the prefixes. An exception that ends in `_` is a prefix itself.
pub fn families_at_import() -> [Vec<&'static str>; 3] {
    let mut exact: Vec<_> = EXACT.iter().copied().filter(|name| counts_at_import(name)).collect();
    // These only select a rustc, whose version is compared, and cargo's configuration, which is
    // compared too.
    exact.extend(["CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"]);
    [exact, PREFIXES.to_vec(), [NOT, NOT_AT_IMPORT].concat()]
}

/// The name that Python's `os.environ` has for a variable: on Windows in capitals.
pub fn as_environ_has(name: String) -> String {
    if cfg!(windows) { name.to_uppercase() } else { name }
}

/// Whether this variable means the same at the build and at the import.
pub fn counts_at_import(name: &str) -> bool {
    !NOT_AT_IMPORT.iter().any(|not| is_exception(name, not))
}

/// Whether the variable names a compiler, its flags or its search paths. Some build scripts read
/// such variables without telling cargo.
pub fn is_of_the_compilers(name: &str) -> bool {
    const CARGOS: [&str; 4] = ["CARGO", "RUST", "MATURIN_", "PYO3_"];
    // Cargo compares the version that these programs print, but not which program it is.
    name.ends_with("_WRAPPER")
        || ["RUSTC", "CARGO_BUILD_RUSTC"].contains(&name)
        || (is_well_known(name) && !CARGOS.iter().any(|start| name.starts_with(start)))
}

/// Whether this variable counts even if no build script or source names it.
pub fn is_well_known(name: &str) -> bool {
    if EXACT.contains(&name) {
        return true;
    }
    let in_family = PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    in_family && !NOT.iter().any(|not| is_exception(name, not))
}

/// Whether cargo sets this variable for each crate, whatever the environment has (cargo book,
/// "Environment variables Cargo sets for crates"). Its value comes from the manifest, which is an
/// input. Others, such as `CARGO_BIN_NAME`, are set for some crates only: the rest of the crates gets
/// the value of the environment.
pub fn is_set_for_each_crate(name: &str) -> bool {
    #[rustfmt::skip]
    const OF_THE_PACKAGE: [&str; 14] = [
        "AUTHORS", "DESCRIPTION", "HOMEPAGE", "LICENSE", "LICENSE_FILE", "NAME", "README",
        "REPOSITORY", "RUST_VERSION", "VERSION", "VERSION_MAJOR", "VERSION_MINOR", "VERSION_PATCH",
        "VERSION_PRE",
    ];
    match name.strip_prefix("CARGO_PKG_") {
        Some(rest) => OF_THE_PACKAGE.contains(&rest),
        None => ["CARGO", "CARGO_CRATE_NAME", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"]
            .contains(&name),
    }
}

/// Whether the exception `not` applies to a variable. One that ends in `_` is a prefix.
pub fn is_exception(name: &str, not: &str) -> bool {
    if not.ends_with('_') { name.starts_with(not) } else { name == not }
}

/// The names of the well-known variables that are set, sorted.
pub fn set_variables(environment: &Environment) -> Vec<String> {
    environment
        .iter()
        .filter_map(|(name, _)| name.to_str())
        .filter(|name| is_well_known(name))
        .map(str::to_owned)
        .collect()
}

/// The version of the maturin that a build in this environment would use, from its dist-info
/// folder. `None` if wheelprint is not installed beside it: then frontends build in other
/// environments, and this maturin is there for another purpose.
pub fn maturin_version(interpreter: &Interpreter) -> Option<String> {
    if !interpreter.sys_path.iter().any(|folder| folder.join("wheelprint/__init__.py").is_file()) {
        return None;
    }
    version_of(interpreter, "maturin")
}

/// The version of a package that this interpreter can import, from its dist-info folder.
pub fn version_of(interpreter: &Interpreter, package: &str) -> Option<String> {
    interpreter.sys_path.iter().find_map(|folder| {
        fs_err::read_dir(folder).ok()?.flatten().find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (name, version) = name.strip_suffix(".dist-info")?.split_once('-')?;
            (normalize_name(name) == normalize_name(package)).then(|| version.to_owned())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_the_package_that_is_imported() {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["first", "second"].map(|name| folder.path().join(name));
        for (folder, entry) in
            [(0, "Typing_Extensions-4.1.dist-info"), (0, "cffi"), (1, "cffi-2.0.dist-info")]
        {
            fs_err::create_dir_all(folders[folder].join(entry)).unwrap();
        }
        fs_err::create_dir(folders[1].join("typing_extensions-4.2.dist-info")).unwrap();
        let interpreter = Interpreter { sys_path: folders.into(), ..Interpreter::default() };
        let version = |name: &str| version_of(&interpreter, name);
        assert_eq!(version("typing.extensions").as_deref(), Some("4.1"));
        assert_eq!(version("cffi").as_deref(), Some("2.0"));
        assert_eq!(version("typing"), None);
    }

    #[test]
    fn families_count_but_for_their_exceptions() {
        for name in [
            "RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_ENCODED_RUSTFLAGS",
            "PYO3_PYTHON",
            "MATURIN_PEP517_ARGS",
            "CFLAGS_x86_64_unknown_linux_gnu",
            "CARGO_TARGET_DIR",
            "CARGO_INCREMENTAL",
            "CARGO_BUILD_TARGET",
            "PKG_CONFIG_PATH",
            "CPATH",
            "LIBRARY_PATH",
            "_CL_",
        ] {
            assert!(is_well_known(name), "{name} should count");
        }
        // macOS variables: target systems, processors and the SDK.
        for name in ["ARCHFLAGS", "MACOSX_DEPLOYMENT_TARGET", "SDKROOT", "DEVELOPER_DIR"] {
            assert!(is_well_known(name) && is_of_the_compilers(name), "{name} should count");
            assert!(counts_at_import(name), "{name} should count at import");
        }
        for name in [
            "CARGO_HOME",
            "CARGO_TERM_COLOR",
            "CARGO_BUILD_JOBS",
            "CARGO_PKG_NAME",
            "MATURIN_PYPI_TOKEN",
            "MATURIN_REPOSITORY_URL",
            "PATH",
            "HOME",
            "LD_LIBRARY_PATH",
            "LIB",
            "CARGO_MANIFEST_DIR",
            "CARGO_REGISTRIES_MINE_TOKEN",
        ] {
            assert!(!is_well_known(name), "{name} should not count");
        }
    }
}
