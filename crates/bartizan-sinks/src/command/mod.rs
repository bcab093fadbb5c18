//! Programs: started without a shell, with operands that cannot be options, and ended with all that they started.
//!
//! A shell reads a line as a program; so what a client sends must not be on one. Here there is none: a [`Command`]
//! is a program by its absolute path, arguments that stand in the source, and [`Operand`]s after a `--`, none of which
//! begins with a hyphen. Its environment is empty but for what is added. It has a time, and an amount of output, after
//! which its whole process group is killed, as it is when nobody waits for its answer any more.
//!
//! ```
//! use bartizan_sinks::command::{Command, Hostname, PrivateAddresses};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let resolver = |_: &str| Ok(vec![[1, 1, 1, 1].into()]);
//! let host = Hostname::parse("one.example")?; // `-f`, `a; id` and `a\n` are refused here
//! let pinned = host.resolve(&resolver, &PrivateAddresses::refuse()).await?; // and 10.0.0.1 here
//! let output = Command::new("/bin/echo")?.operand(pinned.address()).run().await?;
//! assert_eq!(output.stdout, b"-- 1.1.1.1\n");
//! # Ok(())
//! # }
//! ```
//!
//! What it does not do: a program that is started has the rights of the process that starts it, and no limit of memory
//! or of processors but the system's own: run the service in a container or a unit that has such limits. No file that
//! this process has opened is open in the program; those that this process was itself started with are.

mod error;
mod operand;
mod process;
mod strays;

pub use crate::host::{
    DnsName, Hostname, HostnameError, Pinned, PrivateAddresses, Resolve, ResolveError, SystemResolver,
    is_public,
};
pub use error::{CommandError, NotAbsolute};
pub use operand::{Operand, OperandError};

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

/// The longest that a program may run.
const LONGEST: Duration = Duration::from_hours(24);

/// A program to start.
///
/// ```
/// use bartizan_sinks::command::{Command, Operand};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let output = Command::new("/bin/sh")?
///     .argument("-c")
///     .argument("shift; echo \"$1\" in $PWD speaks $LANG")
///     .operand(Operand::text("what; a $(client) sent")?)
///     .directory("/tmp")
///     .environment("LANG", "C.UTF-8")
///     .timeout(Duration::from_secs(2))
///     .output_limit(10_000)
///     .run()
///     .await;
/// # let output = Command::new("/bin/echo")?.operand(Operand::text("what; a $(client) sent")?).run().await?;
/// # assert_eq!(String::from_utf8(output.stdout)?, "-- what; a $(client) sent\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "it does nothing before `run`"]
pub struct Command {
    program: PathBuf,
    arguments: Vec<&'static str>,
    operands: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    directory: PathBuf,
    timeout: Duration,
    output_limit: usize,
}

/// What a program wrote.
///
/// ```
/// # use bartizan_sinks::command::Command;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let output = Command::new("/bin/echo")?.argument("hello").run().await?;
/// assert_eq!((output.stdout, output.stderr), (b"hello\n".to_vec(), Vec::new()));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Output {
    /// What it wrote to its standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to its standard error.
    pub stderr: Vec<u8>,
}

impl Command {
    /// The program at this path, which begins with `/`: nothing is searched for in `PATH` or in the working directory.
    ///
    /// It runs in `/`, for ten seconds at most, and may write 64 KiB, where nothing else is said.
    ///
    /// ```
    /// # use bartizan_sinks::command::Command;
    /// assert!(Command::new("/bin/echo").is_ok());
    /// assert!(Command::new("echo").is_err());
    /// assert!(Command::new("./echo").is_err());
    /// ```
    pub fn new(program: impl Into<PathBuf>) -> Result<Self, NotAbsolute> {
        let program = program.into();
        if !program.is_absolute() {
            return Err(NotAbsolute { program });
        }
        Ok(Self {
            program,
            arguments: Vec::new(),
            operands: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            timeout: Duration::from_secs(10),
            output_limit: 64 * 1024,
        })
    }

    /// Adds an argument that stands in the source: an option, or its value.
    ///
    /// ```
    /// # use bartizan_sinks::command::Command;
    /// let ping = Command::new("/bin/ping")?.argument("-c").argument("1");
    /// # Ok::<(), bartizan_sinks::command::NotAbsolute>(())
    /// ```
    pub fn argument(mut self, argument: &'static str) -> Self {
        self.arguments.push(argument);
        self
    }

    /// Adds an operand that was decided when the program runs. All operands follow the arguments and a `--`, after
    /// which a program that keeps to POSIX (Utility Syntax Guideline 10) looks for no more options.
    ///
    /// ```
    /// # use bartizan_sinks::command::Command;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let output = Command::new("/bin/echo")?.operand(8_u32).argument("-n").run().await?;
    /// assert_eq!(output.stdout, b"-- 8");
    /// # Ok(())
    /// # }
    /// ```
    pub fn operand(mut self, operand: impl Into<Operand>) -> Self {
        self.operands.push(operand.into().into_os_string());
        self
    }

    /// Adds a variable to the environment, which is empty otherwise. Some, such as `PATH` or `LD_PRELOAD`, decide what
    /// the program runs: their values must not come from a client.
    ///
    /// ```
    /// # use bartizan_sinks::command::Command;
    /// let dated = Command::new("/bin/date")?.environment("TZ", "UTC");
    /// # Ok::<(), bartizan_sinks::command::NotAbsolute>(())
    /// ```
    pub fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.environment.push((name, value.into()));
        self
    }

    /// Sets the working directory.
    ///
    /// ```
    /// # use bartizan_sinks::command::Command;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// assert_eq!(Command::new("/bin/pwd")?.directory("/usr").run().await?.stdout, b"/usr\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Sets how long it may run, all that it starts included: a day at most.
    ///
    /// ```
    /// # use bartizan_sinks::command::{Command, CommandError};
    /// # use std::time::Duration;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let sleeps = Command::new("/bin/sleep")?.operand(60_u32).timeout(Duration::from_millis(100));
    /// assert!(matches!(sleeps.run().await, Err(CommandError::TimedOut { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// Sets how many bytes it may write, to standard output and standard error together.
    ///
    /// ```
    /// # use bartizan_sinks::command::{Command, CommandError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let floods = Command::new("/bin/cat")?.argument("/dev/zero").output_limit(1_000);
    /// assert!(matches!(floods.run().await, Err(CommandError::Flooded { limit: 1_000 })));
    /// # Ok(())
    /// # }
    /// ```
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Runs it to its end.
    ///
    /// Whatever the end is, an answer, an error, or that this future is dropped: all processes of its group are then
    /// killed, and it is no zombie. On Linux so are those that left the group (`setsid`), which are known by a variable
    /// of their environment, `BARTIZAN_COMMAND`. What is not found is a process that left the group *and* emptied its
    /// environment or changed its user; elsewhere than on Linux, any that left the group.
    ///
    /// It must be called within a tokio runtime that has I/O and time, and takes one thread for as long as it runs.
    ///
    /// ```
    /// # use bartizan_sinks::command::{Command, CommandError};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// match Command::new("/bin/ls")?.operand(404_u32).run().await {
    ///     Err(CommandError::Failed { status, output }) => {
    ///         assert_eq!(status.code(), Some(2));
    ///         assert!(String::from_utf8(output.stderr)?.contains("404"));
    ///     }
    ///     other => panic!("{other:?}"),
    /// }
    /// assert!(matches!(Command::new("/no/such/program")?.run().await, Err(CommandError::NotFound { .. })));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run(self) -> Result<Output, CommandError> {
        let (program, timeout, limit) = (self.program.clone(), self.timeout, self.output_limit);
        let (status, output) =
            process::run(self.into_std(), timeout, limit).await.map_err(|end| match end {
                process::Cut::NotStarted(source) => CommandError::of_start(program, source),
                process::Cut::TimedOut => CommandError::TimedOut { after: timeout },
                process::Cut::Flooded => CommandError::Flooded { limit },
                process::Cut::Io(source) => CommandError::Io(source),
            })?;
        finished(status, output)
    }

    fn into_std(self) -> std::process::Command {
        let mut command = std::process::Command::new(self.program);
        command.args(self.arguments);
        if !self.operands.is_empty() {
            command.arg("--").args(self.operands);
        }
        command.env_clear().envs(self.environment).current_dir(self.directory);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A group of its own, so that all of it can be killed, and nothing else.
        command.process_group(0);
        command
    }
}

fn finished(status: ExitStatus, output: Output) -> Result<Output, CommandError> {
    if status.success() { Ok(output) } else { Err(CommandError::Failed { status, output }) }
}
