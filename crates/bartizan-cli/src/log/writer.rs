//! The thread that writes the log, and the bounded queue before it.

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::{log::line, terminal};

/// How many lines wait at most. A line is a few hundred bytes, so this is about a megabyte.
const WAITING: usize = 4096;

/// How long the end of the process waits for the log's end.
const PATIENCE: Duration = Duration::from_secs(2);

enum Message {
    Line(String),
    Flush(SyncSender<()>),
}

/// The way in.
#[derive(Clone)]
pub(super) struct Queue {
    sender: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

impl Queue {
    /// Queues a line; where the queue is full, counts it as lost. Never waits.
    pub(super) fn push(&self, line: String) {
        if self.sender.try_send(Message::Line(line)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Writes out what is queued.
pub(crate) struct Flush(SyncSender<Message>);

impl Flush {
    /// Waits until everything queued so far is written, for two seconds at most.
    pub(crate) fn wait(&self) {
        let (done, written) = sync_channel(1);
        // Where the queue is full and stuck there is nothing to wait for.
        if self.0.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// Starts the thread.
pub(super) fn start(output: Box<dyn Write + Send>, human: bool) -> (Queue, Flush) {
    let (sender, receiver) = sync_channel(WAITING);
    let lost = Arc::new(AtomicU64::new(0));
    let queue = Queue { sender: sender.clone(), lost: Arc::clone(&lost) };
    // A thread that cannot be started leaves a full queue, and requests go on.
    if let Err(error) =
        thread::Builder::new().name("log".into()).spawn(move || write_all(output, &receiver, &lost, human))
    {
        terminal::print_error(&format!("the log cannot be written: {error}\n"));
    }
    (queue, Flush(sender))
}

fn write_all(mut output: Box<dyn Write + Send>, receiver: &Receiver<Message>, lost: &AtomicU64, human: bool) {
    let mut broken = false;
    let mut write = |text: &str| {
        if let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush())
            && !broken
        {
            // Said once: a log that cannot be written must not fill another.
            broken = true;
            terminal::print_error(&format!("the log cannot be written: {error}\n"));
        }
    };
    loop {
        match receiver.recv_timeout(Duration::from_secs(1)) {
            Ok(Message::Line(text)) => write(&text),
            Ok(Message::Flush(done)) => {
                let _ = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            write(&line::lost(lost, human));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Mutex, mpsc};

    /// An output that first waits to be let go.
    struct Gate(mpsc::Receiver<()>, Arc<Mutex<String>>);

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().push_str(std::str::from_utf8(bytes).unwrap());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_output_costs_lines_and_not_requests() {
        let written = Arc::new(Mutex::new(String::new()));
        let (open, gate) = mpsc::channel();
        let (queue, flush) = start(Box::new(Gate(gate, Arc::clone(&written))), false);
        // None of these waits, although nothing is written.
        for index in 0..WAITING + 100 {
            queue.push(format!("{index}\n"));
        }
        drop(open);
        // The gate lets everything pass now; wait until there is room for the flush.
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        loop {
            let text = written.lock().unwrap().clone();
            let kept: Vec<usize> = text.lines().filter_map(|line| line.parse().ok()).collect();
            assert!(kept.is_sorted(), "what is kept keeps its order");
            if text.contains("lines were lost") && kept.len() >= WAITING {
                break;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "kept {} lines; the loss is never logged",
                kept.len()
            );
            flush.wait();
        }
    }
}
