//! The cloud as the app and a program see it: over its HTTP API.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::Value;

use super::Secret;

/// How long the cloud may take for an answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(15);

/// A cloud, and what one may do there.
#[derive(Clone)]
pub(super) struct Cloud {
    client: Client,
    /// Where it is: `http://192.168.1.10:8080`.
    base: String,
    access: Access,
}

/// What one may do at a cloud.
#[derive(Clone)]
pub(super) enum Access {
    /// Everything that the account may: each setup gets a token of its own.
    Account {
        /// The user's name.
        email: String,
        /// The user's secret.
        password: Secret,
    },
    /// One device is there already, and this is its token.
    Token(Secret),
}

impl Cloud {
    pub(super) fn new(client: Client, base: &str, access: Access) -> Self {
        Self { client, base: base.trim_end_matches('/').to_owned(), access }
    }

    /// A token for a device that is to be set up.
    pub(super) async fn token(&self) -> Result<Secret, String> {
        let (email, password) = match &self.access {
            Access::Token(token) => return Ok(token.clone()),
            Access::Account { email, password } => (email, password),
        };
        let login = self
            .client
            .post(format!("{}/oauth2/token?grant_type=client_credentials", self.base))
            .basic_auth(email, Some(password.expose()));
        let login = self.ask_json(login, "log in to the account").await?;
        let bearer = login["access_token"].as_str().ok_or("the cloud's login has no access token")?;
        let issue = self
            .client
            .post(format!("{}/api/v1/organization/device/provision/token", self.base))
            .bearer_auth(bearer);
        let issued = self.ask_json(issue, "issue a provision token").await?;
        let token = issued["token"].as_str().ok_or("the cloud has issued no token")?;
        Ok(Secret::new(token))
    }

    /// Whether the device with this token is online; a token that it does not know is no device that is.
    pub(super) async fn is_online(&self, token: &Secret) -> Result<bool, String> {
        let asked = self.call(token, "isHardwareConnected", &[]);
        let (status, said) = self.ask(asked, "say whether the device is online").await?;
        Ok(status.is_success() && said.trim() == "true")
    }

    /// What a pin holds; `None` when the cloud has no value.
    pub(super) async fn pin(&self, token: &Secret, pin: u8) -> Result<Option<String>, String> {
        let asked = self.call(token, "get", &[(&format!("v{pin}"), "")]);
        let (status, said) = self.ask(asked, "tell the value of a pin").await?;
        Ok(status.is_success().then_some(said))
    }

    /// Writes a pin, as a widget of the app does.
    pub(super) async fn write(&self, token: &Secret, pin: u8, value: &str) -> Result<(), String> {
        let asked = self.call(token, "update", &[(&format!("v{pin}"), value)]);
        self.ask_good(asked, "write a pin").await.map(drop)
    }

    /// The device's name.
    pub(super) async fn name(&self, token: &Secret) -> Result<String, String> {
        let asked = self.call(token, "device/meta", &[("metaFieldName", "Device Name")]);
        let told = self.ask_json(asked, "tell the device's name").await?;
        Ok(told["value"].as_str().unwrap_or_default().to_owned())
    }

    /// Gives the device a name.
    pub(super) async fn rename(&self, token: &Secret, name: &str) -> Result<(), String> {
        let asked =
            self.call(token, "device/meta/update", &[("metaFieldName", "Device Name"), ("value", name)]);
        self.ask_good(asked, "name the device").await.map(drop)
    }

    fn call(&self, token: &Secret, call: &str, arguments: &[(&str, &str)]) -> RequestBuilder {
        let mut url = format!("{}/external/api/{call}?token=", self.base);
        super::push_encoded(token.expose().as_bytes(), &mut url);
        for (name, value) in arguments {
            url.push('&');
            super::push_encoded(name.as_bytes(), &mut url);
            if !value.is_empty() {
                url.push('=');
                super::push_encoded(value.as_bytes(), &mut url);
            }
        }
        self.client.get(url)
    }

    async fn ask_json(&self, request: RequestBuilder, what: &str) -> Result<Value, String> {
        let said = self.ask_good(request, what).await?;
        serde_json::from_str(&said).map_err(|error| format!("the cloud's answer is no JSON: {error}"))
    }

    async fn ask_good(&self, request: RequestBuilder, what: &str) -> Result<String, String> {
        let (status, said) = self.ask(request, what).await?;
        if status.is_success() {
            return Ok(said);
        }
        Err(format!("the cloud at {} does not {what}: status {status}", self.base))
    }

    async fn ask(&self, request: RequestBuilder, what: &str) -> Result<(StatusCode, String), String> {
        // An address in an error would show the token that is in it.
        let failed = |error: reqwest::Error| {
            format!(
                "the cloud at {} cannot be asked to {what}: {}",
                self.base,
                super::cause(&error.without_url())
            )
        };
        let response = request.timeout(ANSWER_LIMIT).send().await.map_err(failed)?;
        let status = response.status();
        Ok((status, response.text().await.map_err(failed)?))
    }
}

impl fmt::Debug for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cloud").field("base", &self.base).finish_non_exhaustive()
    }
}
