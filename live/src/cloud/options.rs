//! What is wanted of a cloud, read from the command line and the environment.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD;
use hil_sim::cli::CloudArguments;
use hil_sim::cloud::{Account, Behaviour, Template};
use rustls::crypto::ring::default_provider;
use thiserror::Error;

use super::tls::CertificateSource;

/// The account's password.
pub(super) const PASSWORD_VARIABLE: &str = "HIL_CLOUD_PASSWORD";
/// The token of the device that `--device` adds.
const TOKEN_VARIABLE: &str = "HIL_CLOUD_TOKEN";
/// The names of the self-made certificate.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "blynk.cloud"];
/// A password that is made up has so many random bytes.
const PASSWORD_LEN: usize = 12;

/// What a cloud is made of.
pub struct Options {
    /// The address to listen on.
    pub listen: IpAddr,
    /// The port without TLS.
    pub port: u16,
    /// The port with TLS.
    pub tls_port: u16,
    /// What it shows to clients.
    pub certificate: CertificateSource,
    /// Who may use the platform API.
    pub account: Account,
    /// Whether its password was made up here.
    pub is_password_made_up: bool,
    /// What kinds of devices there are.
    pub templates: Vec<Template>,
    /// A device that is there from the start.
    pub device: Option<StaticDevice>,
    /// What it does where nobody knows for sure.
    pub behaviour: Behaviour,
    /// The file that keeps what it knows; in memory when there is none.
    pub database: Option<PathBuf>,
    /// The port of the admin API, if there is to be one.
    pub admin_port: Option<u16>,
    /// Tells of connections and values too.
    pub is_verbose: bool,
}

/// A device that is there from the start. It holds a token, so that it cannot be printed.
pub struct StaticDevice {
    /// Its template's id.
    pub template: String,
    /// Its token.
    pub token: String,
}

/// Why there is no cloud.
#[derive(Debug, Error)]
pub enum CloudError {
    /// An option says nothing.
    #[error("{0}")]
    Option(String),
    /// A port cannot be listened to.
    #[error("{address} cannot be listened to: {error}")]
    Port {
        /// The address with the port.
        address: SocketAddr,
        /// The option that names another.
        option: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The certificate is none, or none can be made.
    #[error("no certificate: {0}")]
    Certificate(String),
    /// A file cannot be used.
    #[error("{} cannot be {what}: {error}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What was tried.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// The database cannot be used, or no longer.
    #[error("{} cannot be used: {why}", file.display())]
    Database {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The system refuses something.
    #[error("the system refuses: {0}")]
    System(io::Error),
}

impl CloudError {
    /// Whether the command line is wrong.
    pub fn is_misuse(&self) -> bool {
        matches!(self, Self::Option(_))
    }

    /// What can be done about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Option(_) => "`hil cloud --help` has examples".to_owned(),
            Self::Port { option, .. } => {
                format!(
                    "end the other program, or choose another: {option} PORT, where 0 takes any that is free"
                )
            }
            Self::Certificate(_) => {
                "--cert and --key take PEM files that belong together, --name a host name or an address"
                    .to_owned()
            }
            Self::File { .. } => "look at the folder and its rights, or name another file".to_owned(),
            Self::Database { .. } => {
                "end the other cloud that uses it, look whether the disk is full, or name another file"
                    .to_owned()
            }
            Self::System(_) => "close other programs and run it again".to_owned(),
        }
    }
}

impl Options {
    /// Reads the command line and, by `variable`, the environment.
    ///
    /// # Errors
    /// When an option says nothing, or the system has no random numbers for a password.
    pub fn read(
        arguments: &CloudArguments,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, CloudError> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let templates =
            arguments.templates.iter().map(|text| template(text)).collect::<Result<Vec<_>, _>>()?;
        let device = match &arguments.device {
            Some(template) => Some(static_device(template, &templates, variable(TOKEN_VARIABLE))?),
            None => None,
        };
        let password = variable(PASSWORD_VARIABLE);
        let is_password_made_up = password.is_none();
        let password = match password {
            Some(password) => password,
            None => random_text()?,
        };
        let mut behaviour = Behaviour::DOCUMENTED;
        for text in &arguments.switches {
            behaviour.set(text).map_err(CloudError::Option)?;
        }
        let certificate = match (&arguments.cert, &arguments.key) {
            (Some(cert), Some(key)) => CertificateSource::Given { cert: cert.clone(), key: key.clone() },
            _ => {
                let names = if arguments.names.is_empty() {
                    NAMES.map(str::to_owned).to_vec()
                } else {
                    arguments.names.clone()
                };
                CertificateSource::Made { names, ca_out: arguments.ca_out.clone() }
            }
        };
        Ok(Self {
            listen: arguments.listen,
            port: arguments.port,
            tls_port: arguments.tls_port,
            certificate,
            account: Account { email: arguments.account.clone(), password },
            is_password_made_up,
            templates,
            device,
            behaviour,
            database: arguments.database.clone(),
            admin_port: arguments.admin_port,
            is_verbose: arguments.verbose,
        })
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("listen", &self.listen)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for StaticDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticDevice").field("template", &self.template).finish_non_exhaustive()
    }
}

fn template(text: &str) -> Result<Template, CloudError> {
    let parts = text.split_once('=').filter(|(id, name)| id.starts_with("TMPL") && !name.is_empty());
    let (id, name) = parts.ok_or_else(|| {
        CloudError::Option(format!(
            "`--template {text}` is not TMPLxxxxxxxxx=NAME, such as 'TMPL4lampXyz1=Smart Lamp'"
        ))
    })?;
    Ok(Template { id: id.to_owned(), name: name.to_owned() })
}

fn static_device(
    template: &str,
    templates: &[Template],
    token: Option<String>,
) -> Result<StaticDevice, CloudError> {
    if !templates.iter().any(|known| known.id == template) {
        let known: Vec<_> = templates.iter().map(|template| template.id.as_str()).collect();
        let what = format!("`--device {template}` names no template of the account: {}", known.join(", "));
        return Err(CloudError::Option(what));
    }
    let token = token.filter(|token| is_token(token)).ok_or_else(|| {
        CloudError::Option(format!(
            "`--device` takes a token of 32 letters, digits, - and _ in {TOKEN_VARIABLE}"
        ))
    })?;
    Ok(StaticDevice { template: template.to_owned(), token })
}

/// Whether a device can log in with it: the protocol's tokens have 32 characters of the URL-safe alphabet.
pub(super) fn is_token(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn random_text() -> Result<String, CloudError> {
    let mut bytes = [0; PASSWORD_LEN];
    fill(&mut bytes)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// What tokens follow from.
pub(super) fn random() -> Result<u64, CloudError> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

fn fill(bytes: &mut [u8]) -> Result<(), CloudError> {
    let filled = default_provider().secure_random.fill(bytes);
    filled.map_err(|_| CloudError::System(io::Error::other("no random numbers")))
}
