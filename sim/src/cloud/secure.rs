//! What lies between a connection's bytes and its conversation.

use smoltcp::socket::tcp;
use smoltcp::time::Instant;

use super::{Conversation, Handshake, Service};
use crate::tls::{ServerIdentity, TlsServer};

/// Bytes of a first answer that is cut short: more than a hello, less than the certificates behind it.
const CUT_LEN: usize = 300;

/// How a connection is protected.
pub(super) enum Secure {
    /// Not at all, or by the modelled TLS, which is the conversation's own.
    None,
    /// By TLS that nobody has begun yet.
    Awaited,
    /// By TLS.
    Tls(Box<TlsServer>),
    /// The server has given up in the middle of the handshake.
    Cut,
}

impl Secure {
    /// Takes what has arrived and hands the data in it to the service.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        wire: &[u8],
        service: &mut Service,
        conversation: &mut Conversation,
        identity: Option<&mut ServerIdentity>,
    ) {
        if let (Self::Awaited, Some(identity)) = (&self, identity)
            && service.handshake != Handshake::Silent
        {
            *self = Self::Tls(Box::new(identity.accept(service.certificate)));
        }
        match self {
            Self::None => service.receive(now, conversation, wire),
            Self::Awaited | Self::Cut => {}
            Self::Tls(tls) => {
                let data = tls.receive(wire);
                if !data.is_empty() {
                    service.receive(now, conversation, &data);
                }
                if tls.has_failed() {
                    conversation.close();
                }
            }
        }
    }

    /// Sends what the conversation has ready; returns whether anything was done.
    pub(super) fn send(
        &mut self,
        now: Instant,
        service: &Service,
        conversation: &mut Conversation,
        socket: &mut tcp::Socket<'_>,
    ) -> bool {
        let Self::Tls(tls) = self else { return send_plainly(now, conversation, socket) };
        let mut worked = false;
        while let Some(bytes) = conversation.sendable(now) {
            let taken = tls.write(bytes);
            conversation.note_sent(now, taken);
            worked |= taken > 0;
            if taken == 0 {
                break;
            }
        }
        if conversation.is_closing() && conversation.has_sent() {
            tls.close();
        }
        if service.handshake == Handshake::Cut && !tls.is_established() && tls.has_bytes_to_send() {
            let mut flight = [0; CUT_LEN];
            let len = tls.transmit(&mut flight);
            // The first thing that is sent on a connection has room.
            let _ = socket.send_slice(&flight[..len]);
            conversation.close();
            *self = Self::Cut;
            return true;
        }
        while tls.has_bytes_to_send() && socket.can_send() {
            let sent = socket.send(|room| {
                let len = tls.transmit(room);
                (len, len)
            });
            worked |= sent.is_ok_and(|len| len > 0);
        }
        worked
    }

    /// Whether nothing waits for the client any more.
    pub(super) fn has_sent(&self) -> bool {
        match self {
            Self::None | Self::Awaited | Self::Cut => true,
            Self::Tls(tls) => !tls.has_bytes_to_send(),
        }
    }
}

fn send_plainly(now: Instant, conversation: &mut Conversation, socket: &mut tcp::Socket<'_>) -> bool {
    let mut worked = false;
    while socket.can_send()
        && let Some(bytes) = conversation.sendable(now)
    {
        let sent = socket.send_slice(bytes).unwrap_or_default();
        conversation.note_sent(now, sent);
        worked |= sent > 0;
        if sent == 0 {
            break;
        }
    }
    worked
}
