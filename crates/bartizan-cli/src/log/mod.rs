//! The log of `serve`: readable lines on a terminal, JSON lines elsewhere.
//!
//! Every event becomes one line. Lines go through a bounded queue to a thread of their own, so that a slow disk or
//! a reader that stopped reading never holds a request up; what does not fit is counted, and the count is logged.

mod line;
mod writer;

use std::{
    fs::OpenOptions,
    io::{self, IsTerminal as _, Write},
    path::Path,
};

use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter, subscriber::Interest};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
    registry::Registry,
};

pub(crate) use writer::Flush;

use crate::{arguments::LogFormat, failure::Failure, log::writer::Queue};

/// The target of the events that say a request was answered.
const ACCESS: &str = "bartizan::access";

/// Sends all events of this process to the log, from now on; with `access`, also those of requests that were
/// answered. What is returned writes out what is queued, at the end.
pub(crate) fn install(format: LogFormat, file: Option<&Path>, access: bool) -> Result<Flush, Failure> {
    let (output, terminal): (Box<dyn Write + Send>, bool) = match file {
        Some(path) => {
            let file = OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                .map_err(|error| Failure::Write { path: path.to_owned(), error })?;
            (Box::new(anstream::StripStream::new(file)), false)
        }
        None => (Box::new(anstream::stdout()), io::stdout().is_terminal()),
    };
    let human = match format {
        LogFormat::Auto => terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let (queue, flush) = writer::start(output, human);
    let subscriber = Registry::default().with(Lines { queue, human, access });
    // A second log in one process would be a fault of ours that changes nothing for the user.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(flush)
}

/// Turns events into lines.
struct Lines {
    queue: Queue,
    human: bool,
    access: bool,
}

impl Lines {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let target = metadata.target();
        if target == ACCESS {
            return self.access;
        }
        // Libraries log for their own developers; a warning of theirs may still be the one clue there is.
        let least = if target.starts_with("bartizan") { Level::INFO } else { Level::WARN };
        *metadata.level() <= least
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    // Asked once per place in the code that logs, so that what is not wanted costs nothing.
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.wants(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let record = line::Record::of(event);
        self.queue.push(if self.human { record.human() } else { record.json() });
    }
}
