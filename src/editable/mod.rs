//! The self-contained editable wheel (docs/design.md, D8, D9).
//!
//! maturin copies the compiled module, and the files that it generates beside it, into the Python
//! source folder. wheelprint moves these files into the wheel, below `NAME.editable/`, and leaves
//! the source tree as it was. A copy of the runtime hook in the wheel maps the modules into their
//! package and checks the first import of the package. The `.pth` keeps its plain path line for the
//! interpreter and for static tools.
//!
//! ```text
//! NAME.pth                   the path line, and one that installs the hook
//! NAME.start                 installs the hook in Python 3.15 (PEP 829)
//! _wheelprint_NAME.py        the runtime hook: python/wheelprint/_runtime.py
//! _wheelprint_NAME_finder.py, _check, _ask, _rebuild, _frontend, _resources: copies of
//!                            _runtime_finder.py and so on; each is loaded by another of these files
//! NAME.editable/PATH         the file that maturin wrote to PATH in the source folder
//! NAME.editable/inputs       the table of inputs that an import compares
//! PACKAGE-stubs/             stubs that maturin generated, for type checkers (PEP 561, partial)
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Result;
use crate::project::Layout;
use crate::wheel::{Addition, Edit, Wheel};

mod products;

pub(crate) use products::{PlacesBefore, Products, is_native};

/// Sources of the runtime hook and of the modules that it loads, as they are copied into wheels.
pub(crate) const RUNTIME: [&str; 7] = [
    include_str!("../../python/wheelprint/_runtime.py"),
    include_str!("../../python/wheelprint/_runtime_finder.py"),
    include_str!("../../python/wheelprint/_runtime_check.py"),
    include_str!("../../python/wheelprint/_runtime_ask.py"),
    include_str!("../../python/wheelprint/_runtime_rebuild.py"),
    include_str!("../../python/wheelprint/_runtime_frontend.py"),
    include_str!("../../python/wheelprint/_runtime_resources.py"),
];
/// The ends of their module names in a wheel.
const ENDS: [&str; 7] = ["", "_finder", "_check", "_ask", "_rebuild", "_frontend", "_resources"];
/// Lines of the hook that are replaced by a wheel's own data.
const CONFIG_LINES: [&str; 5] = [
    "MODULES: \"dict[str, str]\" = {}\n",
    "PACKAGES: \"tuple[str, ...]\" = ()\n",
    "DATA: \"dict[str, str]\" = {}\n",
    "ON_STALE = \"ignore\"\n",
    "INPUTS = \"\"\n",
];

/// The module name of the runtime hook of a distribution.
pub(crate) fn hook_module(distribution: &str) -> String {
    let plain = distribution.replace(|char: char| !char.is_ascii_alphanumeric(), "_");
    format!("_wheelprint_{}", plain.to_ascii_lowercase())
}

impl Products {
    /// The changes that make maturin's wheel self-contained and checked at import. A wheel without
    /// modules gets no hook. `inputs` gives the import table for the name of the dist-info folder.
    ///
    /// # Errors
    /// The wheel's `.pth` can't be read.
    pub(crate) fn edit(
        &self,
        wheel: &mut Wheel,
        on_stale: &str,
        inputs: impl FnOnce(&str) -> Vec<u8>,
    ) -> Result<Edit> {
        let mut edit = Edit::default();
        let name = project_name(&wheel.dist_info).to_owned();
        let store = format!("{name}.editable");
        let mut config = Config::default();
        for (content, relative) in self.contents() {
            config.add(relative, &store);
            let executable = is_native(Path::new(relative));
            edit.add.push(Addition { name: format!("{store}/{relative}"), content, executable });
        }
        let packages = if edit.add.is_empty() {
            packages_in(wheel)
        } else {
            packages_in_tree(&self.before.layout)
        };
        if config.modules.is_empty() && packages.is_empty() {
            return Ok(edit);
        }
        let module = hook_module(&name);
        let file = Addition::bytes;
        for top in &packages {
            edit.add.extend(self.stubs(top));
        }
        let contents = [
            dict(&config.modules),
            tuple(&packages),
            dict(&config.data),
            format!("{on_stale:?}"),
            format!("{:?}", inputs_name(&wheel.dist_info)),
        ];
        let mut hook = RUNTIME[0].to_owned();
        for (line, content) in CONFIG_LINES.iter().zip(contents) {
            let start = line.rsplit_once('=').map_or(*line, |(start, _)| start);
            hook = hook.replace(line, &format!("{start}= {content}\n"));
        }
        for (end, text) in ENDS.iter().zip(RUNTIME) {
            let text = if end.is_empty() { hook.clone() } else { text.to_owned() };
            edit.add.push(file(format!("{module}{end}.py"), text.into_bytes()));
        }
        edit.add.push(file(inputs_name(&wheel.dist_info), inputs(&wheel.dist_info)));
        let pth = format!("{name}.pth");
        let mut lines = String::new();
        if wheel.files().any(|(name, _)| name == pth) {
            lines = format!("{}\n", String::from_utf8_lossy(&wheel.read(&pth)?).trim());
            edit.remove.push(pth.clone());
        }
        lines.push_str(&format!("import {module}; {module}.install()\n"));
        edit.add.push(file(pth, lines.into_bytes()));
        // PEP 829: from Python 3.15 on, this file replaces the import line.
        edit.add.push(file(format!("{name}.start"), format!("{module}:install\n").into_bytes()));
        Ok(edit)
    }

    /// Stubs of a package. Type checkers don't run hooks; they look for stubs beside the package.
    fn stubs(&self, package: &str) -> Vec<Addition> {
        let mut found: Vec<Addition> = self
            .contents()
            .filter_map(|(content, relative)| {
                let name = relative.strip_prefix(package)?.strip_prefix('/')?;
                let name = name.ends_with(".pyi").then(|| format!("{package}-stubs/{name}"))?;
                Some(Addition { name, content, executable: false })
            })
            .collect();
        if !found.is_empty() {
            found.push(Addition::bytes(format!("{package}-stubs/py.typed"), b"partial\n".to_vec()));
        }
        found
    }
}

/// The `.pth` of an editable wheel, with another Python source folder in its path line. `None` if the
/// wheel has no path line.
///
/// # Errors
/// The `.pth` can't be read.
pub(crate) fn moved_pth(
    wheel: &mut Wheel,
    python_root: &Path,
) -> Result<Option<(String, Vec<u8>)>> {
    let name = format!("{}.pth", project_name(&wheel.dist_info));
    if !wheel.files().any(|(known, _)| known == name) {
        return Ok(None);
    }
    let text = wheel.read(&name)?;
    let text = String::from_utf8_lossy(&text);
    let line = |line: &str| match line.starts_with("import ") {
        true => format!("{line}\n"),
        false => format!("{}\n", python_root.display()),
    };
    let text: String = text.lines().map(line).collect();
    Ok(Some((name, text.into_bytes())))
}

/// The dist-info folder of a wheel with this file name (PEP 427).
pub(crate) fn dist_info(file_name: &str) -> String {
    let name: Vec<&str> = file_name.splitn(3, '-').take(2).collect();
    format!("{}.dist-info", name.join("-"))
}

/// The project's name, as it is spelled in the name of a dist-info folder.
pub(crate) fn project_name(dist_info: &str) -> &str {
    dist_info.split('-').next().unwrap_or_default()
}

/// The path of the import table in a wheel.
pub(crate) fn inputs_name(dist_info: &str) -> String {
    format!("{}.editable/inputs", project_name(dist_info))
}

/// The hook's data about the files that were moved: the folder of each module or package.
#[derive(Default)]
struct Config {
    modules: BTreeMap<String, String>,
    data: BTreeMap<String, String>,
}

impl Config {
    fn add(&mut self, relative: &str, store: &str) {
        let (folder, file) = relative.rsplit_once('/').unwrap_or(("", relative));
        let within = |folder: &str| format!("{store}/{folder}").trim_end_matches('/').to_owned();
        match module_name(relative) {
            Some(module) => {
                // A package is found in the folder above its own.
                let above = if file == "__init__.py" {
                    folder.rsplit_once('/').map_or("", |(above, _)| above)
                } else {
                    folder
                };
                self.modules.insert(module, within(above));
            }
            // Stubs and debug information are not imported.
            None if is_native(Path::new(file)) || file.ends_with(".pyi") => {}
            None => {
                self.data.insert(folder.replace('/', "."), within(folder));
            }
        }
    }
}

fn dict(folders: &BTreeMap<String, String>) -> String {
    let lines: Vec<String> =
        folders.iter().map(|(name, folder)| format!("    {name:?}: {folder:?},\n")).collect();
    if lines.is_empty() { "{}".to_owned() } else { format!("{{\n{}}}", lines.concat()) }
}

fn tuple(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{name:?},")).collect();
    format!("({})", names.join(" "))
}

/// The packages that are complete in a wheel, if the wheel has a compiled module. A namespace
/// package is replaced by the packages and modules in it.
fn packages_in(wheel: &Wheel) -> BTreeSet<String> {
    let outside: Vec<&str> = wheel
        .files()
        .map(|(name, _)| name)
        .filter(|name| {
            let top = name.split('/').next().unwrap_or(name);
            ![".dist-info", ".data", ".libs"].iter().any(|end| top.ends_with(end))
        })
        .collect();
    if !outside.iter().any(|name| is_native(Path::new(name))) {
        return BTreeSet::new();
    }
    let is_package = |folder: &str| {
        let init = format!("{folder}/__init__.");
        outside.iter().any(|name| name.starts_with(&init))
    };
    let named = |name: &&str| {
        let mut folders = name.match_indices('/').map(|(end, _)| &name[..end]);
        let package = folders.find(|folder| is_package(folder));
        package.map_or_else(|| module_name(name), |folder| Some(folder.replace('/', ".")))
    };
    outside.iter().filter_map(named).collect()
}

/// The packages whose import leads to the modules. A namespace package is replaced by the first
/// ordinary package in it.
fn packages_in_tree(layout: &Layout) -> BTreeSet<String> {
    let is_package =
        |name: &str| layout.python_root.join(name.replace('.', "/")).join("__init__.py").is_file();
    let module = layout.folder.to_string_lossy().replace('\\', "/").replace('/', ".");
    let mut packages: BTreeSet<String> = layout
        .packages
        .iter()
        .map(|package| package.replace('/', "."))
        .filter(|name| is_package(name))
        .collect();
    let ends = module.match_indices('.').map(|(end, _)| end).chain([module.len()]);
    packages.extend(ends.map(|end| module[..end].to_owned()).find(|name| is_package(name)));
    packages
}

/// The module of a file: `pkg/_core.abi3.so` and `pkg/_core/__init__.py` are `pkg._core`. `None`
/// for files that are not modules.
fn module_name(relative: &str) -> Option<String> {
    let (folder, file) = relative.rsplit_once('/').unwrap_or(("", relative));
    let suffix = file.rsplit_once('.').map(|(_, suffix)| suffix)?;
    let stem = file.split('.').next()?;
    let parts = match (suffix, stem) {
        ("py", "__init__") => folder.to_owned(),
        ("py" | "so" | "pyd", stem) if !stem.starts_with("lib") || suffix == "py" => {
            format!("{folder}/{stem}")
        }
        _ => return None,
    };
    Some(parts.trim_start_matches('/').replace('/', "."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hook_has_the_lines_that_are_replaced() {
        for line in CONFIG_LINES {
            assert_eq!(RUNTIME[0].matches(line).count(), 1, "{line}");
        }
    }

    #[test]
    fn modules_are_named_by_their_files() {
        assert_eq!(module_name("pkg/_core.abi3.so").as_deref(), Some("pkg._core"));
        assert_eq!(
            module_name("a/b/_core.cpython-311-x86_64-linux-gnu.so").as_deref(),
            Some("a.b._core")
        );
        assert_eq!(module_name("pkg/_core/__init__.py").as_deref(), Some("pkg._core"));
        assert_eq!(module_name("pkg/_core/ffi.py").as_deref(), Some("pkg._core.ffi"));
        assert_eq!(module_name("pkg/_core/lib_core.so"), None);
        assert_eq!(module_name("pkg/_core.pyi"), None);
    }
}
