//! One client connection, from the first byte to the last.

use std::{future::poll_fn, io, net::IpAddr, pin::Pin, rc::Rc, task::Poll};

use bytes::Bytes;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::{
    gate::Gate,
    linger, proxy,
    session::{Overdue, Phase, Session},
    worker::Worker,
};

/// How a connection ended.
enum End {
    /// hyper is done with it.
    Done,
    /// It can be closed as it is.
    Close,
    /// It broke off in the middle of something.
    Broken,
    /// Nothing moves any more.
    Stuck,
}

/// Serves `stream` until one side closes it.
pub(crate) async fn serve(stream: TcpStream, peer: IpAddr, worker: Rc<Worker>) {
    let session = Session::new(worker, peer);
    let gate = TokioIo::new(Gate::new(stream, Rc::clone(&session)));
    let service = {
        let session = Rc::clone(&session);
        service_fn(move |request| proxy::exchange(Rc::clone(&session), request))
    };
    let mut connection = session.worker.http.serve_connection(gate, service);
    let mut told_to_drain = false;
    let end = poll_fn(|context| {
        session.deadline.watch(context);
        if session.deadline.has_passed() {
            match session.overdue() {
                Overdue::Close => return Poll::Ready(End::Close),
                Overdue::Cut => return Poll::Ready(End::Stuck),
                Overdue::Answer => {}
            }
        }
        loop {
            match Pin::new(&mut connection).poll(context) {
                Poll::Ready(Ok(())) => return Poll::Ready(End::Done),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(target: "bartizan::gateway", %error, "a client connection broke off");
                    return Poll::Ready(End::Broken);
                }
                Poll::Pending => {}
            }
            // Only now has everything been read that the client has sent: a request that is on its way is answered.
            if session.worker.is_draining() && !told_to_drain && session.phase() != Phase::Head {
                told_to_drain = true;
                Pin::new(&mut connection).graceful_shutdown();
                continue;
            }
            if session.is_kept_alive() && session.worker.wants_seat() {
                return Poll::Ready(End::Close);
            }
            return Poll::Pending;
        }
    })
    .await;

    let parts = connection.into_parts();
    let mut gate = parts.io.into_inner();
    let result = match end {
        End::Done => finish(&session, gate, parts.read_buf).await,
        // Where only the end of the connection ends a message, an orderly one would make half of it look whole.
        End::Broken if session.ends_by_close() => gate.stream().set_zero_linger(),
        End::Close | End::Broken => poll_fn(|context| gate.poll_close(context)).await,
        // What a client does not take is not kept for it.
        End::Stuck => gate.stream().set_zero_linger(),
    };
    if let Err(error) = result {
        tracing::trace!(target: "bartizan::gateway", %error, "while closing a client connection");
    }
}

/// What follows after HTTP: a tunnel, or the end.
async fn finish(session: &Rc<Session>, mut gate: Gate<TcpStream>, ahead: Bytes) -> io::Result<()> {
    if let Some(tunnel) = session.take_tunnel() {
        return tunnel.run(session, &mut gate, ahead).await;
    }
    // A client that is listened out costs no more than it must.
    drop(ahead);
    poll_fn(|context| gate.poll_close(context)).await?;
    if session.has_unread() {
        let worker = &session.worker;
        linger::listen_out(&mut gate.into_stream(), &worker.clock, || worker.wants_seat()).await?;
    }
    Ok(())
}
