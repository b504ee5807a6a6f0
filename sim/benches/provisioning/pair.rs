//! Two bare smoltcp stacks that exchange what phone and device say to each other over HTTP, with nothing
//! around them: what the packets alone must cost.

use hil_sim::stack::Stack;
use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp;
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};

/// Bytes of request and answer: board info, the list of networks, the configuration.
const EXCHANGES: [(usize, usize); 3] = [(88, 430), (87, 380), (230, 160)];
const BUFFER_LEN: usize = 2_048;
const PORT: u16 = 80;
const FIRST_CLIENT_PORT: u16 = 49_152;
const SERVER: Ipv4Address = Ipv4Address::new(192, 168, 4, 1);
const CLIENT: Ipv4Address = Ipv4Address::new(192, 168, 4, 2);
const HOP: Duration = Duration::from_millis(1);
const HOPS_MAX: u32 = 100;

/// Opens three connections one after the other, each with one request, one answer and a clean end.
pub(crate) fn three_requests() {
    let mut pair = Pair { now: Instant::ZERO, client: stack(1, CLIENT), server: stack(2, SERVER) };
    let client = pair.client.add_tcp(BUFFER_LEN, BUFFER_LEN);
    let server = pair.server.add_tcp(BUFFER_LEN, BUFFER_LEN);
    for (port, (request_len, answer_len)) in (FIRST_CLIENT_PORT..).zip(EXCHANGES) {
        pair.exchange(client, server, port, request_len, answer_len);
    }
}

struct Pair {
    now: Instant,
    client: Stack,
    server: Stack,
}

impl Pair {
    fn exchange(
        &mut self,
        client: SocketHandle,
        server: SocketHandle,
        port: u16,
        request_len: usize,
        answer_len: usize,
    ) {
        self.server.tcp(server).abort();
        self.server.tcp(server).listen(PORT).expect("a closed socket");
        self.client.tcp(client).abort();
        let Stack { iface, sockets, .. } = &mut self.client;
        let socket = sockets.get_mut::<tcp::Socket<'_>>(client);
        socket.connect(iface.context(), (SERVER, PORT), port).expect("a closed socket");
        let mut is_asked = false;
        let mut answered = 0;
        for _ in 0..HOPS_MAX {
            self.hop();
            let socket = self.client.tcp(client);
            if socket.may_send() && !is_asked {
                is_asked = true;
                socket.send_slice(&vec![b'r'; request_len]).expect("an open socket");
            }
            let _ = socket.recv(|bytes| {
                answered += bytes.len();
                (bytes.len(), ())
            });
            if answered == answer_len && socket.may_send() {
                socket.close();
            }
            let is_over = socket.state() == tcp::State::TimeWait;
            let socket = self.server.tcp(server);
            if socket.recv_queue() == request_len {
                let _ = socket.recv(|bytes| (bytes.len(), ()));
                socket.send_slice(&vec![b'a'; answer_len]).expect("an open socket");
            }
            if !socket.may_recv() && socket.may_send() {
                socket.close();
            }
            if is_over {
                return;
            }
        }
        panic!("the exchange does not come to an end");
    }

    /// One millisecond: both stacks run, and their frames change sides.
    fn hop(&mut self) {
        self.client.poll(self.now);
        self.server.poll(self.now);
        while let Some(frame) = self.client.pop_sent() {
            self.server.receive(frame);
        }
        while let Some(frame) = self.server.pop_sent() {
            self.client.receive(frame);
        }
        self.now += HOP;
    }
}

fn stack(number: u8, address: Ipv4Address) -> Stack {
    let mut stack = Stack::new(EthernetAddress([2, 0, 0, 0, 0, number]), u64::from(number), Instant::ZERO);
    stack.set_address(Some(Ipv4Cidr::new(address, 24)), None);
    stack
}
