//! People and receivers: who is reached, under which name, in which language.

use std::sync::Arc;

use super::context::Context;
use crate::config::parts::{Reach, ReceiverParts, needs_mail, reach};
use crate::config::raw::RawPerson;
use crate::config::suggest;
use crate::model::ids::{PersonId, ReceiverId};
use crate::model::notification::{Person, Receiver, Recipient};

pub(super) fn person(context: &mut Context<'_>, id: &str, raw: &RawPerson) -> Person {
    if let Some(mail) = &raw.mail {
        address(context, &["people", id, "mail"], mail);
    }
    let calendar = context.calendar(&["people", id, "calendar"], raw.calendar.as_deref());
    Person {
        id: PersonId::from(id),
        name: raw.name.clone().unwrap_or_else(|| id.to_owned()),
        mail: raw.mail.clone(),
        language: raw.language.unwrap_or(context.language),
        calendar,
    }
}

/// The receiver, and for each recipient the position of its channel.
pub(super) fn receiver(context: &mut Context<'_>, id: &str, raw: &ReceiverParts) -> (Arc<Receiver>, Vec<usize>) {
    let mut recipients: Vec<Recipient> = Vec::new();
    let mut channels = Vec::new();
    if raw.0.is_empty() {
        context.report.error(
            &["receivers", id],
            "the receiver reaches nobody",
            "name a channel: `{email: {to: [...]}}`",
        );
    }
    for (position, channel) in raw.0.iter().enumerate() {
        let found = match reach(channel) {
            Reach::Addresses(to) => addresses(context, id, &to),
            Reach::Named(kind, language) => {
                let before = recipients.iter().filter(|known| known.name.split('-').next() == Some(kind)).count();
                let name = if before == 0 { kind.to_owned() } else { format!("{kind}-{}", before + 1) };
                vec![Recipient { name, language: language.unwrap_or(context.language) }]
            }
        };
        for recipient in found {
            if recipients.iter().any(|known| known.name == recipient.name) {
                let message = format!("`{}` stands twice in the receiver", recipient.name);
                context.report.error(&["receivers", id], message, "remove one, or split the receiver in two");
                continue;
            }
            recipients.push(recipient);
            channels.push(position);
        }
    }
    let mail_missing = context.all.mail.is_none() && raw.0.iter().any(needs_mail);
    if mail_missing {
        let help = "add `mail: {from: \"Vigie <vigie@your.domain>\", smtp: {host: ...}}`";
        context.report.warn(&["receivers", id], "no `mail` section: mail goes to the server at 127.0.0.1:25", help);
    }
    (Arc::new(Receiver { id: ReceiverId::from(id), recipients }), channels)
}

/// People and addresses as recipients.
fn addresses(context: &mut Context<'_>, id: &str, to: &[&str]) -> Vec<Recipient> {
    let all = context.all;
    let mut recipients = Vec::new();
    if to.is_empty() {
        context.report.error(&["receivers", id], "`to` names nobody", "name people of `people`, or addresses");
    }
    for &name in to {
        let path = context.report.documents.value_path(&["receivers", id], name);
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if name.contains('@') {
            address(context, &path, name);
            recipients.push(Recipient { name: name.to_owned(), language: context.language });
            continue;
        }
        let Some(item) = all.people.get(name) else {
            if context.report.whole {
                let people = all.people.keys().map(String::as_str);
                let help = suggest::help(name, people, "define the person under `people`, or write a mail address");
                context.report.error(&path, format!("no person is called `{name}`"), &help);
            }
            continue;
        };
        let Some(person) = &item.value else { continue };
        let Some(mail) = &person.mail else {
            let help = format!("add `mail:` to `people.{name}`");
            context.report.error(&path, format!("`{name}` has no mail address"), &help);
            continue;
        };
        recipients.push(Recipient { name: mail.clone(), language: person.language.unwrap_or(context.language) });
    }
    recipients
}

/// Checks the form of an address; whether it exists only sending tells.
fn address(context: &mut Context<'_>, path: &[&str], text: &str) {
    let good = text.split_once('@').is_some_and(|(user, host)| {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '@');
        !user.is_empty() && !host.is_empty() && user.chars().all(plain) && host.chars().all(plain)
    });
    if !good || text.len() > 254 {
        let help = "write the bare address, such as `claire@example.test`";
        context.report.error(path, format!("`{text}` is not a mail address"), help);
    }
}
