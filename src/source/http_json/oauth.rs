//! Access tokens (OAuth 2.0): fetched once for all pulls, kept while they hold, fetched anew when refused.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::net::{ErrorClass, HttpClient, Request, Response, Url, excerpt};
use crate::secret::{Resolver, Secret, SecretRef, Text, scrub};
use crate::source::error::SourceError;

/// A token is given up that long before its end, or a fifth of its life where that is less.
const MARGIN_SECONDS_MAX: i64 = 60;
/// Longest life that is believed.
const LIFE_SECONDS_MAX: i64 = 366 * 86_400;
/// Tokens that came from the server and are kept out of messages: an answer may still quote the one before.
const TOKENS_HIDDEN_MAX: usize = 4;

/// Access by OAuth 2.0 without a person: client credentials, or a refresh token that a person once gave.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OAuth2Config {
    /// Where tokens are fetched. Example: `https://login.example.com/oauth/token`.
    pub token_url: Text,
    /// The client's public name. Example: `vigie`.
    pub client_id: String,
    /// Where the client's secret is. Example: `{env: API_CLIENT_SECRET}`.
    pub client_secret: SecretRef,
    /// What is asked for, names with blanks between. Default: what the server gives. Example: `orders.read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Where a refresh token is; with it the grant is `refresh_token`, else `client_credentials`. One that the server
    /// replaces is kept until the service stops. Default: none. Example: `{file: refresh_token}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<SecretRef>,
    /// Where the client proves who it is: in the `body`, or in the `header` (Basic). Default: `body`.
    #[serde(default)]
    pub credentials: ClientCredentials,
}

/// Where a client's name and secret stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientCredentials {
    #[default]
    Body,
    Header,
}

/// The tokens of one source.
pub(super) struct Tokens {
    client: HttpClient,
    url: Url,
    client_id: String,
    client_secret: Secret,
    scope: Option<String>,
    credentials: ClientCredentials,
    /// Held while fetching, so that whoever comes meanwhile waits for the same token.
    state: tokio::sync::Mutex<State>,
    hidden: Mutex<Hidden>,
}

/// What no message may hold besides the client's secret.
#[derive(Default)]
struct Hidden {
    /// The refresh token that was configured and the one in use: however many access tokens came since, they hold.
    lasting: Vec<Secret>,
    /// The last tokens that the server gave.
    passing: Vec<Secret>,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    refresh_token: Option<Secret>,
}

struct Token {
    secret: Secret,
    /// None: until it is refused.
    until: Option<Timestamp>,
}

/// When a token is needed, and how long it may take to get it.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    /// None where nobody knows: a token that holds is used, a new one is not kept.
    pub(super) now: Option<Timestamp>,
    pub(super) left: Duration,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<Value>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
    error_description: Option<String>,
}

impl Hidden {
    fn pass(&mut self, secret: Secret) {
        self.passing.push(secret);
        let more = self.passing.len().saturating_sub(TOKENS_HIDDEN_MAX);
        self.passing.drain(..more);
    }
}

impl Tokens {
    /// `client` must have no credentials of its own: those are for the API, not for whoever gives tokens.
    pub(super) fn new(
        config: &OAuth2Config,
        client: HttpClient,
        url: Url,
        resolve: Resolver<'_>,
    ) -> Result<Tokens, String> {
        let secret =
            |key: &str, of: &SecretRef| resolve(of).map_err(|cause| format!("auth.oauth2.{key}: {cause}")).map(trimmed);
        let client_secret = secret("client_secret", &config.client_secret)?;
        let refresh_token = config.refresh_token.as_ref().map(|token| secret("refresh_token", token)).transpose()?;
        Ok(Tokens {
            client,
            url,
            client_id: config.client_id.clone(),
            client_secret,
            scope: config.scope.clone(),
            credentials: config.credentials,
            hidden: Mutex::new(Hidden { lasting: refresh_token.iter().cloned().collect(), passing: Vec::new() }),
            state: tokio::sync::Mutex::new(State { token: None, refresh_token }),
        })
    }

    /// A token that holds; fetched if there is none.
    pub(super) async fn get(&self, moment: Moment) -> Result<Secret, SourceError> {
        let mut state = self.state.lock().await;
        if let Some(token) = &state.token
            && token.until.zip(moment.now).is_none_or(|(until, now)| now < until)
        {
            return Ok(token.secret.clone());
        }
        state.token = None;
        let granted = self.fetch(&state, moment.left).await?;
        let secret = Secret::new(granted.access_token);
        self.hide(secret.clone());
        if let Some(replaced) = granted.refresh_token.filter(|_| state.refresh_token.is_some()) {
            let replaced = Secret::new(replaced);
            self.hide_lasting(replaced.clone());
            state.refresh_token = Some(replaced);
        }
        let life = granted.expires_in.as_ref().and_then(seconds);
        if let Some(now) = moment.now {
            let until = life.map(|life| now + SignedDuration::from_secs(life - (life / 5).min(MARGIN_SECONDS_MAX)));
            state.token = Some(Token { secret: secret.clone(), until });
        }
        Ok(secret)
    }

    /// Gives up a token that was refused, unless somebody already did.
    pub(super) async fn give_up(&self, refused: &Secret) {
        let mut state = self.state.lock().await;
        if state.token.as_ref().is_some_and(|token| token.secret == *refused) {
            state.token = None;
        }
    }

    /// The text without any secret of this.
    pub(super) fn scrubbed(&self, text: &str) -> String {
        let text = scrub(&self.client.scrubbed(text), std::slice::from_ref(&self.client_secret));
        let hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        scrub(&scrub(&text, &hidden.lasting), &hidden.passing)
    }

    fn hide(&self, secret: Secret) {
        self.hidden.lock().unwrap_or_else(PoisonError::into_inner).pass(secret);
    }

    /// Keeps a refresh token that takes the place of the one in use hidden; the one that was configured stays so too.
    fn hide_lasting(&self, secret: Secret) {
        let mut hidden = self.hidden.lock().unwrap_or_else(PoisonError::into_inner);
        if hidden.lasting.contains(&secret) {
            return;
        }
        if hidden.lasting.len() > 1 {
            let before = hidden.lasting.remove(1);
            hidden.pass(before);
        }
        hidden.lasting.push(secret);
    }

    async fn fetch(&self, state: &State, left: Duration) -> Result<Granted, SourceError> {
        let mut fields = match &state.refresh_token {
            None => vec![("grant_type", "client_credentials")],
            Some(token) => vec![("grant_type", "refresh_token"), ("refresh_token", token.expose())],
        };
        fields.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        if self.credentials == ClientCredentials::Body {
            fields.extend([("client_id", self.client_id.as_str()), ("client_secret", self.client_secret.expose())]);
        }
        let mut request = Request::form(self.url.clone(), &fields).header("accept", "application/json")?.deadline(left);
        if self.credentials == ClientCredentials::Header {
            // Both are written as in a form first, says RFC 6749.
            let encoded = |text: &str| url_encoded(text);
            let pair = format!("{}:{}", encoded(&self.client_id), encoded(self.client_secret.expose()));
            request = request.header("authorization", &format!("Basic {}", STANDARD.encode(pair)))?;
        }
        let response = self.client.send(request).await?;
        self.read(response)
    }

    fn read(&self, mut response: Response) -> Result<Granted, SourceError> {
        if !response.is_success() {
            response.body = self.scrubbed(&response.text()).into_bytes();
        }
        let origin = response.origin.clone();
        if let (400 | 401 | 403, Ok(refused)) = (response.status, serde_json::from_slice::<Refused>(&response.body)) {
            let why = refused.error_description.map(|why| format!(": {why}")).unwrap_or_default();
            let said = excerpt(format!("{}{why}", refused.error).as_bytes());
            let message = format!(
                "{origin} gives no token, {said}; check auth.oauth2: client_id, client_secret, scope and refresh_token"
            );
            return Err(SourceError::new(ErrorClass::Auth, message));
        }
        if let Some(error) = response.error() {
            let message = format!("no token: {}", error.message);
            return Err(SourceError::new(error.class, message));
        }
        match serde_json::from_slice::<Granted>(&response.body) {
            Ok(granted) if !granted.access_token.is_empty() => Ok(granted),
            // The answer is not quoted: it may be a token all the same.
            _ => {
                let message = format!("{origin} answered without access_token; check auth.oauth2.token_url");
                Err(SourceError::new(ErrorClass::Unexpected, message))
            }
        }
    }
}

/// Seconds, as a number or, as some servers write it, in a text.
fn seconds(value: &Value) -> Option<i64> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    Some((seconds as i64).clamp(0, LIFE_SECONDS_MAX))
}

fn trimmed(secret: Secret) -> Secret {
    Secret::new(secret.expose().trim().to_owned())
}

fn url_encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}
