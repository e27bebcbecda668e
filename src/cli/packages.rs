//! The project that a command is about: its folder, or packages of a uv workspace (`--package`,
//! `--all-packages`).

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::terminal::STRONG;
use super::{Answer, Context, FAILED};
use crate::error::{Error, Result};
use crate::log::escape_controls;
use crate::project::normalize_name;
use crate::settings::nearest;
use crate::switch::{self, Builder};
use crate::uv::workspace::{Member, Members, Workspace};

#[derive(Debug, clap::Args)]
pub(super) struct FolderArgument {
    /// The folder with pyproject.toml, or that file
    #[arg(default_value = ".")]
    pub dir: PathBuf,
    /// The interpreter, or the environment, that the project is installed in
    #[arg(long, value_name = "PATH")]
    pub python: Option<PathBuf>,
}

/// Which packages of the workspace that a folder belongs to; without these options the one in the
/// folder itself.
#[derive(Debug, clap::Args)]
pub(super) struct Packages {
    /// A package of the uv workspace, wherever in it the command runs; may be given several times
    #[arg(long = "package", value_name = "NAME", conflicts_with = "all_packages")]
    names: Vec<String>,
    /// All packages of the uv workspace that wheelprint builds
    #[arg(long)]
    all_packages: bool,
    #[command(flatten)]
    folder: FolderArgument,
}

impl Packages {
    /// Runs a command for each requested package, as if it ran in the package's folder. The answers
    /// for several packages are printed in sections, or as the JSON list `packages`. The exit code
    /// is the highest one.
    pub(super) fn each(
        &self,
        as_json: bool,
        context: &Context,
        run: impl Fn(&FolderArgument) -> Result<Answer>,
    ) -> Result<Answer> {
        if self.names.is_empty() && !self.all_packages {
            return run(&self.folder);
        }
        let folder = context.project_folder(&self.folder.dir)?;
        let workspace = Workspace::around(&folder)?.ok_or_else(|| {
            let cause = "no uv project: there is no pyproject.toml with a `[project]` or a \
                         `[tool.uv.workspace]` that uv manages";
            Error::given(folder, cause, "name a folder in the workspace")
        })?;
        let members = workspace.members()?;
        let named = |name: &String| named(name, &workspace, &members);
        let run = |member: &Member| {
            let python = self.folder.python.as_ref().map(|python| context.path(python));
            run(&FolderArgument { dir: member.project.root.clone(), python })
        };
        if let [name] = &self.names[..] {
            return run(named(name)?);
        }
        let mut chosen: Vec<&Member> = Vec::new();
        let mut answers: Vec<(Option<&str>, &Path, Result<Answer>)> = Vec::new();
        let mut others: Vec<(&Member, Builder)> = Vec::new();
        if self.all_packages {
            for (root, cause) in &members.broken {
                answers.push((None, root, Err(broken(&workspace, root, cause))));
            }
            for member in members.packages.values() {
                match switch::builder(&member.project) {
                    Builder::Wheelprint => chosen.push(member),
                    other => others.push((member, other)),
                }
            }
            if chosen.is_empty() && answers.is_empty() {
                return Err(refused(&workspace, &members));
            }
        }
        // No command runs before all names are known.
        for name in &self.names {
            chosen.push(named(name)?);
        }
        for member in chosen {
            answers.push((Some(&member.name), &member.project.root, run(member)));
        }
        Ok(joined(&workspace, answers, &others, as_json, context))
    }
}

fn named<'a>(name: &str, workspace: &Workspace, members: &'a Members) -> Result<&'a Member> {
    let normal = normalize_name(name);
    if let Some(member) = members.packages.get(&normal) {
        return Ok(member);
    }
    // The name may belong to a package whose pyproject.toml cannot be read.
    if let Some((folder, cause)) = members.broken.iter().find(|(folder, _)| {
        let folder = folder.file_name().unwrap_or_default().to_string_lossy();
        normalize_name(&folder) == normal
    }) {
        return Err(broken(workspace, folder, cause));
    }
    let known: Vec<&str> = members.packages.keys().map(String::as_str).collect();
    let cause = format!("the workspace {} has no package `{name}`", workspace.root.display());
    let hint = match nearest(&normal, &known) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("its packages are {}", known.join(", ")),
    };
    Err(Error::setting("--package", cause, hint))
}

fn broken(workspace: &Workspace, folder: &Path, cause: &str) -> Error {
    let cause = format!("not a package that uv could work with: {cause}");
    let manifest = workspace.root.join("pyproject.toml");
    let hint = format!("mend it, or name the folder in `exclude` of {}", manifest.display());
    Error::given(folder, cause, hint)
}

/// The folder of a package, in the workspace whose root is `root`. `None` if `root` is no workspace
/// root, or if it is itself the folder of that package.
pub(super) fn folder_of(name: &str, root: &Path) -> Option<PathBuf> {
    let workspace = Workspace::around(root).ok()?.filter(|workspace| workspace.root == root)?;
    let members = workspace.members().ok()?;
    let member = members.packages.get(&normalize_name(name))?;
    (member.project.root != root).then(|| member.project.root.clone())
}

/// The error for a workspace root that wheelprint does not build. It lists the packages, because
/// the user probably meant one of them. `None` if the folder is no workspace root with other
/// packages.
pub(super) fn refusal(folder: &Path) -> Option<Error> {
    let workspace = Workspace::around(folder).ok()??;
    if !workspace.is_declared() || workspace.root != folder {
        return None;
    }
    let members = workspace.members().ok()?;
    let others = members.packages.values().any(|member| member.project.root != folder);
    others.then(|| refused(&workspace, &members))
}

fn refused(workspace: &Workspace, members: &Members) -> Error {
    let (ours, others): (Vec<&Member>, Vec<&Member>) = members
        .packages
        .values()
        .partition(|one| switch::builder(&one.project) == Builder::Wheelprint);
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
        hint.extend(others.iter().map(|member| {
            let says = built_by(workspace, member, &switch::builder(&member.project));
            format!("{}: {says}", line(member))
        }));
    }
    Error::Given {
        path: workspace.root.join("pyproject.toml"),
        cause: cause.into(),
        hint: Some(hint).filter(|hint| !hint.is_empty()),
    }
}

/// Names the backend of a package that wheelprint does not build.
fn built_by(workspace: &Workspace, member: &Member, builder: &Builder) -> String {
    match builder {
        Builder::Maturin => {
            let folder = workspace.name(&member.project.root);
            format!("maturin builds it; `wheelprint init {folder}` switches it")
        }
        Builder::Nobody => "nothing builds it, it has no [build-system]".to_owned(),
        other => format!("{} builds it", other.title()),
    }
}

/// The answer about several packages, from the name, the folder and the answer of each.
fn joined(
    workspace: &Workspace,
    answers: Vec<(Option<&str>, &Path, Result<Answer>)>,
    others: &[(&Member, Builder)],
    as_json: bool,
    context: &Context,
) -> Answer {
    let mut code = 0;
    let (mut texts, mut packages) = (Vec::new(), Vec::new());
    for (name, root, answer) in answers {
        let place = workspace.name(root);
        let title = name.map_or_else(|| place.clone(), |name| format!("{name} ({place})"));
        let answer = answer.unwrap_or_else(|error| {
            let mut output = format!("error: {}\n", escape_controls(&error.to_string()));
            if let Some(hint) = error.hint() {
                output += &format!("hint: {}\n", escape_controls(&hint));
            }
            let project = json!({ "name": name, "root": root });
            let json = json!({ "project": project, "error": error.to_string() });
            Answer { output, json: Some(json), code: FAILED }
        });
        code = code.max(answer.code);
        texts.push(format!("{}\n{}", context.terminal.paint(STRONG, title), answer.output));
        let mut json = answer.json.unwrap_or_default();
        json.as_object_mut().map(|object| object.remove("schema"));
        packages.push(json);
    }
    if as_json {
        let others = others.iter().map(|(member, builder)| {
            json!({
                "project": { "name": member.name, "root": member.project.root },
                "built-by": (*builder != Builder::Nobody).then(|| builder.title()),
            })
        });
        let json = json!({
            "schema": 1,
            "workspace": workspace.root,
            "packages": packages,
            "others": others.collect::<Value>(),
        });
        return Answer::json(json).with_code(code);
    }
    if !others.is_empty() {
        let others = others.iter().map(|(member, builder)| {
            let place = workspace.name(&member.project.root);
            let says = escape_controls(&built_by(workspace, member, builder));
            format!("    {} ({place}): {says}\n", escape_controls(&member.name))
        });
        texts.push(format!("not built by wheelprint\n{}", others.collect::<String>()));
    }
    Answer::said(texts.join("\n")).with_code(code)
}
