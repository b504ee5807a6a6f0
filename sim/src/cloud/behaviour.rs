//! What a cloud does where nobody has published what the real one does.

/// What a cloud does where documents disagree or say nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// How long a device may be silent, in thousandths of the heartbeat it announced.
    pub heartbeat_factor_permille: u32,
    /// What becomes of a provision token whose device names a template that the account does not have.
    pub wrong_template: WrongTemplate,
    /// What becomes of a second login with one token.
    pub second_login: SecondLogin,
    /// Frames a second; more close the connection. `None` for no limit.
    pub rate_max: Option<u32>,
    /// Whether an info is answered.
    pub acknowledge_info: bool,
    /// Whether a logged event is answered.
    pub acknowledge_event: bool,
    /// Whether a group is answered.
    pub acknowledge_group: bool,
    /// Whether setting metadata is answered.
    pub acknowledge_meta: bool,
}

impl Behaviour {
    /// What the newest documents say, else what the last open server did.
    pub const DOCUMENTED: Self = Self {
        heartbeat_factor_permille: 1_500,
        wrong_template: WrongTemplate::Ignore,
        second_login: SecondLogin::ReplacesFirst,
        rate_max: Some(50),
        acknowledge_info: true,
        acknowledge_event: true,
        acknowledge_group: false,
        acknowledge_meta: true,
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
