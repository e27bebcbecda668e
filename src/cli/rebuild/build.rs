//! The second build: a frontend builds the wheel with the recorded tools and settings.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fs_err as fs;

use super::super::Context;
use super::tools::{Frontend, Tools};
use crate::error::{Because as _, Error, PathContext as _, Result};
use crate::log::{Level, escape_controls_in_lines};
use crate::rebuild::{Needed, Plan};
use crate::request::{ConfigSettings, ConfigValue, Environment};

/// All that decides about the second build.
pub(super) struct Build<'a> {
    pub tools: &'a Tools,
    pub needed: &'a Needed,
    pub plan: &'a Plan,
    /// The settings that uv reads from its own files. Other frontends are given them.
    pub configured: &'a ConfigSettings,
    pub folder: &'a Path,
    pub working: &'a Path,
    /// The variables that stay.
    pub environment: Environment,
}

impl Build<'_> {
    /// Builds, and gives the path of the new wheel.
    ///
    /// # Errors
    /// The build failed. Its output was printed.
    pub(super) fn run(&self, wheel: &Path, context: &Context) -> Result<PathBuf> {
        let output = self.working.join("wheel");
        let temporary = self.working.join("temporary");
        for folder in [&output, &temporary] {
            fs::create_dir_all(folder).at(folder)?;
        }
        let constraints = self.working.join("constraints.txt");
        let pins = [("maturin", &self.needed.maturin), ("wheelprint", &self.needed.wheelprint)];
        let lines = pins
            .iter()
            .filter_map(|(name, version)| Some(format!("{name}=={}\n", version.as_ref()?)));
        fs::write(&constraints, lines.collect::<String>()).at(&constraints)?;
        let mut command = self.command(&output, &constraints);
        let is_shown = context.messages == Level::Debug;
        command.stderr(if is_shown { Stdio::inherit() } else { Stdio::piped() });
        let said = command.output().because(self.tools.frontend.name())?;
        let made = fs::read_dir(&output).at(&output)?.flatten().map(|entry| entry.path());
        let made = made.filter(|path| path.extension().is_some_and(|end| end == "whl")).min();
        match made.filter(|_| said.status.success()) {
            Some(made) => Ok(made),
            None => {
                let text = [said.stdout, said.stderr].concat();
                let text = escape_controls_in_lines(&String::from_utf8_lossy(&text));
                let _ = std::io::stderr().lock().write_all(text.as_bytes());
                let name = self.tools.frontend.name();
                let cause = format!("it could not be built again, `{name}` failed: see above");
                let hint = "the sources and tools are those of its record; is something missing that \
                            the build reads besides?";
                Err(Error::given(wheel, cause, hint))
            }
        }
    }

    fn command(&self, output: &Path, constraints: &Path) -> Command {
        let (Tools { frontend, python, toolchain }, plan) = (self.tools, self.plan);
        let mut environment = self.environment.clone();
        // A store of its own, and none that is shared: nothing may be delivered from there.
        environment.set("WHEELPRINT_CACHE_DIR", self.working.join("cache"));
        environment.set("WHEELPRINT_SHARED", "off");
        environment.set("WHEELPRINT_REUSE", "never");
        environment.set("WHEELPRINT_REMAP_PATHS", plan.remaps_paths.to_string());
        // A program that is ended by Ctrl-C leaves its temporary files behind.
        for name in ["TMPDIR", "TMP", "TEMP"] {
            environment.set(name, self.working.join("temporary"));
        }
        if let Some(toolchain) = toolchain {
            environment.set("RUSTUP_TOOLCHAIN", toolchain);
        }
        let mut settings: Vec<String> = plan
            .settings
            .iter()
            .flat_map(|setting| setting.values.iter().map(|it| format!("{}={it}", setting.name)))
            .collect();
        let mut command = match frontend {
            Frontend::Uv(uv) => {
                let mut command = environment.command(uv, self.folder);
                command.args(["build", "--wheel", "--no-progress", "--out-dir"]).arg(output);
                command.arg("--build-constraints").arg(constraints).arg("--python").arg(python);
                command
            }
            Frontend::Build => {
                settings.extend(texts(self.configured));
                for name in ["PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT"] {
                    environment.set(name, constraints);
                }
                let mut command = environment.command(python, self.folder);
                command.args(["-m", "build", "--wheel", "--outdir"]).arg(output);
                command
            }
        };
        command.args(settings.iter().map(|setting| format!("--config-setting={setting}")));
        command
    }
}

fn texts(settings: &ConfigSettings) -> Vec<String> {
    let mut texts = Vec::new();
    for (name, value) in settings {
        match value {
            ConfigValue::Text(text) => texts.push(format!("{name}={text}")),
            ConfigValue::List(all) => texts.extend(all.iter().map(|text| format!("{name}={text}"))),
            ConfigValue::Flag(flag) => texts.push(format!("{name}={flag}")),
        }
    }
    texts
}
