//! The packages of a uv workspace that a command works on: `--package`, `--all-packages`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::line::tame;
use super::place::Where;
use super::terminal::STRONG;
use super::{Answer, Context, FAILED};
use crate::error::{Error, Result};
use crate::project::normalize_name;
use crate::settings::nearest;
use crate::switch::{self, Builder};
use crate::uv::workspace::{Member, Members, Workspace};

/// Which packages of the workspace that a folder belongs to; without these options the one in the
/// folder itself.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Packages {
    /// A package of the uv workspace, wherever in it the command runs; may be given several times
    #[arg(long = "package", value_name = "NAME", conflicts_with = "all_packages")]
    names: Vec<String>,
    /// All packages of the uv workspace that wheelprint builds
    #[arg(long)]
    all_packages: bool,
}

impl Packages {
    /// Runs a command for each requested package, as if it ran in the package's folder. The answers
    /// for several packages are printed in sections, or as the JSON list `packages`. The exit code
    /// is the highest one.
    ///
    /// # Errors
    /// The error of the command, if only one package was requested; there is no such package; or
    /// the workspace cannot be read.
    pub(super) fn each(
        &self,
        as_json: bool,
        place: &Where,
        context: &Context,
        run: impl Fn(&Where) -> Result<Answer>,
    ) -> Result<Answer> {
        if self.names.is_empty() && !self.all_packages {
            return run(place);
        }
        let at = |member: &Member| Where {
            dir: member.project.root.clone(),
            python: place.python.as_ref().map(|python| context.path(python)),
        };
        let (workspace, members) = found(&context.project_folder(&place.dir)?)?;
        if let [name] = &self.names[..] {
            return run(&at(named(name, &workspace, &members)?));
        }
        let mut sections = Sections::new(&workspace, context);
        if self.all_packages {
            for (folder, cause) in &members.broken {
                sections.failed(None, folder, &broken(&workspace, folder, cause));
            }
            for member in members.packages.values() {
                match switch::builder(&member.project) {
                    Builder::Wheelprint => sections.add(member, run(&at(member))),
                    other => sections.others.push((member, other)),
                }
            }
            if sections.json.is_empty() {
                return Err(refused(&workspace, &members));
            }
        } else {
            let names = self.names.iter();
            let members: Result<Vec<&Member>> =
                names.map(|name| named(name, &workspace, &members)).collect();
            for member in members? {
                sections.add(member, run(&at(member)));
            }
        }
        Ok(sections.answer(as_json))
    }
}

fn found(folder: &Path) -> Result<(Workspace, Members)> {
    let missing = || {
        let cause = "no uv project: there is no pyproject.toml with a `[project]` or a \
                     `[tool.uv.workspace]` that uv manages";
        Error::given(folder, cause, "name a folder in the workspace")
    };
    let workspace = Workspace::around(folder)?.ok_or_else(missing)?;
    let members = workspace.members()?;
    Ok((workspace, members))
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
    if !workspace.is_declared || workspace.root != folder {
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

/// The answers for several packages.
struct Sections<'a> {
    workspace: &'a Workspace,
    context: &'a Context,
    text: Vec<String>,
    json: Vec<Value>,
    /// Packages with another backend.
    others: Vec<(&'a Member, Builder)>,
    code: u8,
}

impl<'a> Sections<'a> {
    fn new(workspace: &'a Workspace, context: &'a Context) -> Self {
        Self { workspace, context, text: Vec::new(), json: Vec::new(), others: Vec::new(), code: 0 }
    }

    fn title(&self, name: Option<&str>, folder: &Path) -> String {
        let place = self.workspace.name(folder);
        let title = match name {
            Some(name) => format!("{name} ({place})"),
            None => place,
        };
        self.context.terminal.paint(STRONG, title)
    }

    fn add(&mut self, member: &Member, answer: Result<Answer>) {
        let (name, root) = (&member.name, &member.project.root);
        match answer {
            Err(error) => self.failed(Some(name), root, &error),
            Ok(answer) => {
                self.code = self.code.max(answer.code);
                self.text.push(format!("{}\n{}", self.title(Some(name), root), answer.output));
                let mut json = answer.json.unwrap_or_default();
                if let Some(object) = json.as_object_mut() {
                    object.remove("schema");
                }
                self.json.push(json);
            }
        }
    }

    fn failed(&mut self, name: Option<&str>, folder: &PathBuf, error: &Error) {
        self.code = FAILED;
        let mut text =
            format!("{}\nerror: {}\n", self.title(name, folder), tame(&error.to_string()));
        if let Some(hint) = error.hint() {
            text += &format!("hint: {}\n", tame(&hint));
        }
        self.text.push(text);
        self.json.push(json!({
            "project": { "name": name, "root": folder },
            "error": error.to_string(),
        }));
    }

    fn answer(mut self, as_json: bool) -> Answer {
        if as_json {
            return Answer::json(&self.list()).with_code(self.code);
        }
        if !self.others.is_empty() {
            let others = self.others.iter().map(|(member, builder)| {
                let says = built_by(self.workspace, member, builder);
                let place = self.workspace.name(&member.project.root);
                format!("    {} ({place}): {}\n", tame(&member.name), tame(&says))
            });
            let others: String = others.collect();
            self.text.push(format!("not built by wheelprint\n{others}"));
        }
        Answer::said(self.text.join("\n")).with_code(self.code)
    }

    fn list(&self) -> Value {
        let others = self.others.iter().map(|(member, builder)| {
            json!({
                "project": { "name": member.name, "root": member.project.root },
                "built-by": (*builder != Builder::Nobody).then(|| builder.title()),
            })
        });
        let others: Vec<Value> = others.collect();
        json!({
            "schema": 1,
            "workspace": self.workspace.root,
            "packages": self.json,
            "others": others,
        })
    }
}
