//! `hil cloud`: the simulated cloud's own logic behind real sockets, for real devices and clients.
//!
//! One thread does everything. Each connection is a task with a [`Conversation`](hil_sim::cloud::Conversation); they
//! share a `Core`, which has the [`Service`](hil_sim::cloud::Service), the file if there is one, and the list of
//! connections that must be woken when something waits for their device.

mod admin;
mod clock;
mod connection;
mod core;
mod options;
mod store;
mod tls;

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use hil_sim::cli::{CloudArguments, Trouble};
use hil_sim::cloud::Account;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use self::core::Core;
use options::PASSWORD_VARIABLE;
pub use options::{CloudError, Options, StaticDevice};
pub use tls::CertificateSource;

/// How long a client has for the handshake; a classic ESP32 waits so long itself.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(30);
/// How long no connection is taken after the system had no room for one.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A cloud that listens.
pub struct Server {
    plain: TcpListener,
    secure: TcpListener,
    acceptor: TlsAcceptor,
    admin: Option<TcpListener>,
    core: Rc<Core>,
    welcome: String,
}

/// Where a cloud listens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Addresses {
    /// Devices and the HTTP API, without TLS.
    pub plain: SocketAddr,
    /// The same with TLS.
    pub secure: SocketAddr,
    /// The admin API.
    pub admin: Option<SocketAddr>,
}

impl Server {
    /// Listens, and makes what it needs.
    ///
    /// # Errors
    /// When a port is taken or a file cannot be used.
    pub async fn bind(mut options: Options) -> Result<Self, CloudError> {
        let acceptor = tls::acceptor(&options.certificate)?;
        let plain = listen(options.listen, options.port, "--port").await?;
        let secure = listen(options.listen, options.tls_port, "--tls-port").await?;
        let admin = match options.admin_port {
            Some(port) => Some(listen(IpAddr::V4(Ipv4Addr::LOCALHOST), port, "--admin-port").await?),
            None => None,
        };
        let core = Rc::new(Core::new(&mut options)?);
        let Account { email, password } = &options.account;
        let welcome = if options.is_password_made_up {
            format!(
                "account {email}, with the password {password}, which was made up: {PASSWORD_VARIABLE} names another"
            )
        } else {
            format!("account {email}, with the password that was given")
        };
        Ok(Self { plain, secure, acceptor, admin, core, welcome })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addresses(&self) -> io::Result<Addresses> {
        let admin = self.admin.as_ref().map(TcpListener::local_addr).transpose()?;
        Ok(Addresses { plain: self.plain.local_addr()?, secure: self.secure.local_addr()?, admin })
    }

    /// What whoever has started it is told of the account: the password too, when nobody knows it yet.
    pub fn welcome(&self) -> &str {
        &self.welcome
    }

    /// Serves until what was answered can no longer be kept. `log` hears what happens. It takes a
    /// [`LocalSet`] around it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn serve(self, log: impl Fn(&str) + 'static) -> Result<(), CloudError> {
        let Self { plain, secure, acceptor, admin, core, .. } = self;
        core.set_log(log);
        spawn_local(accept(plain, Rc::clone(&core), None));
        if let Some(admin) = admin {
            spawn_local(admin::serve(admin, Rc::clone(&core)));
        }
        spawn_local(accept(secure, Rc::clone(&core), Some(acceptor)));
        Err(core.failure().await)
    }
}

async fn listen(address: IpAddr, port: u16, option: &'static str) -> Result<TcpListener, CloudError> {
    let listener = TcpListener::bind((address, port)).await;
    listener.map_err(|error| CloudError::Port { address: (address, port).into(), option, error })
}

/// Takes connections for ever.
async fn accept(listener: TcpListener, core: Rc<Core>, acceptor: Option<TlsAcceptor>) {
    loop {
        match listener.accept().await {
            Ok(_) if core.refuses() => {}
            Ok((stream, _)) => {
                spawn_local(greet(stream, Rc::clone(&core), acceptor.clone()));
            }
            // Too many open files, most likely: some of them will be closed.
            Err(error) => {
                core.log(&format!("a connection could not be taken: {error}"));
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection to its end.
async fn greet(stream: TcpStream, core: Rc<Core>, acceptor: Option<TlsAcceptor>) {
    // Without this an answer waits for the acknowledgement of the one before; it can be refused only by a socket that
    // has ended.
    let _ = stream.set_nodelay(true);
    let Some(acceptor) = acceptor else { return connection::serve(&core, stream, false).await };
    match timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => connection::serve(&core, stream, true).await,
        Ok(Err(error)) => core.log(&format!("a TLS handshake failed: {error}")),
        Err(_) => core.log("a TLS handshake took too long"),
    }
}

/// Serves until `told` says that it is enough.
pub(crate) fn run(
    arguments: &CloudArguments,
    told: impl Future<Output = io::Result<()>>,
) -> Result<(), Trouble> {
    let options =
        Options::read(arguments, |name| std::env::var(name).ok()).map_err(|error| trouble(&error))?;
    let system = |error: io::Error| trouble(&CloudError::System(error));
    let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(system)?;
    LocalSet::new().block_on(&runtime, async {
        let server = Server::bind(options).await.map_err(|error| trouble(&error))?;
        let Addresses { plain, secure, admin } = server.addresses().map_err(system)?;
        let admin = admin.map(|admin| format!(", and {admin} (admin)")).unwrap_or_default();
        let welcome =
            format!("listening on {plain} (plain) and {secure} (TLS){admin}\n{}\n", server.welcome());
        // Whoever waits for these lines may read from a pipe, and close it when it knows enough.
        let mut screen = io::stdout().lock();
        let _ = screen.write_all(welcome.as_bytes()).and_then(|()| screen.flush());
        drop(screen);
        tokio::select! {
            ended = server.serve(tell) => ended.map_err(|error| trouble(&error)),
            told = told => told.map_err(system),
        }
    })
}

/// Tells what happens, as long as somebody listens.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

fn trouble(error: &CloudError) -> Trouble {
    if error.is_misuse() {
        Trouble::misuse(error.to_string(), error.hint())
    } else {
        Trouble::unavailable(error.to_string(), error.hint())
    }
}
