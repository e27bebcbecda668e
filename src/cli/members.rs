//! The packages of a uv workspace that a command is about (`--package`, `--all-packages`).

use std::path::Path;

use crate::error::{Error, Result};
use crate::project::normalize_name;
use crate::settings::nearest;
use crate::switch::{self, Builder};
use crate::uv::workspace::{Member, Members, Workspace};

#[derive(Debug, clap::Args)]
pub(super) struct MemberArguments {
    /// A package of the uv workspace, wherever in it the command runs; may be given several times
    #[arg(long = "package", value_name = "NAME", conflicts_with = "all_packages")]
    names: Vec<String>,
    /// All packages of the uv workspace that wheelprint builds
    #[arg(long)]
    all_packages: bool,
}

/// The packages of a workspace that the user asked for.
pub(super) struct Selection {
    workspace: Workspace,
    members: Members,
    /// Normalised names, in the order of the answers.
    chosen: Vec<String>,
    is_all: bool,
}

impl MemberArguments {
    pub(super) fn are_given(&self) -> bool {
        self.all_packages || !self.names.is_empty()
    }

    /// Finds the packages in the workspace around the folder. An unknown name is an error, so that
    /// no command runs before all names are known.
    pub(super) fn select(&self, folder: &Path) -> Result<Selection> {
        let workspace = Workspace::around(folder)?.ok_or_else(|| {
            let cause = "no uv project: there is no pyproject.toml with a `[project]` or a \
                         `[tool.uv.workspace]` that uv manages";
            Error::given(folder, cause, "name a folder in the workspace")
        })?;
        let members = workspace.members()?;
        let is_all = self.all_packages;
        let mut selection = Selection { workspace, members, chosen: Vec::new(), is_all };
        for name in &self.names {
            let name = selection.named(name)?;
            if !selection.chosen.contains(&name) {
                selection.chosen.push(name);
            }
        }
        if is_all {
            let ours = selection.members.packages.iter().filter(|(_, member)| is_ours(member));
            selection.chosen = ours.map(|(name, _)| name.clone()).collect();
            if selection.chosen.is_empty() && selection.members.broken.is_empty() {
                return Err(refused(&selection.workspace, &selection.members));
            }
        }
        Ok(selection)
    }

    /// The package, if `--package` was given once: then the command answers as in its folder.
    pub(super) fn only<'a>(&self, selection: &'a Selection) -> Option<&'a Member> {
        selection.chosen().next().filter(|_| self.names.len() == 1)
    }
}

impl Selection {
    /// The packages that the command is about. With `--all-packages` they are in the order of their
    /// names, without those that wheelprint does not build.
    pub(super) fn chosen(&self) -> impl Iterator<Item = &Member> {
        self.chosen.iter().map(|name| &self.members.packages[name])
    }

    /// With `--all-packages`: the folders that are no packages, each with the error.
    pub(super) fn broken(&self) -> impl Iterator<Item = (&Path, Error)> {
        let folders = self.members.broken.iter().filter(|_| self.is_all);
        folders.map(|(root, cause)| (&**root, broken(&self.workspace, root, cause)))
    }

    /// With `--all-packages`: the packages that wheelprint does not build.
    pub(super) fn others(&self) -> impl Iterator<Item = &Member> {
        self.members.packages.values().filter(|member| self.is_all && !is_ours(member))
    }

    /// The root of the workspace.
    pub(super) fn root(&self) -> &Path {
        &self.workspace.root
    }

    /// The path of a folder relative to the root, for messages.
    pub(super) fn place(&self, folder: &Path) -> String {
        self.workspace.name(folder)
    }

    /// Names the backend of a package that wheelprint does not build, in words.
    pub(super) fn built_by(&self, member: &Member) -> String {
        built_by(&self.workspace, member)
    }

    /// The package that a wheel or sdist of this name belongs to. An error if it is not one of the
    /// chosen packages.
    pub(super) fn package_of(&self, file: &Path, name: &str) -> Result<&Member> {
        let refused = |cause: String, hint: &str| Err(Error::given(file, cause, hint));
        let Some(member) = self.members.packages.get(&normalize_name(name)) else {
            let error = self.unknown(name);
            return refused(error.to_string(), &error.hint().unwrap_or_default());
        };
        if self.chosen().any(|chosen| chosen.name == member.name) {
            return Ok(member);
        }
        match switch::builder(&member.project) {
            Builder::Wheelprint => {
                let cause = format!("a file of `{}`, which `--package` does not name", member.name);
                refused(cause, "`--all-packages` compares the files of all packages")
            }
            _ => refused(
                format!("a file of `{}`: {}", member.name, self.built_by(member)),
                "give only files that wheelprint built",
            ),
        }
    }

    /// The normalised name of the package that `--package` names.
    fn named(&self, name: &str) -> Result<String> {
        let normal = normalize_name(name);
        match self.members.packages.contains_key(&normal) {
            true => Ok(normal),
            false => Err(self.unknown(name)),
        }
    }

    /// The error for a name that no package has.
    fn unknown(&self, name: &str) -> Error {
        let Self { workspace, members, .. } = self;
        let normal = normalize_name(name);
        // The name may belong to a package whose pyproject.toml cannot be read.
        let is_named = |folder: &Path| {
            let folder = folder.file_name().unwrap_or_default().to_string_lossy();
            normalize_name(&folder) == normal
        };
        if let Some((folder, cause)) = members.broken.iter().find(|(folder, _)| is_named(folder)) {
            return broken(workspace, folder, cause);
        }
        let known: Vec<&str> = members.packages.keys().map(String::as_str).collect();
        let cause = format!("the workspace {} has no package `{name}`", workspace.root.display());
        let hint = match nearest(&normal, &known) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("its packages are {}", known.join(", ")),
        };
        Error::setting("--package", cause, hint)
    }
}

/// The error for a folder that is no package.
fn broken(workspace: &Workspace, folder: &Path, cause: &str) -> Error {
    let cause = format!("not a package that uv could work with: {cause}");
    let manifest = workspace.root.join("pyproject.toml");
    let hint = format!("mend it, or name the folder in `exclude` of {}", manifest.display());
    Error::given(folder, cause, hint)
}

fn is_ours(member: &Member) -> bool {
    switch::builder(&member.project) == Builder::Wheelprint
}

/// A package in the workspace whose root is `root`, and its folder relative to that root. `None` if
/// `root` is no workspace root, or if it is itself the folder of that package.
pub(super) fn below(root: &Path, name: &str) -> Option<(Member, String)> {
    let workspace = Workspace::around(root).ok()?.filter(|workspace| workspace.root == root)?;
    let member = workspace.members().ok()?.packages.remove(&normalize_name(name))?;
    let place = workspace.name(&member.project.root);
    (member.project.root != root).then_some((member, place))
}

/// The error for a workspace root that wheelprint does not build. It lists the packages, because
/// the user probably meant one of them. `None` if the folder is no workspace root with other
/// packages.
pub(super) fn refusal(folder: &Path) -> Option<Error> {
    let workspace = Workspace::around(folder).ok()??;
    if !workspace.is_declared || workspace.root != folder {
        return None;
    }
    let members = workspace.members().ok()?;
    let others = members.packages.values().any(|member| member.project.root != folder);
    others.then(|| refused(&workspace, &members))
}

fn refused(workspace: &Workspace, members: &Members) -> Error {
    let (ours, others): (Vec<&Member>, Vec<&Member>) =
        members.packages.values().partition(|member| is_ours(member));
    let cause = match ours[..] {
        [] => "a uv workspace in which wheelprint builds no package",
        _ => "the root of a uv workspace, and wheelprint builds other packages of it",
    };
    let line = |member: &&Member| {
        format!("\n    {} in {}", member.name, workspace.name(&member.project.root))
    };
    let mut hint = String::new();
    if !ours.is_empty() {
        hint +=
            "ask for one with `--package NAME` or for all with `--all-packages`; wheelprint builds";
        hint.extend(ours.iter().map(line));
    }
    if !others.is_empty() {
        hint += if ours.is_empty() { "the packages are" } else { "\nand does not build" };
        let lines = others
            .iter()
            .map(|member| format!("{}: {}", line(member), built_by(workspace, member)));
        hint.extend(lines);
    }
    Error::Given {
        path: workspace.root.join("pyproject.toml"),
        cause: cause.into(),
        hint: Some(hint).filter(|hint| !hint.is_empty()),
    }
}

/// Names the backend of a package that wheelprint does not build.
fn built_by(workspace: &Workspace, member: &Member) -> String {
    match switch::builder(&member.project) {
        Builder::Maturin => {
            let folder = workspace.name(&member.project.root);
            format!("maturin builds it; `wheelprint init {folder}` switches it")
        }
        Builder::Nobody => "nothing builds it, it has no [build-system]".to_owned(),
        other => format!("{} builds it", other.title()),
    }
}
