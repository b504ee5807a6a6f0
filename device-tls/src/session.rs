//! One session of Mbed TLS: everything that calls it.
//!
//! Mbed TLS asks for bytes and gives bytes through two callbacks. They work on the slices of the call that is going
//! on, so that nothing is kept here between two calls: a record that is not complete waits in Mbed TLS's own buffer,
//! and so does one that found no room.

use core::ffi::{CStr, c_int, c_uchar, c_void};
use core::marker::PhantomData;
use core::ptr::{null, null_mut};

use firmware_core::config::HOST_LEN_MAX;
use firmware_core::hal::{Date, SecureError};
use mbedtls_rs_sys as mbed;
use mbedtls_rs_sys::{mbedtls_ssl_config, mbedtls_ssl_context, mbedtls_x509_crt};

use crate::dates::{self, Objection};
use crate::owned::Owned;
use crate::random;

/// What TLS 1.3 and 1.2 may use, the quickest without special hardware first; zero ends the list.
static CIPHERS: [c_int; 10] = [
    mbed::MBEDTLS_TLS1_3_AES_128_GCM_SHA256 as c_int,
    mbed::MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256 as c_int,
    mbed::MBEDTLS_TLS1_3_AES_256_GCM_SHA384 as c_int,
    mbed::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 as c_int,
    mbed::MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 as c_int,
    mbed::MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 as c_int,
    mbed::MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 as c_int,
    mbed::MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 as c_int,
    mbed::MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 as c_int,
    0,
];

/// Key agreements, the one that is offered at once first; zero ends the list.
static GROUPS: [u16; 4] = [
    mbed::MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1 as u16,
    mbed::MBEDTLS_SSL_IANA_TLS_GROUP_X25519 as u16,
    mbed::MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1 as u16,
    0,
];

/// Where a session is after a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// It goes on.
    Going,
    /// The server has closed it in good order.
    Ended,
}

/// What Mbed TLS needs to stay where it is while a session lasts.
struct Parts {
    ssl: mbedtls_ssl_context,
    config: mbedtls_ssl_config,
    roots: mbedtls_x509_crt,
    wire: Wire,
    date: Date,
}

/// The slices of the call that is going on; empty between calls.
struct Wire {
    inbound: *const u8,
    inbound_len: usize,
    outbound: *mut u8,
    outbound_len: usize,
}

impl Wire {
    const NONE: Self = Self { inbound: null(), inbound_len: 0, outbound: null_mut(), outbound_len: 0 };
}

/// A session from its first byte to its last. The certificates of the roots are read in place.
pub(crate) struct Session<'r> {
    parts: Owned<Parts>,
    is_established: bool,
    roots: PhantomData<&'r [u8]>,
}

impl<'r> Session<'r> {
    /// Prepares a handshake.
    pub(crate) fn open(roots: &[&'r [u8]], server_name: &str, date: Date) -> Result<Self, SecureError> {
        // SAFETY: it takes nothing, and may be called again.
        if unsafe { mbed::psa_crypto_init() } != 0 {
            return Err(SecureError::Unavailable);
        }
        let parts = Owned::<Parts>::zeroed().ok_or(SecureError::Unavailable)?;
        let at = parts.as_ptr();
        // SAFETY: the parts are memory of ours that is large enough for each of them.
        unsafe {
            (&raw mut (*at).wire).write(Wire::NONE);
            (&raw mut (*at).date).write(date);
            mbed::mbedtls_ssl_init(&raw mut (*at).ssl);
            mbed::mbedtls_ssl_config_init(&raw mut (*at).config);
            mbed::mbedtls_x509_crt_init(&raw mut (*at).roots);
        }
        // From here on, dropping it frees what Mbed TLS allocates.
        let session = Self { parts, is_established: false, roots: PhantomData };
        for root in roots {
            // SAFETY: the root outlives the session, as `'r` says.
            let result = unsafe {
                mbed::mbedtls_x509_crt_parse_der_nocopy(&raw mut (*at).roots, root.as_ptr(), root.len())
            };
            if result != 0 {
                return Err(explain(result));
            }
        }
        session.configure()?;
        session.name(server_name)?;
        Ok(session)
    }

    fn configure(&self) -> Result<(), SecureError> {
        let at = self.parts.as_ptr();
        // SAFETY: the parts are initialized and stay where they are until the session is dropped, so that the
        // pointers which Mbed TLS keeps to them stay good; the lists are static.
        let result = unsafe {
            let config = &raw mut (*at).config;
            let result = mbed::mbedtls_ssl_config_defaults(
                config,
                mbed::MBEDTLS_SSL_IS_CLIENT as c_int,
                mbed::MBEDTLS_SSL_TRANSPORT_STREAM as c_int,
                mbed::MBEDTLS_SSL_PRESET_DEFAULT as c_int,
            );
            mbed::mbedtls_ssl_conf_authmode(config, mbed::MBEDTLS_SSL_VERIFY_REQUIRED as c_int);
            mbed::mbedtls_ssl_conf_ca_chain(config, &raw mut (*at).roots, null_mut());
            mbed::mbedtls_ssl_conf_verify(config, Some(judge_dates), at.cast());
            mbed::mbedtls_ssl_conf_rng(config, Some(draw), null_mut());
            mbed::mbedtls_ssl_conf_ciphersuites(config, CIPHERS.as_ptr());
            mbed::mbedtls_ssl_conf_groups(config, GROUPS.as_ptr());
            mbed::mbedtls_ssl_conf_renegotiation(config, mbed::MBEDTLS_SSL_RENEGOTIATION_DISABLED as c_int);
            // A ticket would cost memory until the next session, which begins with a handshake anyway.
            mbed::mbedtls_ssl_conf_session_tickets(config, 0);
            if result == 0 { mbed::mbedtls_ssl_setup(&raw mut (*at).ssl, config) } else { result }
        };
        if result != 0 {
            return Err(explain(result));
        }
        // SAFETY: as above.
        unsafe {
            let wire = (&raw mut (*at).wire).cast();
            mbed::mbedtls_ssl_set_bio(&raw mut (*at).ssl, wire, Some(send), Some(receive), None);
        }
        Ok(())
    }

    /// Says which name the server must prove.
    fn name(&self, server_name: &str) -> Result<(), SecureError> {
        let mut text = [0; HOST_LEN_MAX + 1];
        let room = text.get_mut(..server_name.len()).ok_or(SecureError::WrongName)?;
        room.copy_from_slice(server_name.as_bytes());
        let name = CStr::from_bytes_until_nul(&text).map_err(|_| SecureError::WrongName)?;
        if name.is_empty() || name.count_bytes() != server_name.len() {
            return Err(SecureError::WrongName);
        }
        // SAFETY: the context is set up, and the name is copied.
        let result = unsafe { mbed::mbedtls_ssl_set_hostname(self.ssl(), name.as_ptr()) };
        if result == 0 { Ok(()) } else { Err(explain(result)) }
    }

    /// Whether the handshake is done.
    pub(crate) fn is_established(&self) -> bool {
        self.is_established
    }

    /// Takes bytes of the server, as many as can be used now.
    pub(crate) fn receive(&mut self, wire: &[u8]) -> (usize, Result<Progress, SecureError>) {
        self.set_wire(Wire { inbound: wire.as_ptr(), inbound_len: wire.len(), ..Wire::NONE });
        let progress = self.advance();
        let left = self.inbound_len();
        self.set_wire(Wire::NONE);
        (wire.len().saturating_sub(left), progress)
    }

    /// Gives bytes for the server.
    pub(crate) fn transmit(&mut self, wire: &mut [u8]) -> (usize, Result<Progress, SecureError>) {
        self.set_wire(Wire { outbound: wire.as_mut_ptr(), outbound_len: wire.len(), ..Wire::NONE });
        let progress = if self.is_established { self.flush() } else { self.advance() };
        // SAFETY: no call into Mbed TLS is going on.
        let left = unsafe { (*self.parts.as_ptr()).wire.outbound_len };
        self.set_wire(Wire::NONE);
        (wire.len().saturating_sub(left), progress)
    }

    /// Takes data to send: one record's worth, when the last one is on its way.
    pub(crate) fn write(&mut self, data: &[u8]) -> Result<usize, SecureError> {
        if !self.is_established || data.is_empty() || self.has_unsent() {
            return Ok(0);
        }
        // SAFETY: the slice is good for its length.
        let result = unsafe { mbed::mbedtls_ssl_write(self.ssl(), data.as_ptr(), data.len()) };
        match result {
            // The record is made and waits for room, so that its data is taken.
            mbed::MBEDTLS_ERR_SSL_WANT_WRITE => Ok(data.len().min(self.record_len_max())),
            error if error < 0 => Err(explain(error)),
            taken => Ok(usize::try_from(taken).unwrap_or(0)),
        }
    }

    /// Gives received data.
    pub(crate) fn read(&mut self, data: &mut [u8]) -> (usize, Result<Progress, SecureError>) {
        if !self.is_established || data.is_empty() {
            return (0, Ok(Progress::Going));
        }
        // SAFETY: the slice is good for its length.
        let result = unsafe { mbed::mbedtls_ssl_read(self.ssl(), data.as_mut_ptr(), data.len()) };
        match usize::try_from(result) {
            Ok(given) => (given, Ok(Progress::Going)),
            Err(_) if is_pause(result) => (0, Ok(Progress::Going)),
            Err(_) => (0, self.after(result)),
        }
    }

    /// Goes on with the handshake, or fetches the next record, as far as the bytes at hand allow.
    fn advance(&mut self) -> Result<Progress, SecureError> {
        loop {
            let before = self.inbound_len();
            // SAFETY: the context is set up; for no data, no room is needed.
            let result = unsafe {
                if self.is_established {
                    mbed::mbedtls_ssl_read(self.ssl(), null_mut(), 0)
                } else {
                    mbed::mbedtls_ssl_handshake(self.ssl())
                }
            };
            match result {
                0 if self.is_established => return Ok(Progress::Going),
                0 => self.is_established = true,
                // What it has read by then was nothing for us: a warning or a ticket. Behind it may be more.
                error if is_pause(error) && self.inbound_len() < before => {}
                // It is over, and only the word to the server has not found room.
                mbed::MBEDTLS_ERR_SSL_WANT_WRITE if self.failure() != 0 => return self.after(self.failure()),
                error if is_pause(error) => return Ok(Progress::Going),
                error => return self.after(error),
            }
        }
    }

    /// Sends what waits of the last record.
    fn flush(&mut self) -> Result<Progress, SecureError> {
        if !self.has_unsent() {
            return Ok(Progress::Going);
        }
        // SAFETY: while bytes wait, the call looks at no data; that there is a byte is true all the same.
        let result = unsafe { mbed::mbedtls_ssl_write(self.ssl(), [0].as_ptr(), 1) };
        if result >= 0 || is_pause(result) { Ok(Progress::Going) } else { self.after(result) }
    }

    fn after(&self, error: c_int) -> Result<Progress, SecureError> {
        match error {
            mbed::MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY => Ok(Progress::Ended),
            mbed::MBEDTLS_ERR_X509_CERT_VERIFY_FAILED => {
                // SAFETY: the context is set up.
                Err(explain_flags(unsafe { mbed::mbedtls_ssl_get_verify_result(self.ssl()) }))
            }
            error => Err(explain(error)),
        }
    }

    /// The error that a pending alert is about, or 0.
    fn failure(&self) -> c_int {
        // SAFETY: no call into Mbed TLS is going on.
        let ssl = unsafe { &(*self.parts.as_ptr()).ssl };
        if ssl.private_send_alert == 0 { 0 } else { ssl.private_alert_reason }
    }

    fn has_unsent(&self) -> bool {
        // SAFETY: no call into Mbed TLS is going on.
        unsafe { (*self.parts.as_ptr()).ssl.private_out_left != 0 }
    }

    fn record_len_max(&self) -> usize {
        // SAFETY: the context is set up.
        let len = unsafe { mbed::mbedtls_ssl_get_max_out_record_payload(self.ssl()) };
        usize::try_from(len).unwrap_or(0)
    }

    fn inbound_len(&self) -> usize {
        // SAFETY: no call into Mbed TLS is going on.
        unsafe { (*self.parts.as_ptr()).wire.inbound_len }
    }

    fn set_wire(&mut self, wire: Wire) {
        // SAFETY: no call into Mbed TLS is going on.
        unsafe { (*self.parts.as_ptr()).wire = wire };
    }

    fn ssl(&self) -> *mut mbedtls_ssl_context {
        // SAFETY: the place is in memory of ours.
        unsafe { &raw mut (*self.parts.as_ptr()).ssl }
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        let at = self.parts.as_ptr();
        // SAFETY: each part was initialized when the session was made, and none is used afterwards.
        unsafe {
            mbed::mbedtls_ssl_free(&raw mut (*at).ssl);
            mbed::mbedtls_ssl_config_free(&raw mut (*at).config);
            mbed::mbedtls_x509_crt_free(&raw mut (*at).roots);
        }
    }
}

/// Whether it goes on with more bytes or more room.
fn is_pause(error: c_int) -> bool {
    matches!(
        error,
        mbed::MBEDTLS_ERR_SSL_WANT_READ
            | mbed::MBEDTLS_ERR_SSL_WANT_WRITE
            | mbed::MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET
    )
}

fn explain(error: c_int) -> SecureError {
    match error {
        mbed::MBEDTLS_ERR_SSL_ALLOC_FAILED | mbed::MBEDTLS_ERR_X509_ALLOC_FAILED => SecureError::Unavailable,
        mbed::MBEDTLS_ERR_SSL_CA_CHAIN_REQUIRED => SecureError::UnknownAuthority,
        _ => SecureError::Protocol,
    }
}

/// Who is not known is not asked for more; and a certificate that cannot be right at any time is worse than one that
/// is too old.
fn explain_flags(flags: u32) -> SecureError {
    const DATES_AND_NAME: u32 = mbed::MBEDTLS_X509_BADCERT_EXPIRED
        | mbed::MBEDTLS_X509_BADCERT_FUTURE
        | mbed::MBEDTLS_X509_BADCERT_CN_MISMATCH;
    if flags & !DATES_AND_NAME != 0 {
        SecureError::UnknownAuthority
    } else if flags & mbed::MBEDTLS_X509_BADCERT_EXPIRED != 0 {
        SecureError::Expired
    } else if flags & mbed::MBEDTLS_X509_BADCERT_FUTURE != 0 {
        SecureError::NotYetValid
    } else {
        SecureError::WrongName
    }
}

/// Moves bytes out. Less than asked for is allowed, nothing is "try again".
unsafe extern "C" fn send(wire: *mut c_void, bytes: *const c_uchar, len: usize) -> c_int {
    // SAFETY: it is the wire that was given with this function, and nobody else uses it during the call.
    let wire = unsafe { &mut *wire.cast::<Wire>() };
    let count = len.min(wire.outbound_len);
    if count == 0 {
        return mbed::MBEDTLS_ERR_SSL_WANT_WRITE;
    }
    // SAFETY: both are good for at least `count`, and one is Mbed TLS's buffer while the other is the owner's.
    unsafe {
        wire.outbound.copy_from_nonoverlapping(bytes, count);
        wire.outbound = wire.outbound.add(count);
    }
    wire.outbound_len -= count;
    // At most a record's length.
    count as c_int
}

/// Moves bytes in. Less than asked for is allowed, nothing is "try again".
unsafe extern "C" fn receive(wire: *mut c_void, bytes: *mut c_uchar, len: usize) -> c_int {
    // SAFETY: it is the wire that was given with this function, and nobody else uses it during the call.
    let wire = unsafe { &mut *wire.cast::<Wire>() };
    let count = len.min(wire.inbound_len);
    if count == 0 {
        return mbed::MBEDTLS_ERR_SSL_WANT_READ;
    }
    // SAFETY: both are good for at least `count`, and one is Mbed TLS's buffer while the other is the owner's.
    unsafe {
        bytes.copy_from_nonoverlapping(wire.inbound, count);
        wire.inbound = wire.inbound.add(count);
    }
    wire.inbound_len -= count;
    // At most a record's length.
    count as c_int
}

/// Adds what the date says to what Mbed TLS, which was compiled without a clock, says against a certificate.
unsafe extern "C" fn judge_dates(
    parts: *mut c_void,
    certificate: *mut mbedtls_x509_crt,
    _depth: c_int,
    flags: *mut u32,
) -> c_int {
    let parts: *const Parts = parts.cast();
    // An authority is trusted because it was given, whatever its certificate says of time.
    // SAFETY: the parts are those that were given with this function; the list ends with null.
    unsafe {
        let mut root = &raw const (*parts).roots;
        while !root.is_null() {
            if core::ptr::eq(root, certificate) {
                return 0;
            }
            root = (*root).next;
        }
    }
    // SAFETY: Mbed TLS gives a certificate that it has parsed, and flags to be changed.
    unsafe {
        match dates::judge((*parts).date, &(*certificate).valid_from, &(*certificate).valid_to) {
            Some(Objection::Expired) => *flags |= mbed::MBEDTLS_X509_BADCERT_EXPIRED,
            Some(Objection::NotYetValid) => *flags |= mbed::MBEDTLS_X509_BADCERT_FUTURE,
            None => {}
        }
    }
    0
}

/// Gives Mbed TLS chance.
unsafe extern "C" fn draw(_context: *mut c_void, bytes: *mut c_uchar, len: usize) -> c_int {
    // SAFETY: Mbed TLS gives memory that is good for the length.
    let is_filled = unsafe { fill(bytes, len) };
    if is_filled { 0 } else { mbed::MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED }
}

/// Gives the key agreement of TLS 1.3 chance, which has no context to ask.
// SAFETY: nothing else defines what Mbed TLS declares under this name.
#[unsafe(no_mangle)]
unsafe extern "C" fn mbedtls_psa_external_get_random(
    _context: *mut c_void,
    bytes: *mut c_uchar,
    len: usize,
    filled_len: *mut usize,
) -> mbed::psa_status_t {
    /// There is no chance to be had (PSA Crypto API 1.0).
    const PSA_ERROR_INSUFFICIENT_ENTROPY: mbed::psa_status_t = -148;
    // SAFETY: Mbed TLS gives memory that is good for the length, and a place for the length.
    unsafe {
        if !fill(bytes, len) {
            return PSA_ERROR_INSUFFICIENT_ENTROPY;
        }
        filled_len.write(len);
    }
    0
}

/// # Safety
/// `bytes` must be good for writes of `len` bytes, unless `len` is 0.
unsafe fn fill(bytes: *mut c_uchar, len: usize) -> bool {
    if len == 0 {
        return true;
    }
    // SAFETY: the caller says so; the zeros are written first, because the memory may never have been.
    let bytes = unsafe {
        bytes.write_bytes(0, len);
        core::slice::from_raw_parts_mut(bytes, len)
    };
    random::fill(bytes)
}
