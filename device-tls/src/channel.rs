//! The channel as the product logic sees it.

use firmware_core::Instant;
use firmware_core::hal::{Date, SecureChannel, SecureError, SecureKind};

use crate::random::{self, SEED_LEN};
use crate::session::{Progress, Session};

/// Fills the bytes with chance that nobody can foresee.
pub type Entropy = fn(&mut [u8; 32]);

/// The client's side of TLS 1.2 or 1.3, which trusts the authorities it was given and no others.
///
/// It has no `Debug`, because keys and passwords are in its memory. A session takes its memory from the heap when it
/// starts and gives it back when it fails, at the next start, and at [`stop`](Self::stop).
///
/// **Chance.** [`start`](SecureChannel::start) carries a seed of 64 bits, from which everything is drawn: a run with
/// the same seed and the same server repeats itself byte for byte, as a simulation must. Keys made so are no harder to
/// guess than the seed: somebody who recorded a session finds them with 2^64 trials, and at once if he can foresee
/// the seed. That is too little for years of secrecy. A board gives 256 bits of its own with
/// [`with_entropy`](Self::with_entropy).
pub struct Channel<'r> {
    roots: &'r [&'r [u8]],
    entropy: Option<Entropy>,
    state: State<'r>,
}

enum State<'r> {
    /// Never started, or stopped.
    Closed,
    Open(Session<'r>),
    /// The server has said that nothing more comes; whether it had proved who it is.
    Ended(bool),
    Failed(SecureError),
}

impl<'r> Channel<'r> {
    /// A channel that trusts these authorities, given as DER certificates.
    pub const fn new(roots: &'r [&'r [u8]]) -> Self {
        Self { roots, entropy: None, state: State::Closed }
    }

    /// The same, which adds this chance to the seed of every start.
    #[must_use]
    pub const fn with_entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = Some(entropy);
        self
    }

    /// Trusts other authorities from the next start on, and forgets the session.
    pub fn trust(&mut self, roots: &'r [&'r [u8]]) {
        self.stop();
        self.roots = roots;
    }

    /// Forgets the session and gives its memory back.
    pub fn stop(&mut self) {
        self.state = State::Closed;
    }

    fn seed(&self, seed: u64) -> [u8; SEED_LEN] {
        let mut bytes = [0; SEED_LEN];
        if let Some(entropy) = self.entropy {
            entropy(&mut bytes);
        }
        for (byte, extra) in bytes.iter_mut().zip(seed.to_le_bytes()) {
            *byte ^= extra;
        }
        bytes
    }

    fn follow(&mut self, progress: Result<Progress, SecureError>) -> Result<(), SecureError> {
        match progress {
            Ok(Progress::Going) => Ok(()),
            Ok(Progress::Ended) => {
                self.state = State::Ended(self.is_established());
                Ok(())
            }
            Err(error) => {
                self.state = State::Failed(error);
                Err(error)
            }
        }
    }
}

impl SecureChannel for Channel<'_> {
    fn start(&mut self, _now: Instant, server_name: &str, seed: u64, date: Date) {
        // First, so that there is never memory for two sessions in use.
        self.stop();
        random::seed(self.seed(seed));
        self.state = match Session::open(self.roots, server_name, date) {
            Ok(session) => State::Open(session),
            Err(error) => State::Failed(error),
        };
    }

    fn receive(&mut self, _now: Instant, wire: &[u8]) -> Result<usize, SecureError> {
        match &mut self.state {
            State::Closed => Err(SecureError::Protocol),
            State::Failed(error) => Err(*error),
            State::Ended(_) => Ok(wire.len()),
            State::Open(session) => {
                let (taken, progress) = session.receive(wire);
                self.follow(progress)?;
                Ok(taken)
            }
        }
    }

    fn transmit(&mut self, wire: &mut [u8]) -> usize {
        let State::Open(session) = &mut self.state else { return 0 };
        let (given, progress) = session.transmit(wire);
        // The error is told by the next call that can.
        let _ = self.follow(progress);
        given
    }

    fn is_established(&self) -> bool {
        match &self.state {
            State::Open(session) => session.is_established(),
            State::Ended(was_established) => *was_established,
            State::Closed | State::Failed(_) => false,
        }
    }

    fn write(&mut self, data: &[u8]) -> usize {
        let State::Open(session) = &mut self.state else { return 0 };
        match session.write(data) {
            Ok(taken) => taken,
            Err(error) => {
                self.state = State::Failed(error);
                0
            }
        }
    }

    fn read(&mut self, data: &mut [u8]) -> usize {
        let State::Open(session) = &mut self.state else { return 0 };
        let (given, progress) = session.read(data);
        let _ = self.follow(progress);
        given
    }

    fn kind(&self) -> SecureKind {
        SecureKind::Tls
    }

    fn checks_dates(&self) -> bool {
        true
    }
}
