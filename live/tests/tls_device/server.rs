//! Servers with authorities of their own, and a conversation between one and the device.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
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

pub(crate) const NAME: &str = "cloud.example";

/// Keys that certificates can be for. Those of RSA stand beside this file, because making one takes long.
#[derive(Clone, Copy)]
pub(crate) enum Key {
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
pub(crate) struct Authority {
    pub(crate) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn root(key: Key) -> Self {
        let (params, key) = (params("a root", &[], true), key.pair());
        let der = params.self_signed(&key).expect("a certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn intermediate(&self, key: Key) -> Self {
        self.signs(params("an intermediate", &[], true), key)
    }

    /// A certificate that may not sign others.
    pub(crate) fn mere_leaf(&self) -> Self {
        self.signs(params("no authority", &["leaf.example"], false), Key::P256)
    }

    fn signs(&self, params: CertificateParams, key: Key) -> Self {
        let key = key.pair();
        let der = params.signed_by(&key, &self.issuer).expect("a certificate").der().clone();
        Self { der, issuer: Issuer::new(params, key) }
    }

    /// A server's certificate, valid from the beginning of one year to that of another.
    pub(crate) fn leaf(&self, name: &str, key: Key, years: [i32; 2]) -> Identity {
        self.leaf_for(&[name], key, years)
    }

    /// The same of about 1,400 bytes.
    pub(crate) fn large_leaf(&self, name: &str, years: [i32; 2]) -> Identity {
        let others: Vec<String> =
            (0..40).map(|number| format!("number-{number:02}.of.many.example")).collect();
        let names: Vec<&str> = [name].into_iter().chain(others.iter().map(String::as_str)).collect();
        self.leaf_for(&names, Key::P256, years)
    }

    fn leaf_for(&self, names: &[&str], key: Key, [from, to]: [i32; 2]) -> Identity {
        let mut params = params("a server", names, false);
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
pub(crate) struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// The same, with the certificate that signed the last one.
    pub(crate) fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der.clone());
        self
    }

    /// Writes it for a program that reads files: certificate and key.
    pub(crate) fn write(&self, folder: &Path) -> io::Result<[PathBuf; 2]> {
        let [certificate, key] = ["certificate.der", "key.der"].map(|name| folder.join(name));
        fs::write(&certificate, &self.chain[0])?;
        fs::write(&key, self.key.secret_der())?;
        Ok([certificate, key])
    }

    pub(crate) fn serve(self, versions: &[&'static SupportedProtocolVersion]) -> Server {
        self.serve_with(versions, default_provider(), None)
    }

    pub(crate) fn serve_with(
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
pub(crate) struct Server {
    pub(crate) connection: ServerConnection,
    /// What the device has not taken yet.
    wire: Vec<u8>,
}

/// A device and its server.
pub(crate) struct Talk {
    pub(crate) probe: Probe,
    pub(crate) server: Server,
    /// How many bytes the network carries at once.
    pub(crate) chunk_len: usize,
    pub(crate) last: Answer,
    /// Data that the device has received.
    pub(crate) received: Vec<u8>,
    /// Data that the server has received.
    pub(crate) arrived: Vec<u8>,
    /// What the server thinks is wrong.
    pub(crate) complaint: Option<rustls::Error>,
    pub(crate) heap_max: u32,
    pub(crate) ticks: u64,
}

impl Talk {
    pub(crate) fn new(mut probe: Probe, server: Server, start: &Start) -> Self {
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
            ticks: 0,
        };
        talk.note(answer);
        talk
    }

    /// Carries everything to and fro until both are silent.
    pub(crate) fn run(&mut self) {
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
    pub(crate) fn write(&mut self, data: &[u8]) {
        let answer = self.probe.write(data);
        assert_eq!(answer.taken, data.len(), "the channel takes it all");
        self.note(answer);
    }

    /// The server sends data.
    pub(crate) fn send(&mut self, data: &[u8]) {
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
        self.ticks += answer.ticks;
        self.last = answer;
    }
}
