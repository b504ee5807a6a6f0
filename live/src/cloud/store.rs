//! The SQLite file that keeps what the cloud knows.
//!
//! Every change is written before its answer leaves. The write-ahead log is not forced to the disk each time: what was
//! answered survives the end of this program at any moment, and after a power cut the file is whole but may lack the
//! last moments.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use hil_sim::cloud::{
    Account, DeviceChanges, DeviceId, DeviceRecord, Directory, Journal, Template, TokenRecord,
};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};
use smoltcp::time::Instant;

use super::options::CloudError;

/// Marks the file as ours: `HILc` in ASCII.
const APPLICATION_ID: i32 = 0x4849_4C63;
/// The form of the tables.
const VERSION: i32 = 1;
/// Times are microseconds since 1970.
const TABLES: &str = "
    CREATE TABLE account (email TEXT PRIMARY KEY, password TEXT NOT NULL);
    CREATE TABLE template (id TEXT PRIMARY KEY, name TEXT NOT NULL);
    CREATE TABLE access_token (place INTEGER PRIMARY KEY, token TEXT NOT NULL, good_until INTEGER);
    CREATE TABLE counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
    CREATE TABLE device (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, token TEXT NOT NULL, token_good_until INTEGER,
        next_token TEXT, next_token_good_until INTEGER, template TEXT, activated_at INTEGER,
        first_connected_at INTEGER, connected_at INTEGER, disconnected_at INTEGER,
        meta TEXT NOT NULL, info BLOB NOT NULL, events TEXT NOT NULL
    );
    CREATE TABLE pin (
        device INTEGER NOT NULL, pin INTEGER NOT NULL, value BLOB NOT NULL, PRIMARY KEY (device, pin)
    ) WITHOUT ROWID;
";
/// The counter with the number of the youngest device there ever was.
const LAST_ID: &str = "last device";

/// The open file.
pub(super) struct Store {
    file: PathBuf,
    connection: Connection,
}

impl Store {
    /// Opens the file, or makes it.
    pub(super) fn open(file: &Path) -> Result<Self, CloudError> {
        // It holds secrets, so that nobody else may read it; SQLite gives its log the same rights.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        options.open(file).map_err(|error| CloudError::File { file: file.into(), what: "opened", error })?;
        let refused = |error: rusqlite::Error| unusable(file, &error.to_string());
        let connection = Connection::open(file).map_err(refused)?;
        prepare(&connection).map_err(refused)?;
        let application = connection.pragma_query_value(None, "application_id", |row| row.get::<_, i32>(0));
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i32>(0));
        if (application.map_err(refused)?, version.map_err(refused)?) != (APPLICATION_ID, VERSION) {
            return Err(unusable(file, "it was made by another program or version"));
        }
        Ok(Self { file: file.to_owned(), connection })
    }

    /// The password of an account.
    pub(super) fn password(&self, email: &str) -> Result<Option<String>, CloudError> {
        let query = "SELECT password FROM account WHERE email = ?1";
        self.done(self.connection.query_row(query, [email], |row| row.get(0)).optional())
    }

    /// Keeps an account and templates, and returns all templates that are kept.
    pub(super) fn add(&self, account: &Account, templates: &[Template]) -> Result<Vec<Template>, CloudError> {
        self.done((|| {
            let add = "INSERT OR REPLACE INTO account (email, password) VALUES (?1, ?2)";
            self.connection.execute(add, params![account.email, account.password])?;
            for Template { id, name } in templates {
                let add = "INSERT OR REPLACE INTO template (id, name) VALUES (?1, ?2)";
                self.connection.execute(add, params![id, name])?;
            }
            let mut query = self.connection.prepare("SELECT id, name FROM template ORDER BY id")?;
            let kept = query.query_map([], |row| Ok(Template { id: row.get(0)?, name: row.get(1)? }))?;
            kept.collect()
        })())
    }

    /// Gives the directory back what was kept of it.
    pub(super) fn load(&self, directory: &mut Directory) -> Result<(), CloudError> {
        self.done((|| {
            let mut pins: BTreeMap<DeviceId, BTreeMap<u8, Vec<u8>>> = BTreeMap::new();
            let mut query = self.connection.prepare("SELECT device, pin, value FROM pin")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                pins.entry(row.get(0)?).or_default().insert(row.get(1)?, row.get(2)?);
            }
            let mut query = self.connection.prepare("SELECT * FROM device ORDER BY id")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let record = device(row)?;
                let pins = pins.remove(&record.id).unwrap_or_default();
                directory.restore(DeviceRecord { pins, ..record });
            }
            let query = "SELECT value FROM counter WHERE name = ?1";
            let last_id = self.connection.query_row(query, [LAST_ID], |row| row.get(0)).optional()?;
            directory.skip_to_id(last_id.unwrap_or(0));
            let query = "SELECT token, good_until FROM access_token ORDER BY place";
            let mut query = self.connection.prepare(query)?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                let token = TokenRecord { text: row.get(0)?, good_until: time(row, 1)? };
                directory.restore_access_token(token);
            }
            Ok(())
        })())
    }

    /// Keeps what has changed, all of it or nothing.
    pub(super) fn save(&mut self, directory: &Directory, journal: &Journal) -> Result<(), CloudError> {
        let is_kept = |changes: &DeviceChanges| changes.itself || !changes.pins.is_empty();
        if !journal.access_tokens && !journal.devices.values().any(is_kept) {
            return Ok(());
        }
        let saved = self.connection.transaction().and_then(|transaction| {
            for (id, changes) in &journal.devices {
                save_device(&transaction, directory, *id, changes)?;
            }
            if journal.access_tokens {
                save_access_tokens(&transaction, directory)?;
            }
            transaction.commit()
        });
        saved.map_err(|error| unusable(&self.file, &error.to_string()))
    }

    fn done<T>(&self, result: rusqlite::Result<T>) -> Result<T, CloudError> {
        result.map_err(|error| unusable(&self.file, &error.to_string()))
    }
}

fn unusable(file: &Path, why: &str) -> CloudError {
    CloudError::Database { file: file.into(), why: why.to_owned() }
}

/// Sets the file up, and makes the tables in one that is empty.
fn prepare(connection: &Connection) -> rusqlite::Result<()> {
    // Another program that uses the file would not see what waits here to be written.
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION_ID}; \
             PRAGMA user_version = {VERSION}; COMMIT;"
        ))?;
    }
    Ok(())
}

fn save_device(
    transaction: &Transaction<'_>,
    directory: &Directory,
    id: DeviceId,
    changes: &DeviceChanges,
) -> rusqlite::Result<()> {
    let Some(device) = directory.device(id) else {
        transaction.execute("DELETE FROM device WHERE id = ?1", [id])?;
        transaction.execute("DELETE FROM pin WHERE device = ?1", [id])?;
        return Ok(());
    };
    if changes.itself
        && let Some(record) = directory.record(id)
    {
        save_record(transaction, &record)?;
        let count = "INSERT OR REPLACE INTO counter (name, value) VALUES (?1, ?2)";
        transaction.prepare_cached(count)?.execute(params![LAST_ID, directory.last_id()])?;
    }
    let write = "INSERT OR REPLACE INTO pin (device, pin, value) VALUES (?1, ?2, ?3)";
    let mut write = transaction.prepare_cached(write)?;
    for pin in &changes.pins {
        write.execute(params![id, pin, device.pin(*pin).unwrap_or_default()])?;
    }
    Ok(())
}

fn save_record(transaction: &Transaction<'_>, record: &DeviceRecord) -> rusqlite::Result<()> {
    let micros = |at: Option<Instant>| at.map(|at| at.total_micros());
    let next = record.next_token.as_ref();
    let mut write = transaction.prepare_cached(
        "INSERT OR REPLACE INTO device VALUES (
            :id, :name, :token, :token_good_until, :next_token, :next_token_good_until, :template, :activated_at,
            :first_connected_at, :connected_at, :disconnected_at, :meta, :info, :events
        )",
    )?;
    write.execute(named_params! {
        ":id": record.id,
        ":name": record.name,
        ":token": record.token.text,
        ":token_good_until": micros(record.token.good_until),
        ":next_token": next.map(|token| &token.text),
        ":next_token_good_until": micros(next.and_then(|token| token.good_until)),
        ":template": record.template,
        ":activated_at": micros(record.activated_at),
        ":first_connected_at": micros(record.first_connected_at),
        ":connected_at": micros(record.connected_at),
        ":disconnected_at": micros(record.disconnected_at),
        // Maps of texts, and lists of pairs of them, always have a JSON form.
        ":meta": serde_json::to_string(&record.meta).unwrap_or_default(),
        ":info": record.info,
        ":events": serde_json::to_string(&record.events).unwrap_or_default(),
    })?;
    Ok(())
}

fn save_access_tokens(transaction: &Transaction<'_>, directory: &Directory) -> rusqlite::Result<()> {
    transaction.execute("DELETE FROM access_token", [])?;
    let mut write =
        transaction.prepare_cached("INSERT INTO access_token (token, good_until) VALUES (?1, ?2)")?;
    for TokenRecord { text, good_until } in directory.access_tokens() {
        write.execute(params![text, good_until.map(|at| at.total_micros())])?;
    }
    Ok(())
}

/// A device's row, without its pins.
fn device(row: &Row<'_>) -> rusqlite::Result<DeviceRecord> {
    let next_token = match row.get("next_token")? {
        Some(text) => Some(TokenRecord { text, good_until: time(row, "next_token_good_until")? }),
        None => None,
    };
    let json = |column: &str| -> rusqlite::Result<String> { row.get(column) };
    Ok(DeviceRecord {
        id: row.get("id")?,
        name: row.get("name")?,
        token: TokenRecord { text: row.get("token")?, good_until: time(row, "token_good_until")? },
        next_token,
        template: row.get("template")?,
        activated_at: time(row, "activated_at")?,
        first_connected_at: time(row, "first_connected_at")?,
        connected_at: time(row, "connected_at")?,
        disconnected_at: time(row, "disconnected_at")?,
        pins: BTreeMap::new(),
        meta: serde_json::from_str(&json("meta")?).unwrap_or_default(),
        info: row.get("info")?,
        events: serde_json::from_str(&json("events")?).unwrap_or_default(),
    })
}

fn time(row: &Row<'_>, column: impl rusqlite::RowIndex) -> rusqlite::Result<Option<Instant>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Instant::from_micros))
}
