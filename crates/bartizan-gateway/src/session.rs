//! What the parts of one client connection tell each other: the gate that reads it, the exchange that answers,
//! the bodies that stream. All of them run on one thread, so it is cells, not locks.

use std::{
    cell::{Cell, RefCell},
    net::IpAddr,
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

use bartizan_core::{DenialCode, Reason};
use http::HeaderValue;

use crate::{
    deadline::{Deadline, Ticks},
    tunnel::Tunnel,
    worker::Worker,
};

/// What a connection is doing; each phase has its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing of the next request has come.
    Idle,
    /// A part of a request's head has come.
    Head,
    /// The engine decides; it may be asking the store.
    Deciding,
    /// The engine needs a form field, and the client is sending it.
    Form,
    /// An upstream connection is being made.
    Connecting,
    /// The upstream has the request, or is getting it, and has not answered.
    Waiting,
    /// The response is put off; its deadline is when it goes.
    PutOff,
    /// The response's body streams.
    Streaming,
    /// The response is complete and on its way through the socket.
    Flushing,
    /// Bytes go both ways, uninterpreted.
    Tunnel,
}

/// Who the upload of the request's body is waiting for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Upload {
    /// Nobody: there is no body, or all of it is sent.
    Done,
    /// The client, which sends nothing at the moment.
    Client,
    /// The upstream, which takes nothing at the moment.
    Upstream,
    /// The response is complete and the body is not: nobody wants the rest.
    Abandoned,
}

/// What is to be done about a deadline that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Close: nothing is under way.
    Close,
    /// Cut: a message is under way, and must not look complete.
    Cut,
    /// Go on: the gate or the exchange sees it and answers.
    Answer,
}

/// One client connection.
pub(crate) struct Session {
    pub(crate) worker: Rc<Worker>,
    pub(crate) peer: IpAddr,
    pub(crate) deadline: Deadline,
    phase: Cell<Phase>,
    upload: Cell<Upload>,
    upload_waker: RefCell<Option<Waker>>,
    refusal: RefCell<Option<Reason>>,
    fault: RefCell<Option<Reason>>,
    head: RefCell<Vec<u8>>,
    tunnel: RefCell<Option<Tunnel>>,
    client: RefCell<Option<(IpAddr, HeaderValue)>>,
    unread: Cell<bool>,
    has_asked: Cell<bool>,
    ends_by_close: Cell<bool>,
}

impl Session {
    pub(crate) fn new(worker: Rc<Worker>, peer: IpAddr) -> Rc<Self> {
        let deadline = worker.clock.deadline();
        // A new connection shows that it wants something by sending it, as quickly as it sends a head.
        deadline.set(worker.limits.header);
        Rc::new(Self {
            worker,
            peer,
            deadline,
            phase: Cell::new(Phase::Idle),
            upload: Cell::new(Upload::Done),
            upload_waker: RefCell::default(),
            refusal: RefCell::default(),
            fault: RefCell::default(),
            head: RefCell::default(),
            tunnel: RefCell::default(),
            client: RefCell::default(),
            unread: Cell::new(false),
            has_asked: Cell::new(false),
            ends_by_close: Cell::new(false),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// `address` as a header value. It is the same for most requests of a connection, and made once.
    pub(crate) fn address_value(&self, address: IpAddr) -> Option<HeaderValue> {
        let mut known = self.client.borrow_mut();
        if let Some((of, value)) = &*known
            && *of == address
        {
            return Some(value.clone());
        }
        let value = HeaderValue::from_str(&address.to_string()).ok()?;
        *known = Some((address, value.clone()));
        Some(value)
    }

    /// Whether no request is being answered.
    pub(crate) fn is_between_requests(&self) -> bool {
        matches!(self.phase.get(), Phase::Idle | Phase::Head)
    }

    /// Whether the client has been answered and has asked nothing since: it can be asked to come back later.
    pub(crate) fn is_kept_alive(&self) -> bool {
        self.phase.get() == Phase::Idle && self.has_asked.get()
    }

    /// Begins a phase and its deadline.
    pub(crate) fn enter(&self, phase: Phase) {
        let limits = &self.worker.limits;
        self.phase.set(phase);
        self.deadline.set(match phase {
            Phase::Idle => limits.keep_alive,
            Phase::Head => limits.header,
            Phase::Connecting => limits.connect,
            Phase::Deciding | Phase::Waiting | Phase::PutOff => limits.response,
            Phase::Form | Phase::Streaming | Phase::Flushing | Phase::Tunnel => limits.idle,
        });
    }

    /// Puts the response off: the deadline passes when it is to go.
    pub(crate) fn put_off(&self, delay: Duration) {
        self.phase.set(Phase::PutOff);
        self.deadline.set(Ticks::new(delay));
    }

    /// Bytes have moved: where silence is what is limited, the limit starts again.
    pub(crate) fn progress(&self) {
        if matches!(self.phase.get(), Phase::Form | Phase::Streaming | Phase::Flushing | Phase::Tunnel) {
            self.deadline.set(self.worker.limits.idle);
        }
    }

    /// What to do about the deadline, which has passed.
    pub(crate) fn overdue(&self) -> Overdue {
        match self.phase.get() {
            Phase::Idle => Overdue::Close,
            Phase::Streaming | Phase::Flushing | Phase::Tunnel => Overdue::Cut,
            Phase::Head => {
                self.refuse_next(Reason::new(DenialCode::RequestTimeout));
                Overdue::Answer
            }
            Phase::Deciding | Phase::Form | Phase::Connecting | Phase::Waiting | Phase::PutOff => {
                Overdue::Answer
            }
        }
    }

    // The head.

    /// A whole head has come: `bytes`.
    pub(crate) fn head_arrived(&self, bytes: &[u8]) {
        let mut head = self.head.borrow_mut();
        head.clear();
        head.extend_from_slice(bytes);
        self.fault.take();
        self.has_asked.set(true);
        self.enter(Phase::Deciding);
    }

    /// Reads the head of the request that is being answered, as it came over the wire: for the log, and to send
    /// the request a second time.
    pub(crate) fn with_head<T>(&self, read: impl FnOnce(&[u8]) -> T) -> T {
        read(&self.head.borrow())
    }

    /// The next request is refused, whatever it is.
    pub(crate) fn refuse_next(&self, reason: Reason) {
        *self.refusal.borrow_mut() = Some(reason);
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.refusal.borrow().is_some()
    }

    pub(crate) fn take_refusal(&self) -> Option<Reason> {
        self.refusal.borrow_mut().take()
    }

    // The request's body.

    /// A request with a body, or without one, begins.
    pub(crate) fn upload_begins(&self, has_body: bool) {
        self.upload.set(if has_body { Upload::Upstream } else { Upload::Done });
        self.upload_waker.take();
    }

    pub(crate) fn upload(&self) -> Upload {
        self.upload.get()
    }

    /// The upstream wants more of the body, and the client has not sent it.
    pub(crate) fn upload_waits(&self, context: &Context<'_>) {
        if self.upload.replace(Upload::Client) != Upload::Client && self.phase.get() == Phase::Waiting {
            self.deadline.set(self.worker.limits.idle);
        }
        *self.upload_waker.borrow_mut() = Some(context.waker().clone());
    }

    /// The body is held back, and its task must be woken if nobody wants it any more.
    pub(crate) fn upload_held(&self, context: &Context<'_>) {
        *self.upload_waker.borrow_mut() = Some(context.waker().clone());
    }

    /// A part of the body goes to the upstream, or the last of it.
    pub(crate) fn upload_moves(&self, done: bool) {
        self.upload.set(if done { Upload::Done } else { Upload::Upstream });
        if self.phase.get() == Phase::Waiting {
            self.deadline.set(self.worker.limits.response);
        } else {
            self.progress();
        }
    }

    /// The body cannot be taken; the first reason stays.
    pub(crate) fn upload_failed(&self, reason: Reason) {
        self.fault.borrow_mut().get_or_insert(reason);
        self.unread.set(true);
    }

    /// Why the body could not be taken.
    pub(crate) fn take_fault(&self) -> Option<Reason> {
        self.fault.borrow_mut().take()
    }

    // The response.

    /// The response's last byte has been handed to hyper.
    pub(crate) fn response_ended(&self) {
        if self.upload.get() != Upload::Done {
            self.upload.set(Upload::Abandoned);
            self.unread.set(true);
            if let Some(waker) = self.upload_waker.take() {
                waker.wake();
            }
        }
        self.enter(Phase::Flushing);
    }

    /// Whether only the end of the connection can tell the client where a response ends: it speaks HTTP/1.0.
    pub(crate) fn ends_by_close(&self) -> bool {
        self.ends_by_close.get()
    }

    pub(crate) fn set_ends_by_close(&self, it_does: bool) {
        self.ends_by_close.set(it_does);
    }

    /// The client may be sending what nobody will read.
    pub(crate) fn leave_unread(&self) {
        self.unread.set(true);
    }

    pub(crate) fn has_unread(&self) -> bool {
        self.unread.get()
    }

    // The tunnel.

    pub(crate) fn set_tunnel(&self, tunnel: Tunnel) {
        *self.tunnel.borrow_mut() = Some(tunnel);
    }

    pub(crate) fn take_tunnel(&self) -> Option<Tunnel> {
        self.tunnel.borrow_mut().take()
    }
}
