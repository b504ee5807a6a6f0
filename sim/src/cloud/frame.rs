//! The binary device protocol's frames: a header of five bytes, then parameters separated by NUL.

/// Command codes (the ones this server says or understands).
pub(super) mod command {
    pub(in crate::cloud) const RESPONSE: u8 = 0;
    pub(in crate::cloud) const LOGIN: u8 = 2;
    pub(in crate::cloud) const PING: u8 = 6;
    pub(in crate::cloud) const HARDWARE_SYNC: u8 = 16;
    pub(in crate::cloud) const INTERNAL: u8 = 17;
    pub(in crate::cloud) const PROPERTY: u8 = 19;
    pub(in crate::cloud) const HARDWARE: u8 = 20;
    pub(in crate::cloud) const GROUP: u8 = 21;
    pub(in crate::cloud) const HW_LOGIN: u8 = 29;
    pub(in crate::cloud) const REDIRECT: u8 = 41;
    pub(in crate::cloud) const EVENT_LOG: u8 = 64;
    pub(in crate::cloud) const EVENT_CLEAR: u8 = 65;
}

/// Status codes.
pub(super) mod status {
    pub(in crate::cloud) const SUCCESS: u16 = 200;
    pub(in crate::cloud) const ILLEGAL_COMMAND: u16 = 2;
    pub(in crate::cloud) const ALREADY_REGISTERED: u16 = 4;
    pub(in crate::cloud) const INVALID_TOKEN: u16 = 9;
    pub(in crate::cloud) const ILLEGAL_COMMAND_BODY: u16 = 11;
}

const HEADER_LEN: usize = 5;

/// One frame that has arrived whole. A response has no body; its status does not matter to a server.
pub(super) struct Incoming<'a> {
    pub(super) command: u8,
    pub(super) id: u16,
    pub(super) body: &'a [u8],
    /// How many bytes it took.
    pub(super) len: usize,
}

/// The first frame in `bytes`; `None` while it is incomplete.
pub(super) fn read(bytes: &[u8]) -> Option<Incoming<'_>> {
    let ([command, id_high, id_low, len_high, len_low], rest) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let len = if *command == command::RESPONSE { 0 } else { u16::from_be_bytes([*len_high, *len_low]) };
    let body = rest.get(..usize::from(len))?;
    let id = u16::from_be_bytes([*id_high, *id_low]);
    Some(Incoming { command: *command, id, body, len: HEADER_LEN + body.len() })
}

/// Writes a frame whose body is these parameters. One that is too long for its length field is not written.
pub(super) fn write(out: &mut Vec<u8>, command: u8, id: u16, parameters: &[&[u8]]) {
    let body_len = parameters.iter().map(|parameter| parameter.len() + 1).sum::<usize>().saturating_sub(1);
    let Ok(body_len) = u16::try_from(body_len) else { return };
    header(out, command, id, body_len);
    for (n, parameter) in parameters.iter().enumerate() {
        if n > 0 {
            out.push(0);
        }
        out.extend_from_slice(parameter);
    }
}

/// Writes an answer: a header whose length field is the status.
pub(super) fn write_status(out: &mut Vec<u8>, id: u16, status: u16) {
    header(out, command::RESPONSE, id, status);
}

fn header(out: &mut Vec<u8>, command: u8, id: u16, len_or_status: u16) {
    out.push(command);
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(&len_or_status.to_be_bytes());
}
