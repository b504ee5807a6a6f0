//! The configuration store on flash with anything in it.

use firmware_core::config::{
    Config, HOST_LEN_MAX, Host, PASSPHRASE_LEN_MAX, Passphrase, ProvisionError, SSID_LEN_MAX, Ssid, StaticIp,
    TOKEN_LEN, Token,
};
use firmware_core::store::{ATTEMPTS_MAX, Loaded, PARTITION_LEN, SLOT_LEN, Store};
use hil_link::cut_flash::{ArrayFlash, Boundary, CutFlash};
use smoltcp::wire::Ipv4Address;

use crate::input::Input;

/// Where the checksums of a record stand and what they cover; see the store's `layout`.
const HEADER_CRC_AT: usize = 12;
const PUBLIC_CRC_AT: usize = 16;
const KIND_AT: usize = 20;
const HOST_LEN_AT: usize = 23;
const HOST_AT: usize = 80;
const SECRET_AT: usize = 336;
const PASSPHRASE_AT: usize = 340;
const SECRET_CRC_AT: usize = 436;

/// What is done to a flash, one byte each and its details.
///
/// Boot finds a state and the next boot the same one; what is stored is read back and leaves the valid
/// configuration alone; a cut leaves the old or the new; a reset leaves nothing; a rejected record has no
/// secrets.
pub(crate) fn store(bytes: &[u8]) {
    let mut input = Input(bytes);
    let mut bench = Bench { flash: CutFlash::new(ArrayFlash::new()), store: Store::new() };
    while !input.is_empty() {
        match input.byte() % 12 {
            0 => drop(bench.boot()),
            1 => bench.save_valid(&config(&mut input)),
            2 => bench.save_trial(&config(&mut input)),
            3 => bench.spend(),
            4 => bench.accept(),
            5 => bench.reject(input.byte()),
            6 => bench.erase_all(),
            7 => bench.save_and_cut(&mut input),
            8 => bench.damage(&mut input, false),
            9 => bench.damage(&mut input, true),
            10 => bench.fill(&mut input),
            _ => bench.copy(input.byte()),
        }
    }
    bench.check_usable();
}

/// Any configuration that the types allow, also those that a phone could not send.
fn config(input: &mut Input<'_>) -> Config {
    let flags = input.byte();
    let mut piece = |max: usize| {
        let piece = input.short_piece();
        piece[..piece.len().min(max)].to_vec()
    };
    let (ssid, passphrase, host) = (piece(SSID_LEN_MAX), piece(PASSPHRASE_LEN_MAX), piece(HOST_LEN_MAX));
    let mut token = [b'k'; TOKEN_LEN];
    for (place, byte) in token.iter_mut().zip(input.take(usize::from(flags >> 3))) {
        *place = *byte;
    }
    let host: String = host.iter().map(|byte| char::from(byte & 0x7F)).collect();
    let mut address = || Ipv4Address::new(input.byte(), input.byte(), input.byte(), input.byte());
    let static_ip = (flags & 1 == 1).then(|| StaticIp {
        ip: address(),
        mask: address(),
        gateway: address(),
        dns: address(),
        dns2: address(),
    });
    Config {
        ssid: Ssid::new(&ssid).expect("at most 32 bytes"),
        passphrase: Passphrase::new(&passphrase).expect("at most 64 bytes"),
        token: Token::new(&token).expect("32 bytes"),
        host: Host::try_from(&*host).expect("at most 253 bytes"),
        port: u16::try_from(input.number()).expect("two bytes"),
        static_ip,
    }
}

struct Bench {
    flash: CutFlash<ArrayFlash<PARTITION_LEN>>,
    store: Store,
}

impl Bench {
    /// Power comes on; a second boot finds what the first one left.
    fn boot(&mut self) -> Loaded {
        self.flash.power_on();
        let loaded = self.store.load(&mut self.flash).expect("flash can be read");
        assert_eq!(loaded.repair_failed, None, "there is nothing wrong with the flash");
        assert!(loaded.trial.is_none() || loaded.last_error.is_none(), "one record is the newest");
        if let Some(trial) = &loaded.trial {
            assert!(trial.attempts_left <= ATTEMPTS_MAX);
        }
        let before = self.flash.inner().bytes().to_vec();
        let again = Store::new().load(&mut self.flash).expect("flash can be read");
        assert_eq!(again, loaded, "the first boot repaired something that mattered");
        assert!(before == self.flash.inner().bytes(), "the second boot repaired something");
        loaded
    }

    fn save_valid(&mut self, config: &Config) {
        self.boot();
        self.store.save_valid(&mut self.flash, config).expect("there is always room for a configuration");
        let loaded = self.boot();
        assert_eq!((loaded.valid.as_ref(), loaded.trial), (Some(config), None));
    }

    fn save_trial(&mut self, config: &Config) {
        let before = self.boot();
        self.store.save_trial(&mut self.flash, config).expect("there is always room for a configuration");
        let loaded = self.boot();
        let trial = loaded.trial.expect("what was stored");
        assert_eq!((&trial.config, trial.attempts_left), (config, ATTEMPTS_MAX));
        assert_eq!(loaded.valid, before.valid);
    }

    fn spend(&mut self) {
        let before = self.boot();
        let spent = self.store.spend_attempt(&mut self.flash);
        let after = self.boot();
        let left = |loaded: &Loaded| loaded.trial.as_ref().map(|trial| trial.attempts_left);
        match spent {
            Ok(attempts_left) => {
                assert_eq!(left(&after), Some(attempts_left));
                assert!(left(&before).is_some_and(|before| before > attempts_left));
            }
            // Marks may be damaged, but nothing is lost by trying.
            Err(_) => assert!(left(&after) <= left(&before)),
        }
        assert_eq!(after.valid, before.valid);
    }

    fn accept(&mut self) {
        let before = self.boot();
        let accepted = self.store.accept(&mut self.flash).is_ok();
        let after = self.boot();
        if accepted {
            assert_eq!(after.valid, before.trial.map(|trial| trial.config));
        } else {
            assert_eq!(after, before);
        }
    }

    fn reject(&mut self, code: u8) {
        let before = self.boot();
        let error = ProvisionError::ALL[usize::from(code) % ProvisionError::ALL.len()];
        let rejected = self.store.reject(&mut self.flash, error);
        let after = self.boot();
        match rejected {
            Ok(()) => {
                assert!(after.trial.is_none() && before.trial.is_some());
                let trial = before.trial.expect("there was one");
                let passphrase = trial.config.passphrase.expose();
                let kept = before.valid.as_ref().map(|valid| valid.passphrase.expose());
                let is_kept = kept.is_some_and(|kept| kept.starts_with(passphrase));
                let is_blank = passphrase.iter().all(|byte| matches!(byte, 0 | 0xFF));
                assert!(is_kept || is_blank || !self.holds(&trial.config), "a rejected passphrase is kept");
            }
            Err(_) => assert_eq!(after, before),
        }
        assert_eq!(after.valid, before.valid);
    }

    /// Whether a slot holds the passphrase of a configuration, if that is long enough to tell.
    fn holds(&self, config: &Config) -> bool {
        let secret = config.passphrase.expose();
        let slots = self.flash.inner().bytes().chunks(SLOT_LEN as usize);
        // Elsewhere in a slot the same bytes may be a checksum, or what a phone calls its network.
        let found = slots.filter(|slot| slot[PASSPHRASE_AT..].starts_with(secret)).count();
        secret.len() >= 8 && found > 0
    }

    fn erase_all(&mut self) {
        self.store.erase_all(&mut self.flash).expect("there is nothing wrong with the flash");
        assert!(self.flash.inner().bytes().iter().all(|byte| *byte == 0xFF), "something is left");
        assert_eq!(self.boot(), Loaded::default());
    }

    /// Power goes at a byte of a save.
    fn save_and_cut(&mut self, input: &mut Input<'_>) {
        let before = self.boot();
        let (how, steps) = (input.byte(), input.number());
        let config = config(input);
        self.flash.state_mut().noise_seed = u64::from(how >> 2);
        self.flash.state_mut().boundary = if how & 1 == 0 { Boundary::AtRest } else { Boundary::Begun };
        self.flash.state_mut().budget = Some(u32::try_from(steps).expect("two bytes"));
        let is_valid = how & 2 != 0;
        let saved = if is_valid {
            self.store.save_valid(&mut self.flash, &config)
        } else {
            self.store.save_trial(&mut self.flash, &config)
        };
        self.flash.state_mut().disarm();
        let after = self.boot();
        let is_new = if is_valid {
            after.valid.as_ref() == Some(&config)
        } else {
            after.trial.as_ref().is_some_and(|trial| trial.config == config)
        };
        assert!(is_new || saved.is_err(), "what was stored is gone");
        if !(is_valid && is_new) {
            assert_eq!(after.valid, before.valid, "the valid configuration is touched");
        }
        if !is_new {
            assert!(after.trial.is_none() || after.trial == before.trial);
        }
    }

    /// Writes over a record, and if `seal`, makes its checksums right again.
    fn damage(&mut self, input: &mut Input<'_>, seal: bool) {
        let at = input.number() % PARTITION_LEN;
        let piece = input.short_piece();
        let bytes = self.flash.inner_mut().bytes_mut();
        for (place, byte) in bytes[at..].iter_mut().zip(piece) {
            *place = *byte;
        }
        if seal {
            let start = at / SLOT_LEN as usize * SLOT_LEN as usize;
            seal_record(&mut bytes[start..start + SLOT_LEN as usize]);
        }
    }

    /// Fills everything with a pattern.
    fn fill(&mut self, input: &mut Input<'_>) {
        let pattern = input.short_piece();
        for (place, byte) in self.flash.inner_mut().bytes_mut().iter_mut().zip(pattern.iter().cycle()) {
            *place = *byte;
        }
    }

    /// Makes one slot like the other.
    fn copy(&mut self, side: u8) {
        let (first, second) = self.flash.inner_mut().bytes_mut().split_at_mut(SLOT_LEN as usize);
        if side & 1 == 0 { second.copy_from_slice(first) } else { first.copy_from_slice(second) }
    }

    /// Whatever is there, a phone can bring a configuration, and it can be taken back.
    fn check_usable(&mut self) {
        let last = config(&mut Input(b"\x01\x04HomeNet"));
        self.save_trial(&last);
        self.save_valid(&last);
        self.save_trial(&last);
        self.spend();
        self.accept();
        self.erase_all();
    }
}

fn seal_record(slot: &mut [u8]) {
    let header = crc(&slot[..HEADER_CRC_AT]);
    slot[HEADER_CRC_AT..PUBLIC_CRC_AT].copy_from_slice(&header.to_le_bytes());
    let host_end = HOST_AT + usize::from(slot[HOST_LEN_AT]);
    let public = crc(&[&slot[..HEADER_CRC_AT], &slot[KIND_AT..host_end]].concat());
    slot[PUBLIC_CRC_AT..KIND_AT].copy_from_slice(&public.to_le_bytes());
    let secret = crc(&slot[SECRET_AT..SECRET_CRC_AT]);
    slot[SECRET_CRC_AT..SECRET_CRC_AT + 4].copy_from_slice(&secret.to_le_bytes());
}

/// CRC-32, bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 * (crc & 1)))
    })
}
