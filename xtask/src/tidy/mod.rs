//! `cargo xtask tidy`: the workspace's habits, as checks. The list at [`CHECKS`] is all of them.

mod corpus;
mod denials;
mod edges;
mod files;
mod links;
mod lockfile;
mod metadata;
mod paths;
mod schema;
mod snippets;
mod tree;
mod words;

use std::fmt;

use crate::{failure::Failure, run};
use tree::Tree;

/// Checks the workspace's habits.
///
/// Which crate may depend on which, and what the engine may depend on; that every module says what it is for
/// and no file grows too long; that every denial code has its page and its cases in the corpus; that links
/// resolve; that nothing unfinished and no path of this machine is left. All findings are printed together.
/// Exit code 1 if there is any.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Run only these checks; `--list` names them.
    checks: Vec<String>,
    /// List the checks and what each holds.
    #[arg(long)]
    list: bool,
}

/// One habit: its name, what it holds, and the check.
struct Check {
    name: &'static str,
    holds: &'static str,
    run: fn(&Tree) -> Vec<Finding>,
}

/// All checks.
const CHECKS: &[Check] = &[
    Check {
        name: "edges",
        holds: "our crates depend on each other one way; the engine only on what works without std",
        run: edges::check,
    },
    Check {
        name: "lockfile",
        holds: "no ring, no OpenSSL, no native-tls anywhere in the dependency tree",
        run: lockfile::check,
    },
    Check {
        name: "files",
        holds: "every module opens with `//!`; none passes 500 lines without a stated reason",
        run: files::check,
    },
    Check {
        name: "denials",
        holds: "every denial code has a page in docs/denials/ with its four sections",
        run: denials::check,
    },
    Check {
        name: "corpus",
        holds: "every denial code and header preset has an allowing and a refusing case",
        run: corpus::check,
    },
    Check {
        name: "words",
        holds: "nothing unfinished, no skipped test, no debugging left",
        run: words::check,
    },
    Check { name: "paths", holds: "no absolute path of a developer's machine", run: paths::check },
    Check { name: "links", holds: "links between our pages resolve, anchors too", run: links::check },
    Check { name: "snippets", holds: "Rust in our pages is compiled by a test", run: snippets::check },
    Check { name: "schema", holds: "bartizan.schema.json is what the types say", run: schema::check },
];

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// The file, relative to the root.
    path: String,
    /// The line, from 1.
    line: Option<usize>,
    /// What is wrong, and what to do.
    message: String,
}

impl Finding {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, message: message.into() }
    }

    fn at(path: impl Into<String>, line: usize, message: impl Into<String>) -> Self {
        Self { path: path.into(), line: Some(line), message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// Runs the checks.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.list {
        for check in CHECKS {
            println!("{:<9} {}", check.name, check.holds);
        }
        return Ok(());
    }
    if let Some(unknown) =
        arguments.checks.iter().find(|name| CHECKS.iter().all(|check| check.name != **name))
    {
        return Err(Failure::Unmet(format!(
            "there is no check `{unknown}`; `cargo xtask tidy --list` names them"
        )));
    }
    let tree = Tree::read(&run::root())?;
    let mut total = 0;
    for check in CHECKS {
        if !arguments.checks.is_empty() && arguments.checks.iter().all(|name| name != check.name) {
            continue;
        }
        let findings = (check.run)(&tree);
        let mark = if findings.is_empty() { "ok    " } else { "FAILED" };
        println!("{mark} {:<9} {}", check.name, check.holds);
        for finding in &findings {
            println!("         {finding}");
        }
        total += findings.len();
    }
    match total {
        0 => Ok(()),
        1 => Err(Failure::Unmet("1 finding".into())),
        _ => Err(Failure::Unmet(format!("{total} findings"))),
    }
}
