//! The page: one file, with its style and scripts in it.

use std::sync::LazyLock;

use data_encoding::BASE64;
use hil_sim::page::{BASE_STYLE, DECODE_SCRIPTS, LAMP_SCRIPT, TEXT_SCRIPT};
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("page/panel.html");
const STYLE: &str = include_str!("page/panel.css");
/// In the order in which they need each other.
const SCRIPTS: [&str; 5] = [
    include_str!("page/words.js"),
    include_str!("page/connection.js"),
    include_str!("page/board.js"),
    include_str!("page/timeline.js"),
    include_str!("page/main.js"),
];

/// The whole page.
pub(super) static PAGE: LazyLock<String> =
    LazyLock::new(|| HTML.replace("/*style*/", &style()).replace("/*script*/", &script()));

/// What the page's content may do: the one style and the one script in it, and talk to its own server.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| BASE64.encode(&Sha256::digest(text));
    format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; connect-src 'self'",
        hash(&script()),
        hash(&style())
    )
});

/// The policy of a page that came from this host: some browsers do not take its WebSocket for `'self'`.
pub(super) fn policy(host: &str) -> String {
    format!("{} ws://{host}", *POLICY)
}

fn style() -> String {
    [BASE_STYLE, STYLE].concat()
}

fn script() -> String {
    let parts = DECODE_SCRIPTS.into_iter().chain([TEXT_SCRIPT, LAMP_SCRIPT]).chain(SCRIPTS);
    parts.fold("\"use strict\";\n".to_owned(), |script, part| script + part)
}
