//! How a configuration describes access to an HTTP service: credentials, headers, TLS, proxy.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quota::LimitsConfig;
use crate::secret::{SecretRef, Text};

/// Everything that decides how a client talks; each integration takes it from its own settings.
#[derive(Clone, Debug, Default)]
pub struct HttpSettings {
    pub auth: Option<AuthConfig>,
    pub headers: BTreeMap<String, Text>,
    pub tls: Option<TlsConfig>,
    pub proxy: Option<Text>,
    /// Most bytes of an answer after decompression; none: 64 MiB.
    pub bytes_max: Option<usize>,
    /// Most requests.
    pub limits: LimitsConfig,
    /// Names that lead to link-local or metadata addresses are refused.
    pub guarded: bool,
}

/// How to prove who is asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthConfig {
    /// User name and password. Example: `basic: {user: vigie, password: {env: PROM_PASSWORD}}`.
    Basic(BasicAuth),
    /// A token sent as `Authorization: Bearer`. Example: `bearer: {file: /run/secrets/token}`.
    Bearer(SecretRef),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BasicAuth {
    /// The user name. Example: `vigie`.
    pub user: String,
    /// Where the password is. Example: `{env: PROM_PASSWORD}`.
    pub password: SecretRef,
}

/// Whom to trust, and how to be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// PEM file with the authorities to trust instead of the system's. Default: the system's.
    /// Example: `internal-ca.pem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// PEM file with a client certificate (chain). Default: none. Example: `vigie.pem`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// Where the client certificate's key is, in PEM. Default: in the certificate's file.
    /// Example: `{file: vigie.key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretRef>,
}
