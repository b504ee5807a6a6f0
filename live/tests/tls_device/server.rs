//! Servers with authorities of their own, and a conversation between one and the device.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_RSA_SHA256, SignatureAlgorithm, date_time_ymd,
};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, SupportedProtocolVersion};

use crate::probe::{Answer, Probe, Start};

pub const NAME: &str = "cloud.example";

/// Keys that certificates can be for. Those of RSA stand beside this file, because making one takes long.
#[derive(Clone, Copy)]
pub enum Key {
    P256,
    P384,
    Rsa2048,
    Rsa4096,
}

impl Key {
    fn pair(self) -> KeyPair {
        let stored = |bytes: &[u8]| {
            KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(bytes), &PKCS_RSA_SHA256)
                .expect("a key")
        };
        let made = |algorithm: &'static SignatureAlgorithm| KeyPair::generate_for(algorithm).expect("a key");
        match self {
            Self::P256 => made(&PKCS_ECDSA_P256_SHA256),
            Self::P384 => made(&PKCS_ECDSA_P384_SHA384),
            Self::Rsa2048 => stored(include_bytes!("keys/test-rsa-2048.pk8")),
            Self::Rsa4096 => stored(include_bytes!("keys/test-rsa-4096.pk8")),
        }
    }
}

/// A certificate that signs others.
pub struct Authority {
    pub der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn root(key: Key) -> Self {
        let (params, key) = (params("a root", &[], true), key.pair());
        let der = params.self_signed(&key).expect("a certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    pub fn intermediate(&self, key: Key) -> Self {
        self.signs(params("an intermediate", &[], true), key)
    }

    /// A certificate that may not sign others.
    pub fn mere_leaf(&self) -> Self {
        self.signs(params("no authority", &["leaf.example"], false), Key::P256)
    }

    fn signs(&self, params: CertificateParams, key: Key) -> Self {
        let key = key.pair();
        let der = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// A server's certificate, valid from the beginning of one year to that of another.
    pub fn leaf(&self, name: &str, key: Key, [from, to]: [i32; 2]) -> Identity {
        let mut params = params(name, &[name], false);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = key.pair();
        let der = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        Identity { chain: vec![der], key: PrivatePkcs8KeyDer::from(key.serialize_der()).into() }
    }
}

fn params(name: &str, names: &[&str], is_authority: bool) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 1, 1);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    }
    params
}

/// What a server shows.
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The same, with the certificate that signed the last one.
    pub fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der.clone());
        self
    }

    pub fn serve(self, versions: &[&'static SupportedProtocolVersion]) -> Server {
        self.serve_with(versions, default_provider(), None)
    }

    pub fn serve_with(
        self,
        versions: &[&'static SupportedProtocolVersion],
        provider: CryptoProvider,
        record_len_max: Option<usize>,
    ) -> Server {
        let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(versions)
            .expect("the versions are known")
            .with_no_client_auth()
            .with_single_cert(self.chain, self.key)
            .expect("certificate and key fit");
        config.max_fragment_size = record_len_max;
        let mut connection = ServerConnection::new(Arc::new(config)).expect("the configuration is good");
        // What is to be sent is held back by the device, not here.
        connection.set_buffer_limit(None);
        Server { connection, wire: Vec::new() }
    }
}

/// A server's end.
pub struct Server {
    pub connection: ServerConnection,
    /// What the device has not taken yet.
    wire: Vec<u8>,
}

/// A device and its server.
pub struct Talk {
    pub probe: Probe,
    pub server: Server,
    /// How many bytes the network carries at once.
    pub chunk_len: usize,
    pub last: Answer,
    /// Data that the device has received.
    pub received: Vec<u8>,
    /// Data that the server has received.
    pub arrived: Vec<u8>,
    /// What the server thinks is wrong.
    pub complaint: Option<rustls::Error>,
    pub heap_max: u32,
}

impl Talk {
    pub fn new(mut probe: Probe, server: Server, start: &Start) -> Self {
        let answer = probe.start(start);
        let mut talk = Self {
            probe,
            server,
            chunk_len: usize::MAX,
            last: Answer::default(),
            received: Vec::new(),
            arrived: Vec::new(),
            complaint: None,
            heap_max: 0,
        };
        talk.note(answer);
        talk
    }

    /// Carries everything to and fro until both are silent.
    pub fn run(&mut self) {
        loop {
            let mut wire = std::mem::take(&mut self.server.wire);
            while self.server.connection.wants_write() {
                self.server.connection.write_tls(&mut wire).expect("there is room");
            }
            if wire.is_empty() {
                return;
            }
            let answer = self.probe.receive(&wire, self.chunk_len);
            wire.drain(..answer.taken);
            self.server.wire = wire;
            let is_stuck = answer.taken == 0 && answer.wire.is_empty();
            self.note(answer);
            if is_stuck || self.last.error.is_some() {
                return;
            }
        }
    }

    /// The device sends data.
    pub fn write(&mut self, data: &[u8]) {
        let answer = self.probe.write(data);
        assert_eq!(answer.taken, data.len(), "the channel takes it all");
        self.note(answer);
    }

    /// The server sends data.
    pub fn send(&mut self, data: &[u8]) {
        self.server.connection.writer().write_all(data).expect("there is room");
    }

    fn note(&mut self, mut answer: Answer) {
        let mut wire = answer.wire.as_slice();
        while !wire.is_empty() && self.complaint.is_none() {
            self.server.connection.read_tls(&mut wire).expect("it takes bytes");
            match self.server.connection.process_new_packets() {
                Ok(state) => {
                    let mut data = vec![0; state.plaintext_bytes_to_read()];
                    self.server.connection.reader().read_exact(&mut data).expect("so much is there");
                    self.arrived.extend(data);
                }
                Err(error) => self.complaint = Some(error),
            }
        }
        self.received.append(&mut answer.data);
        self.heap_max = self.heap_max.max(answer.heap_max);
        self.last = answer;
    }
}
