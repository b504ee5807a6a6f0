//! The directory by itself: whose token it is, what the journal notes, and what comes back of what was kept.

use super::*;

const NOW: Instant = Instant::from_micros_const(1_000_000_000);
const LIFE: Duration = Duration::from_secs(60);

fn directory(old_token: OldToken) -> Directory {
    let account = Account { email: "boss@example.com".into(), password: "secret".into() };
    let template = Template { id: TEMPLATE.into(), name: "Lamp".into() };
    Directory::new(vec![account], vec![template], old_token, 1)
}

fn whose(directory: &Directory, token: &str) -> Option<DeviceId> {
    directory.find(NOW, token).map(Device::id)
}

#[test]
fn a_token_leads_to_its_device_as_long_as_it_is_good() {
    let mut directory = directory(OldToken::GoodUntilNewIsUsed);
    let (first, token) = directory.issue_token(NOW, LIFE);
    let second = directory.add_device(NOW, TEMPLATE, TOKEN);
    let copy = directory.add_device(NOW, TEMPLATE, TOKEN);
    assert_eq!((whose(&directory, &token), whose(&directory, TOKEN)), (Some(first), Some(second)));
    assert_eq!(directory.find(NOW + LIFE, &token).map(Device::id), None, "its time is over");
    // One that was deleted takes no other device's token along.
    assert!(directory.delete(copy) && !directory.delete(copy));
    assert_eq!(whose(&directory, TOKEN), Some(second));
    let next = directory.reissue_token(NOW, second, LIFE).unwrap();
    let last = directory.reissue_token(NOW, second, LIFE).unwrap();
    assert_eq!((whose(&directory, TOKEN), whose(&directory, &next)), (Some(second), None));
    directory.log_in(NOW, second, &last);
    assert_eq!((whose(&directory, TOKEN), whose(&directory, &last)), (None, Some(second)));
    assert!(directory.revoke(NOW, second));
    assert_eq!(whose(&directory, &last), None);
    assert!(directory.delete(first));
    assert!(!directory.knows_token(&token) && directory.device(first).is_none());
    assert_eq!(directory.device(second).map(Device::id), Some(second));
}

#[test]
fn the_journal_notes_what_is_to_be_kept_and_who_is_to_be_woken() {
    let mut directory = directory(OldToken::Invalid);
    let id = directory.add_device(NOW, TEMPLATE, TOKEN);
    assert!(directory.take_journal().is_empty(), "nobody wants to know");
    directory.keep_journal();
    let noted = |directory: &mut Directory| {
        let journal = directory.take_journal();
        assert!(journal.devices.keys().all(|device| *device == id));
        journal.devices.into_values().next().unwrap_or_default()
    };
    let itself = DeviceChanges { itself: true, ..DeviceChanges::default() };
    let (number, _) = directory.log_in(NOW, id, TOKEN);
    assert_eq!(noted(&mut directory), itself);
    directory.set_pin(id, 5, b"x");
    directory.set_pin(id, 6, b"x");
    assert_eq!(noted(&mut directory), DeviceChanges { pins: [5, 6].into(), ..DeviceChanges::default() });
    directory.write(id, 7, b"x");
    assert_eq!(noted(&mut directory), DeviceChanges { pins: [7].into(), wakes: true, itself: false });
    assert_eq!(directory.take_downlinks(id).len(), 1);
    directory.log_in(NOW, id, TOKEN);
    assert_eq!(
        noted(&mut directory),
        DeviceChanges { wakes: true, ..itself.clone() },
        "the older one is void"
    );
    assert!(!directory.log_out(NOW, id, number), "that session is none any more");
    assert!(directory.take_journal().is_empty());
    directory.set_info(id, b"ver\x001");
    directory.log_event(id, "code", "");
    assert_eq!(noted(&mut directory), itself);
    directory.delete(id);
    assert_eq!(noted(&mut directory), DeviceChanges { wakes: true, ..itself });
    assert!(directory.authorize(NOW, "boss@example.com", "secret").is_some());
    assert!(directory.take_journal().access_tokens);
}

#[test]
fn what_was_kept_comes_back() {
    let mut first = directory(OldToken::GoodUntilNewIsUsed);
    let id = first.add_device(NOW, TEMPLATE, TOKEN);
    let next = first.reissue_token(NOW, id, LIFE).unwrap();
    first.set_pin(id, 5, b"a\0b");
    first.set_meta(id, "Hotspot Name", "Lamp-1");
    first.set_meta(id, "Device Name", "Kitchen");
    first.log_event(id, "code", "text");
    first.set_info(id, b"ver\x001");
    let (number, _) = first.log_in(NOW, id, TOKEN);
    first.log_out(NOW + LIFE, id, number);
    let access = first.authorize(NOW, "boss@example.com", "secret").unwrap();

    let mut second = directory(OldToken::GoodUntilNewIsUsed);
    let record = first.record(id).unwrap();
    assert!(second.restore(record.clone()));
    assert!(!second.restore(record.clone()), "it is there already");
    assert!(second.record(id).unwrap() == record, "nothing is lost");
    assert_eq!((whose(&second, TOKEN), whose(&second, &next)), (Some(id), Some(id)));
    let device = second.device(id).unwrap();
    assert_eq!(
        (device.name(), device.pin(5), device.status()),
        ("Kitchen", Some(&b"a\0b"[..]), DeviceStatus::Offline)
    );
    assert_eq!((device.connected_at(), device.disconnected_at()), (Some(NOW), Some(NOW + LIFE)));
    for token in first.access_tokens() {
        second.restore_access_token(token);
    }
    assert!(second.is_authorized(NOW, &access));
    second.skip_to_id(7);
    assert_eq!(second.issue_token(NOW, LIFE).0, 8);
}
