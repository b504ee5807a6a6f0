//! The device's portal as a phone uses it: HTTP over one interface of this host.

use std::time::Duration;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;

/// The device's address in its own network.
const DEVICE: &str = "http://192.168.4.1";
/// How long the device may take for an answer; a scan takes 20 s at most.
const ANSWER_LIMIT: Duration = Duration::from_secs(25);
/// A path that is no route: asking for it changes nothing.
const NOWHERE: &str = "/hil-is-anybody-there";
/// How long a look takes at most.
const LOOK_LIMIT: Duration = Duration::from_secs(2);

/// The device's portal.
#[derive(Clone, Debug)]
pub(super) struct Portal {
    client: Client,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Portal {
    /// A client whose packets leave by this interface alone, whatever other networks the host is in.
    pub(super) fn new(interface: &Option<String>) -> Result<Self, reqwest::Error> {
        let builder = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        // Each request has a connection of its own: the device restarts between some.
        let builder = builder.pool_max_idle_per_host(0);
        #[cfg(any(target_os = "linux", target_os = "macos"))]
        let builder = match interface {
            Some(interface) => builder.interface(interface),
            None => builder,
        };
        #[cfg(not(any(target_os = "linux", target_os = "macos")))]
        let _ = interface;
        Ok(Self { client: builder.build()? })
    }

    /// Whether the device answers at all.
    pub(super) async fn is_there(&self) -> bool {
        self.client.get(format!("{DEVICE}{NOWHERE}")).timeout(LOOK_LIMIT).send().await.is_ok()
    }

    /// Sends a request, and returns what comes back.
    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(String, String)],
        body: Option<String>,
    ) -> Result<Answer, String> {
        let method =
            Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is no HTTP method"))?;
        let mut request = self.client.request(method, format!("{DEVICE}{path}")).timeout(ANSWER_LIMIT);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(body) = body {
            request = request.header("Content-Type", "application/x-www-form-urlencoded").body(body);
        }
        // The address holds the password.
        let failed = |error: reqwest::Error| super::cause(&error.without_url());
        let response = request.send().await.map_err(failed)?;
        let status = response.status().as_u16();
        Ok(Answer { status, body: response.text().await.map_err(failed)? })
    }

    /// Reads JSON from a route of the portal.
    pub(super) async fn read(&self, path: &str) -> Result<(Answer, Value), String> {
        let answer = self.ask("GET", path, &[], None).await.map_err(|why| format!("{path}: {why}"))?;
        if answer.status != StatusCode::OK.as_u16() {
            return Err(format!("{path} is answered with status {}", answer.status));
        }
        let value =
            serde_json::from_str(&answer.body).map_err(|error| format!("{path} is no JSON: {error}"))?;
        Ok((answer, value))
    }
}
