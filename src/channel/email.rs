//! Mail to persons and addresses: one mail, one envelope, one connection per recipient.

use std::path::Path;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::client::{Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;

use crate::model::ids::PersonId;
use crate::model::notification::{AttemptOutcome, NewDelivery, Recipient};
use crate::model::unit::Language;
use crate::net::{authorities, install_crypto, is_loopback, root_cause};
use crate::secret::Resolver;

use super::build::{ChannelContext, MailContext};
use super::config::{MailConfig, SmtpConfig, TlsMode};
use super::mime::{self, Mime, Parties};
use super::picture::drawn;
use super::smtp::{Security, Smtp};
use super::view::bodies;

/// Someone who gets mail.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) mailbox: Mailbox,
    pub(super) language: Language,
}

/// Who stands on the mails of one receiver, whatever carries them.
pub(super) struct Letterhead {
    from: Mailbox,
    reply_to: Option<Mailbox>,
    to: Vec<Reader>,
    cc: Vec<Reader>,
}

pub(super) struct Email {
    head: Letterhead,
    smtp: Smtp,
}

impl Email {
    pub(super) fn build(to: &[String], cc: &[String], context: &ChannelContext<'_>) -> Result<Email, String> {
        let head = Letterhead::build(to, cc, context)?;
        let smtp = match &context.mail {
            Some(mail) => build_smtp(&mail.config.smtp, mail.base_dir, mail.resolve)?,
            None => build_smtp(&SmtpConfig::default(), context.base_dir, context.resolve)?,
        };
        Ok(Email { head, smtp })
    }

    pub(super) fn recipients(&self) -> Vec<Recipient> {
        self.head.recipients()
    }

    pub(super) async fn send(&self, delivery: &NewDelivery, attempt: u32, deadline: Duration) -> AttemptOutcome {
        let (pictures, deadline) = drawn(delivery, deadline).await;
        match self.head.write(delivery, &pictures) {
            Ok(mail) => self.smtp.deliver(mail, attempt, deadline).await,
            Err(cause) => AttemptOutcome::Permanent { cause },
        }
    }

    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        self.smtp.probe(deadline).await
    }

    pub(super) fn preview(&self, delivery: &NewDelivery) -> String {
        self.head.preview(delivery)
    }
}

impl Letterhead {
    pub(super) fn build(to: &[String], cc: &[String], context: &ChannelContext<'_>) -> Result<Letterhead, String> {
        if to.is_empty() {
            return Err("`to` names nobody; give ids of people or mail addresses".to_owned());
        }
        let (from, reply_to) = match &context.mail {
            Some(MailContext { config: MailConfig { from, reply_to, .. }, .. }) => (
                mailbox(from, "mail.from")?,
                reply_to.as_deref().map(|text| mailbox(text, "mail.reply_to")).transpose()?,
            ),
            None => (mailbox("Vigie <vigie@localhost>", "mail.from")?, None),
        };
        let mut seen: Vec<String> = Vec::new();
        let mut readers = |names: &[String]| -> Result<Vec<Reader>, String> {
            let mut found = Vec::new();
            for name in names {
                let reader = reader(name, context)?;
                let address = reader.mailbox.email.to_string().to_lowercase();
                // Somebody named twice gets one copy.
                if !seen.contains(&address) {
                    seen.push(address);
                    found.push(reader);
                }
            }
            Ok(found)
        };
        Ok(Letterhead { from, reply_to, to: readers(to)?, cc: readers(cc)? })
    }

    pub(super) fn recipients(&self) -> Vec<Recipient> {
        let readers = self.to.iter().chain(&self.cc);
        readers.map(|each| Recipient { name: each.mailbox.email.to_string(), language: each.language }).collect()
    }

    /// The delivery as a mail to its recipient.
    pub(super) fn write(&self, delivery: &NewDelivery, pictures: &[Option<Vec<u8>>]) -> Result<Mime, String> {
        let wanted = |each: &&Reader| each.mailbox.email.to_string().eq_ignore_ascii_case(&delivery.recipient);
        let Some(recipient) = self.to.iter().chain(&self.cc).find(wanted) else {
            return Err(format!(
                "{} is no longer a recipient of receiver {}; add it again and send the delivery anew",
                delivery.recipient, delivery.receiver
            ));
        };
        let parties = Parties {
            from: &self.from,
            reply_to: self.reply_to.as_ref(),
            to: self.to.iter().map(|each| &each.mailbox).collect(),
            cc: self.cc.iter().map(|each| &each.mailbox).collect(),
            recipient: &recipient.mailbox,
        };
        mime::build(delivery, &parties, pictures)
    }

    /// The mail as a person would read it: a few headers and the plain text.
    pub(super) fn preview(&self, delivery: &NewDelivery) -> String {
        let text = bodies(&delivery.message, &[]).map_or_else(|cause| cause, |bodies| bodies.text);
        format!("From: {}\nTo: {}\nSubject: {}\n\n{text}", self.from, delivery.recipient, mime::subject(delivery))
    }
}

fn mailbox(text: &str, place: &str) -> Result<Mailbox, String> {
    text.parse()
        .map_err(|error| format!("{place}: {text:?} is no mail address ({error}); write `Name <name@example.test>`"))
}

fn reader(name: &str, context: &ChannelContext<'_>) -> Result<Reader, String> {
    if name.contains('@') {
        return Ok(Reader { mailbox: mailbox(name, "to")?, language: context.default_language });
    }
    let id = PersonId::from(name);
    let Some(person) = (context.people)(&id) else {
        return Err(format!("person {name:?} is unknown; define it under people, or write a mail address"));
    };
    let Some(mail) = &person.mail else {
        return Err(format!("person {name:?} has no mail address; add people.{name}.mail"));
    };
    let mut mailbox = mailbox(mail, &format!("people.{name}.mail"))?;
    if mailbox.name.is_none() && !person.name.is_empty() && person.name != *name {
        mailbox.name = Some(super::clean::one_line(&person.name, 80));
    }
    Ok(Reader { mailbox, language: person.language })
}

/// Files and secrets are named relative to the folder of the file that holds `mail:`.
fn build_smtp(config: &SmtpConfig, base_dir: &Path, resolve: Resolver<'_>) -> Result<Smtp, String> {
    let host = config.host.trim().to_owned();
    if host.is_empty()
        || !host.chars().all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '_' | ':' | '[' | ']'))
    {
        return Err(format!("mail.smtp.host: {host:?} is no host name"));
    }
    let (port, tls) = port_and_tls(config, &host);
    if tls == TlsMode::None && !is_loopback(&host) {
        return Err(format!(
            "mail.smtp.tls: `none` would send mails to {host} in clear text; use starttls or implicit, or a server on this machine"
        ));
    }
    let login = match (&config.user, &config.password) {
        (Some(user), Some(password)) => {
            Some((user.clone(), resolve(password).map_err(|cause| format!("mail.smtp.password: {cause}"))?))
        }
        (None, None) => None,
        (Some(_), None) => return Err("mail.smtp.user needs `password`, a secret reference".to_owned()),
        (None, Some(_)) => return Err("mail.smtp.password needs `user`".to_owned()),
    };
    let timeout = match config.timeout {
        Some(wanted) => match Duration::try_from(wanted) {
            Ok(wanted) if !wanted.is_zero() => Some(wanted),
            Ok(_) | Err(_) => return Err("mail.smtp.timeout must be longer than zero, such as 60s".to_owned()),
        },
        None => None,
    };
    let trust = || trust(&host, config.ca.as_deref(), base_dir);
    let security = match tls {
        TlsMode::None => Security::None,
        TlsMode::Starttls => Security::Starttls(trust()?),
        TlsMode::Implicit => Security::Implicit(trust()?),
    };
    Ok(Smtp { host, port, security, hello: hello(config.hello.as_deref())?, login, timeout })
}

fn port_and_tls(config: &SmtpConfig, host: &str) -> (u16, TlsMode) {
    let tls = config.tls.unwrap_or(match config.port {
        Some(465) => TlsMode::Implicit,
        Some(587) => TlsMode::Starttls,
        _ if is_loopback(host) => TlsMode::None,
        _ => TlsMode::Starttls,
    });
    let port = config.port.unwrap_or(match tls {
        TlsMode::Implicit => 465,
        TlsMode::Starttls => 587,
        TlsMode::None => 25,
    });
    (port, tls)
}

fn hello(name: Option<&str>) -> Result<ClientId, String> {
    match name {
        None => Ok(ClientId::default()),
        // The name goes to the server as it is: nothing in it may end the line.
        Some(name)
            if !name.is_empty()
                && name
                    .chars()
                    .all(|each| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '[' | ']' | ':')) =>
        {
            Ok(ClientId::Domain(name.to_owned()))
        }
        Some(name) => Err(format!("mail.smtp.hello: {name:?} is no host name")),
    }
}

fn trust(host: &str, ca: Option<&Path>, base_dir: &Path) -> Result<TlsParameters, String> {
    install_crypto();
    // Certificates hold addresses without the brackets of URLs.
    let mut builder = TlsParameters::builder(host.trim_matches(['[', ']']).to_owned());
    if let Some(ca) = ca {
        for authority in authorities(base_dir, ca, "mail.smtp.ca")? {
            let authority = Certificate::from_der(authority.to_vec())
                .map_err(|error| format!("mail.smtp.ca: {} can't be used: {error}", ca.display()))?;
            builder = builder.add_root_certificate(authority);
        }
    }
    builder.build().map_err(|error| {
        let cause = root_cause(&error);
        format!("mail.smtp.tls: encryption can't be set up: {cause}; install the system's certificates, or name `ca`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(host: &str, port: Option<u16>, tls: Option<TlsMode>) -> SmtpConfig {
        SmtpConfig { host: host.to_owned(), port, tls, ..SmtpConfig::default() }
    }

    #[test]
    fn port_and_encryption_complete_each_other() {
        let check = |host: &str, port, tls, expected| assert_eq!(port_and_tls(&smtp(host, port, tls), host), expected);
        check("localhost", None, None, (25, TlsMode::None));
        check("localhost", Some(1025), None, (1025, TlsMode::None));
        check("localhost", Some(465), None, (465, TlsMode::Implicit));
        check("mx.example.test", None, None, (587, TlsMode::Starttls));
        check("mx.example.test", Some(25), None, (25, TlsMode::Starttls));
        check("mx.example.test", Some(465), None, (465, TlsMode::Implicit));
        check("mx.example.test", None, Some(TlsMode::Implicit), (465, TlsMode::Implicit));
        check("mx.example.test", Some(2525), Some(TlsMode::Implicit), (2525, TlsMode::Implicit));
    }

    #[test]
    fn hello_names_can_t_break_the_line() {
        assert!(hello(Some("vigie.example.test")).is_ok());
        assert!(hello(Some("a\r\nMAIL FROM:<>")).is_err());
        assert!(hello(Some("")).is_err());
    }
}
