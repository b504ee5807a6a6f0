//! How answers are carried: in pieces, together, in another order; and what the switches change.

use super::*;

/// A service and one conversation with it, without a network.
struct Talk {
    now: Instant,
    service: Service,
    conversation: Conversation,
}

impl Talk {
    /// A device that is logged in.
    fn new(behaviour: Behaviour) -> Self {
        let template = Template { id: TEMPLATE.into(), name: "Lamp".into() };
        let mut directory = Directory::new(Vec::new(), vec![template], OldToken::Invalid, 1);
        let now = Instant::from_secs(1);
        directory.add_device(now, TEMPLATE, TOKEN);
        let service = Service::new(behaviour, directory.shared(), 0);
        let mut talk = Self { now, service, conversation: Conversation::new(false) };
        talk.say(&frame(29, 1, TOKEN.as_bytes()));
        assert_eq!(talk.take().concat(), status(1, 200));
        talk
    }

    fn say(&mut self, bytes: &[u8]) {
        self.service.receive(self.now, &mut self.conversation, bytes);
        self.service.poll(self.now, &mut self.conversation);
    }

    /// What is sent now, each piece by itself.
    fn take(&mut self) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        while let Some(bytes) = self.conversation.sendable(self.now).map(<[u8]>::to_vec) {
            self.conversation.note_sent(self.now, bytes.len());
            pieces.push(bytes);
        }
        pieces
    }

    /// Lets time pass from wake to wake, and returns each piece with the milliseconds until it was sent.
    fn pieces_within(&mut self, span: Duration) -> Vec<(u64, Vec<u8>)> {
        let (start, end) = (self.now, self.now + span);
        let mut pieces = Vec::new();
        loop {
            self.service.poll(self.now, &mut self.conversation);
            let passed = (self.now - start).total_millis();
            pieces.extend(self.take().into_iter().map(|piece| (passed, piece)));
            let is_over = self.conversation.is_overdue(self.now);
            match self.conversation.next_wake().filter(|at| *at <= end && !is_over) {
                Some(at) => {
                    assert!(at > self.now, "a poll does all that is due");
                    self.now = at;
                }
                None => {
                    self.now = end;
                    return pieces;
                }
            }
        }
    }
}

fn frame(command: u8, id: u8, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[command, 0, id][..], &len, body].concat()
}

fn ping(id: u8) -> Vec<u8> {
    frame(6, id, b"")
}

fn status(id: u8, status: u8) -> Vec<u8> {
    vec![0, 0, id, 0, status]
}

#[test]
fn answers_come_in_pieces_a_millisecond_apart() {
    let mut talk = Talk::new(Behaviour::DOCUMENTED);
    talk.service.set_split(core::num::NonZero::new(2));
    talk.say(&ping(7));
    let pieces = talk.pieces_within(SOON);
    assert_eq!(pieces, [(0, vec![0, 0]), (1, vec![7, 0]), (2, vec![200])]);
    talk.service.mend();
    talk.say(&ping(8));
    assert_eq!(talk.pieces_within(SOON), [(0, status(8, 200))]);
}

#[test]
fn answers_of_a_window_come_together() {
    let mut talk = Talk::new(Behaviour::DOCUMENTED);
    talk.service.set_coalesce(Duration::from_millis(50));
    talk.say(&ping(2));
    talk.now += Duration::from_millis(20);
    talk.say(&ping(3));
    assert_eq!(talk.pieces_within(SOON), [(30, [status(2, 200), status(3, 200)].concat())]);
    // The next window begins with the next answer.
    talk.say(&ping(4));
    assert_eq!(talk.pieces_within(SOON), [(50, status(4, 200))]);
}

#[test]
fn answers_of_a_window_come_with_the_last_first() {
    let mut talk = Talk::new(Behaviour::DOCUMENTED);
    talk.service.set_reorder(Duration::from_millis(50));
    talk.service.set_split(core::num::NonZero::new(10));
    talk.say(&ping(2));
    talk.say(&[ping(3), frame(16, 4, b"vr\x009"), ping(5)].concat());
    let first = [status(5, 200), status(3, 200)].concat();
    assert_eq!(talk.pieces_within(SOON), [(50, first), (51, status(2, 200))]);
    talk.service.set_reorder(Duration::ZERO);
    talk.say(&[ping(6), ping(7)].concat());
    assert_eq!(talk.pieces_within(SOON), [(0, [status(6, 200), status(7, 200)].concat())]);
}

#[test]
fn a_cloud_that_pings_does_so_while_the_session_lasts() {
    let behaviour = Behaviour { ping_every: Some(Duration::from_secs(10)), ..Behaviour::DOCUMENTED };
    let mut talk = Talk::new(behaviour);
    // 7777, as the legacy server numbers what it says by itself.
    let pinged = vec![6, 0x1E, 0x61, 0, 0];
    let pieces = talk.pieces_within(Duration::from_secs(21));
    assert_eq!(pieces, [(10_000, pinged.clone()), (20_000, pinged)]);
    talk.conversation.close();
    assert_eq!(talk.pieces_within(Duration::from_secs(60)), []);
}

#[test]
fn too_many_frames_can_be_dropped_and_answered_once_a_minute() {
    let behaviour = Behaviour { rate_max: Some(2), rate_breach: RateBreach::Drop, ..Behaviour::DOCUMENTED };
    let mut talk = Talk::new(behaviour);
    let burst = [ping(2), ping(3), ping(4), ping(5)].concat();
    talk.say(&burst);
    // The login was the first frame of this second.
    assert_eq!(talk.take().concat(), [status(2, 200), status(3, 1)].concat());
    talk.now += Duration::from_secs(1);
    talk.say(&burst);
    assert_eq!(talk.take().concat(), [status(2, 200), status(3, 200)].concat());
    assert!(!talk.conversation.is_closing());
    talk.now += Duration::from_secs(59);
    talk.service.receive(talk.now, &mut talk.conversation, &burst);
    assert_eq!(talk.take().concat(), [status(2, 200), status(3, 200), status(4, 1)].concat());
}

#[test]
fn a_deleted_devices_session_ends_or_goes_on() {
    for (deleted_session, goes_on) in [(DeletedSession::Closes, false), (DeletedSession::GoesOn, true)] {
        let mut talk = Talk::new(Behaviour { deleted_session, ..Behaviour::DOCUMENTED });
        assert!(talk.service.delete_device(1));
        talk.service.poll(talk.now, &mut talk.conversation);
        assert_eq!(!talk.conversation.is_closing(), goes_on);
        talk.say(&frame(20, 2, b"vw\x005\0x"));
        talk.say(&ping(3));
        assert_eq!(talk.take().concat(), if goes_on { status(3, 200) } else { Vec::new() });
    }
}

#[test]
fn answers_can_have_a_number_of_the_servers_own() {
    let mut talk = Talk::new(Behaviour { answer_id: AnswerId::Server, ..Behaviour::DOCUMENTED });
    talk.say(&frame(17, 9, b"utc\0tz_name"));
    let heard = talk.take().concat();
    assert_eq!(heard, [&[17, 0x1E, 0x61, 0, 19][..], b"utc\0tz_name\0Etc/UTC"].concat());
}
