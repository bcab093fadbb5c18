//! Runs the binary in a folder of its own, with an environment of its own.

use std::{
    ffi::OsStr,
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A command to come.
pub(crate) struct Pending {
    command: Command,
    folder: TempDir,
    stdin: String,
}

/// What a command did.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    folder: TempDir,
}

pub(crate) fn bartizan() -> Pending {
    in_folder(tempfile::tempdir().unwrap())
}

/// One in a folder that others ran in.
pub(crate) fn in_folder(folder: TempDir) -> Pending {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bartizan"));
    command.current_dir(folder.path()).env_clear().env("COLUMNS", "100");
    Pending { command, folder, stdin: String::new() }
}

impl Pending {
    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Puts a file into the folder.
    pub(crate) fn file(self, name: &str, text: &str) -> Self {
        fs::write(self.folder.path().join(name), text).unwrap();
        self
    }

    pub(crate) fn stdin(mut self, text: &str) -> Self {
        text.clone_into(&mut self.stdin);
        self
    }

    pub(crate) fn output(mut self) -> Run {
        let command = self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads nothing may be gone already.
        let _ = child.stdin.take().unwrap().write_all(self.stdin.as_bytes());
        let output = child.wait_with_output().unwrap();
        Run {
            code: output.status.code().expect("the command is not killed"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
            folder: self.folder,
        }
    }
}

impl Run {
    /// Runs another in the same folder.
    pub(crate) fn then(self, arguments: &[&str]) -> Self {
        in_folder(self.folder).args(arguments).output()
    }

    /// The folder, for more runs in it.
    pub(crate) fn into_folder(self) -> TempDir {
        self.folder
    }

    /// Both outputs, standard error first.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stderr, self.stdout)
    }

    /// The names of what is in the folder.
    pub(crate) fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// A file of the folder.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).unwrap()
    }
}
