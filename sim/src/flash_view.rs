//! What a device's flash holds when a run is over, as a person may see it: records in words, bytes without secrets.

use firmware_core::store::{Fate, RECORD_LEN, SECRETS, SLOT_LEN, SlotContent, survey};
use hil_link::cut_flash::ArrayFlash;
use memchr::memmem;

use crate::executor::FLASH_LEN;

/// A device's flash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlashView {
    /// Whose it is: its number among the devices.
    pub device: usize,
    /// Its slots by their place.
    pub slots: Vec<SlotView>,
}

/// One slot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotView {
    /// What it holds, in a word or a few.
    pub state: String,
    /// What its record says, in the order in which a person reads it.
    pub fields: Vec<(&'static str, String)>,
    /// The bytes of a record's place; `None` where a secret stands.
    pub bytes: Vec<Option<u8>>,
    /// How many bytes behind it are not erased.
    pub others: usize,
}

impl FlashView {
    /// What this content means. `secrets` are starred wherever they stand.
    pub(crate) fn new(device: usize, content: &[u8], secrets: &[Vec<u8>]) -> Self {
        let mut flash = Box::<ArrayFlash<FLASH_LEN>>::default();
        let len = content.len().min(FLASH_LEN);
        flash.bytes_mut()[..len].copy_from_slice(&content[..len]);
        let found = survey(&mut *flash);
        let slots = content.chunks(SLOT_LEN as usize).enumerate().map(|(number, bytes)| {
            let found = found.as_ref().ok().and_then(|slots| slots.get(number));
            let (state, fields) = found.map_or_else(|| ("not readable".to_owned(), Vec::new()), words);
            let (record, rest) = bytes.split_at(bytes.len().min(RECORD_LEN));
            let others = rest.iter().filter(|byte| **byte != 0xFF).count();
            SlotView { state, fields, bytes: hide(record, secrets), others }
        });
        Self { device, slots: slots.collect() }
    }
}

fn words(slot: &SlotContent) -> (String, Vec<(&'static str, String)>) {
    match slot {
        SlotContent::Blank => ("erased".to_owned(), Vec::new()),
        SlotContent::Damaged => ("no whole record".to_owned(), Vec::new()),
        SlotContent::OtherLayout { sequence } => {
            ("a record of another layout".to_owned(), vec![("sequence", sequence.to_string())])
        }
        SlotContent::Record { sequence, fate, config } => {
            let mut fields = vec![("sequence", sequence.to_string())];
            let state = match fate {
                Fate::Valid => "valid".to_owned(),
                Fate::Trial { attempts_left } => {
                    fields.push(("attempts left", attempts_left.to_string()));
                    "on trial".to_owned()
                }
                Fate::Rejected(error) => {
                    fields.push(("error", error.code().to_string()));
                    "rejected, secrets destroyed".to_owned()
                }
            };
            if let Some(config) = config {
                fields.push(("SSID", config.ssid.to_string()));
                let has = |is_empty| if is_empty { "none" } else { "***" }.to_owned();
                fields.push(("password", has(config.passphrase.is_empty())));
                fields.push(("token", has(false)));
                fields.push(("host", format!("{}:{}", config.host, config.port)));
                if let Some(fixed) = &config.static_ip {
                    fields.push(("address", format!("{} {}", fixed.ip, fixed.mask)));
                    fields.push(("gateway", fixed.gateway.to_string()));
                    fields.push(("name servers", format!("{} {}", fixed.dns, fixed.dns2)));
                }
            }
            (state, fields)
        }
    }
}

/// Whatever stands in the place of the secrets may be one, or a part of one: it is shown only where it is erased or
/// has been destroyed.
fn hide(record: &[u8], secrets: &[Vec<u8>]) -> Vec<Option<u8>> {
    let mut shown: Vec<Option<u8>> = record.iter().copied().map(Some).collect();
    let place = shown.get_mut(SECRETS).into_iter().flatten();
    place.filter(|byte| !matches!(byte, Some(0 | 0xFF))).for_each(|byte| *byte = None);
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        for at in memmem::find_iter(record, secret) {
            shown.get_mut(at..at + secret.len()).into_iter().flatten().for_each(|byte| *byte = None);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use firmware_core::config::{Config, Host, Passphrase, Ssid, Token};
    use firmware_core::store::Store;

    use super::*;

    const PASSWORD: &[u8] = b"correct horse";

    fn flash() -> Box<ArrayFlash<FLASH_LEN>> {
        let mut flash = Box::<ArrayFlash<FLASH_LEN>>::default();
        let config = Config {
            ssid: Ssid::new(b"HomeNet").expect("a name"),
            passphrase: Passphrase::new(PASSWORD).expect("a password"),
            token: Token::new(&[b't'; 32]).expect("a token"),
            host: Host::try_from("blynk.cloud").expect("a host"),
            port: 443,
            static_ip: None,
        };
        let mut store = Store::new();
        store.load(&mut *flash).expect("it can be read");
        store.save_trial(&mut *flash, &config).expect("it can be written");
        flash
    }

    #[test]
    fn a_record_is_told_and_its_secrets_are_not() {
        let view = FlashView::new(0, flash().bytes_mut(), &[]);
        let [first, second] = view.slots.as_slice() else { panic!("there are two slots") };
        assert_eq!((first.state.as_str(), second.state.as_str()), ("on trial", "erased"));
        let told: Vec<String> = first.fields.iter().map(|(name, value)| format!("{name} {value}")).collect();
        let expected = [
            "sequence 1",
            "attempts left 3",
            "SSID HomeNet",
            "password ***",
            "token ***",
            "host blynk.cloud:443",
        ];
        assert_eq!(told, expected);
        let shown: Vec<u8> = first.bytes.iter().map(|byte| byte.unwrap_or(b'*')).collect();
        assert!(memmem::find(&shown, b"HomeNet").is_some());
        assert!(memmem::find(&shown, b"horse").is_none() && memmem::find(&shown, b"tttt").is_none());
        assert!(second.bytes.iter().all(|byte| *byte == Some(0xFF)));
    }

    #[test]
    fn a_secret_in_a_strange_place_is_not_told_either() {
        let mut flash = flash();
        flash.bytes_mut()[100..100 + PASSWORD.len()].copy_from_slice(PASSWORD);
        flash.bytes_mut()[4_000] = 0;
        let view = FlashView::new(0, flash.bytes_mut(), &[PASSWORD.to_vec()]);
        assert_eq!(view.slots[0].bytes[99..101], [Some(0xFF), None]);
        assert_eq!((view.slots[0].state.as_str(), view.slots[0].others), ("on trial", 1));
    }
}
