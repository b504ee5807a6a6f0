//! A service in the place of Wokwi's whose chip is the device of the simulator: the same product code, with a network
//! `Wokwi-GUEST` in the air and nobody else, in virtual time.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::thread;

use firmware_core::config::{Passphrase, Ssid};
use firmware_core::hal::{ResetCause, Security};
use futures_util::{SinkExt, StreamExt};
use hil_live::api::message::{Incoming, Outgoing, PROTOCOL, bytes};
use hil_live::api::{Server, Token};
use hil_sim::executor::InProcess;
use hil_sim::router::{self, DhcpMode, DnsMode, Router, RouterConfig};
use hil_sim::runner::Harness;
use hil_sim::trace::What;
use hil_sim::world::{AccessPoint, DeviceNode, Step, World};
use serde_json::{Value, json};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{EthernetAddress, Ipv4Address, Ipv4Cidr};
use tokio_tungstenite::tungstenite::Message;

/// What the chip can be, beside right.
#[derive(Clone, Copy, Default)]
pub(crate) struct Chip {
    /// There is no network in its air.
    pub(crate) has_no_network: bool,
    /// Its lamp is dark.
    pub(crate) is_dark: bool,
    /// The service goes away when something is typed.
    pub(crate) goes_away: bool,
}

impl Chip {
    /// A service in a thread of its own, for one connection after the other.
    pub(crate) fn serve(self) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let socket = tokio_tungstenite::accept_async(stream).await.unwrap();
                    let world = self.world();
                    Session { chip: self, socket, world, told: 0, points: BTreeMap::new() }.run().await;
                }
            });
        });
        Server { url, token: Token::new("any") }
    }

    fn world(self) -> World {
        let Harness { product, application } = Harness::EXAMPLE;
        let mac = |last| EthernetAddress([2, 0, 0, 0, 0, last]);
        let mut world = World::new(1);
        let executor = Box::new(InProcess::new(application));
        world.add_device("device", DeviceNode::new(executor, product, mac(1), Duration::ZERO));
        let router = Router::new(RouterConfig {
            name: "wokwi".to_owned(),
            lan_mac: mac(2),
            uplink_mac: mac(3),
            lan: Ipv4Cidr::new(Ipv4Address::new(10, 10, 0, 1), 24),
            uplink: Ipv4Address::new(198, 18, 0, 1),
            // Blynk's cloud has an address, and nobody is there.
            zone: [("blynk.cloud".to_owned(), Ipv4Address::new(198, 51, 100, 1))].into(),
            dhcp: DhcpMode::Normal,
            dns: DnsMode::Normal,
            lease: router::LEASE_DEFAULT,
        });
        let owner = world.add_router("wokwi", router, mac(3));
        if !self.has_no_network {
            let access_point = AccessPoint {
                owner,
                ssid: Ssid::new(b"Wokwi-GUEST").unwrap(),
                passphrase: Passphrase::default(),
                security: Security::Open,
                hidden: false,
                channel: 6,
                rssi: -50,
                capacity: 8,
                join_delay: Duration::ZERO,
            };
            world.add_access_point(mac(4), access_point);
        }
        world.power_on(0, ResetCause::PowerOn);
        world
    }
}

struct Session {
    chip: Chip,
    socket: tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
    world: World,
    /// How much of the trace was told.
    told: usize,
    /// Texts that stop time, by their ids.
    points: BTreeMap<String, Vec<u8>>,
}

impl Session {
    async fn run(mut self) {
        let (app_name, app_version) = ("chip".to_owned(), "1".to_owned());
        self.send(&Incoming::Hello { protocol_version: PROTOCOL, app_name, app_version }).await;
        while let Some(Ok(Message::Text(text))) = self.socket.next().await {
            let Outgoing::Command { command, id, params } = serde_json::from_str(&text).unwrap();
            if command == "serial-monitor:write" && self.chip.goes_away {
                return;
            }
            let result = self.carry_out(&command, &params);
            self.send(&Incoming::Response { command: command.clone(), id, result, error: false }).await;
            if command == "sim:resume" {
                let limit = Duration::from_micros(params["pauseAfter"].as_u64().unwrap() / 1_000);
                self.pass(self.world.now() + limit).await;
            }
        }
    }

    fn carry_out(&mut self, command: &str, params: &Value) -> Value {
        match command {
            "serial-monitor:write" => assert!(self.world.type_on_console(0, &bytes(params.get("bytes")))),
            "pause-point:add" => {
                let id = params["id"].as_str().unwrap().to_owned();
                self.points.insert(id, bytes(params.get("bytes")));
            }
            "pause-point:remove" => {
                self.points.remove(params["id"].as_str().unwrap()).unwrap();
            }
            "control:set" => {
                assert_eq!(
                    (params["part"].as_str(), params["control"].as_str()),
                    (Some("button"), Some("pressed"))
                );
                self.world.set_button(self.world.now(), 0, params["value"] == 1.0);
            }
            "pin:read" => return json!({ "pin": params["pin"], "value": u8::from(!self.chip.is_dark) }),
            "sim:start" => assert_eq!(params["pause"], true),
            "file:upload" | "serial-monitor:listen" | "sim:resume" => {}
            other => panic!("{other} is not expected"),
        }
        json!({})
    }

    /// Lets time pass, up to a text that stops it.
    async fn pass(&mut self, limit: Instant) {
        loop {
            let step = self.world.step(limit).unwrap();
            while let Some(entry) = self.world.trace.entries().get(self.told) {
                self.told += 1;
                let What::Console(line) = entry.what else { continue };
                let said = format!("{}\r\n", self.world.trace.printed(line)).into_bytes();
                let reached = self.points.iter().find(|(_, wanted)| find(&said, wanted).is_some());
                let reached = reached.map(|(id, wanted)| (id.clone(), find(&said, wanted).unwrap()));
                // What stands behind the text is heard as well here: a chip would say it when time goes on.
                self.tell("serial-monitor:data", json!({ "bytes": said })).await;
                if let Some((id, _)) = reached {
                    self.points.remove(&id);
                    return self.tell("sim:pause", json!({ "pausePoint": id })).await;
                }
            }
            if step != Step::Happened {
                return self.tell("sim:pause", json!({ "pausePoint": null })).await;
            }
        }
    }

    async fn tell(&mut self, event: &str, payload: Value) {
        #[expect(clippy::cast_precision_loss, reason = "as services send it")]
        let nanos = self.world.now().total_micros() as f64 * 1e3;
        self.send(&Incoming::Event { event: event.to_owned(), payload, nanos, paused: false }).await;
    }

    async fn send(&mut self, message: &Incoming) {
        // A client that has gone hears nothing.
        let _ = self.socket.send(Message::text(serde_json::to_string(message).unwrap())).await;
    }
}

fn find(said: &[u8], wanted: &[u8]) -> Option<usize> {
    said.windows(wanted.len()).position(|window| window == wanted)
}
