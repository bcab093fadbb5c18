//! Files that stay in their folder: [`ConfinedDir`], [`FileName`] and [`ServedAs`].
//!
//! A path that is put together from what a client sent, and then compared with a prefix, is wrong twice:
//! `uploads-private` begins with `uploads`, and what was compared is not what is opened a moment later. Here no path
//! is put together. A [`FileName`] is one name without a separator, and a [`ConfinedDir`] is a folder held open, in
//! which the operating system itself looks that name up and refuses to leave (`openat2` with `RESOLVE_BENEATH` on
//! Linux, the same by hand elsewhere).
//!
//! ```
//! use bartizan_sinks::path::{ConfinedDir, FileName, ServedAs};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! let uploads = ConfinedDir::open(folder.path())?;
//! let name = FileName::parse("report.pdf")?;
//! uploads.write(&name, b"%PDF-1.7")?; // once this returns, the file survives a crash
//! assert_eq!(uploads.read(&name, 1_000)?, b"%PDF-1.7");
//!
//! let served = ServedAs::of(&name);
//! assert_eq!(served.content_type(), "application/pdf");
//! assert!(served.refuse_destination(Some("script")).is_err());
//! assert!(FileName::parse("../../etc/passwd").is_err());
//! # Ok(())
//! # }
//! ```
//!
//! All of it blocks, as file systems do: from async code, call it in `tokio::task::spawn_blocking`.

mod confined_dir;
mod error;
mod file_name;
mod new_file;
mod served_as;

pub use confined_dir::{ConfinedDir, Entry, Listing};
pub use error::PathError;
pub use file_name::{FileName, FileNameError};
pub use new_file::NewFile;
pub use served_as::{RefusedDestination, ServedAs};
