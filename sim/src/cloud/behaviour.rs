//! What a cloud does where nobody has published what the real one does.

use smoltcp::time::Duration;

use super::PROVISION_TOKEN_LIFE;

/// What a cloud does where documents disagree or say nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// How long a device may be silent, in thousandths of the heartbeat it announced.
    pub heartbeat_factor_permille: u32,
    /// What becomes of a provision token whose device names a template that the account does not have.
    pub wrong_template: WrongTemplate,
    /// What becomes of a second login with one token.
    pub second_login: SecondLogin,
    /// Frames a second that a device may send. `None` for no limit.
    pub rate_max: Option<u32>,
    /// What becomes of a device that sends more.
    pub rate_breach: RateBreach,
    /// How long a provision token can be used for the first time.
    pub provision_token_life: Duration,
    /// What becomes of the session of a device that is deleted.
    pub deleted_session: DeletedSession,
    /// Whether an info is answered.
    pub acknowledge_info: bool,
    /// Whether a logged event is answered.
    pub acknowledge_event: bool,
    /// Whether a group is answered.
    pub acknowledge_group: bool,
    /// Whether setting metadata is answered.
    pub acknowledge_meta: bool,
    /// Which message id the answers to `utc` and `meta get` have.
    pub answer_id: AnswerId,
    /// Where devices are sent that log in, host and port, instead of being served here.
    pub redirect: Option<(String, u16)>,
    /// How often it pings a device by itself, which breaks two Python clients. `None` for never.
    pub ping_every: Option<Duration>,
}

impl Behaviour {
    /// What the newest documents say, else what the last open server did.
    pub const DOCUMENTED: Self = Self {
        heartbeat_factor_permille: 1_500,
        wrong_template: WrongTemplate::Ignore,
        second_login: SecondLogin::ReplacesFirst,
        rate_max: Some(50),
        rate_breach: RateBreach::Close,
        provision_token_life: PROVISION_TOKEN_LIFE,
        deleted_session: DeletedSession::Closes,
        acknowledge_info: true,
        acknowledge_event: true,
        acknowledge_group: false,
        acknowledge_meta: true,
        answer_id: AnswerId::Request,
        redirect: None,
        ping_every: None,
    };
}

/// What becomes of a device that names an unknown template.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WrongTemplate {
    /// It stays connected and is never activated.
    Ignore,
    /// Its info is answered with this status and the connection ends.
    Refuse(u16),
}

/// What becomes of a second login with one token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecondLogin {
    /// The older connection ends.
    ReplacesFirst,
    /// The newer one is refused with status 4.
    Refuse,
}

/// What becomes of a device that sends more frames than it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RateBreach {
    /// Its connection ends, as the documents say.
    Close,
    /// What is too much is dropped, and answered with status 1 once a minute, as the legacy server did.
    Drop,
}

/// What becomes of the session of a device that is deleted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DeletedSession {
    /// It ends.
    Closes,
    /// It goes on until one side ends it; nothing that the device says is kept.
    GoesOn,
}

/// Which message id an answer has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnswerId {
    /// The request's.
    Request,
    /// The one of what the server says by itself.
    Server,
}

/// What a server does when a client begins TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handshake {
    /// It goes on with it.
    Normal,
    /// It says nothing and keeps the connection open.
    Silent,
    /// It ends the connection in the middle of its first answer.
    Cut,
}

/// How a login is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LoginAnswer {
    /// As it deserves.
    Normal,
    /// With this status, whatever the token.
    Status(u16),
    /// Not at all.
    Silent,
}
