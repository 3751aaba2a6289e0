//! One mail over one fresh SMTP connection, within a deadline.
//!
//! The commands are driven here one by one, so that the stage of a failure is known. A connection is
//! never used twice: lettre bounds connecting only, and dropping a pooled send may poison its connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::model::notification::AttemptOutcome;
use crate::net::{TlsFault, root_cause};
use crate::secret::{Secret, scrub};

use super::clean;
use super::mime::Mime;
use super::reply::{Failure, Stage, classify};
use super::starttls::LineByLine;

/// Saying goodbye is a courtesy: the mail is already taken.
const QUIT_WAIT: Duration = Duration::from_millis(300);
/// Longest reply text kept in a cause.
const REPLY_CHARS_MAX: usize = 300;

/// A mail server as it is reached.
#[derive(Clone)]
pub(super) struct Smtp {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) hello: ClientId,
    pub(super) login: Option<(String, Secret)>,
    /// The configuration's own bound on one delivery.
    pub(super) timeout: Option<Duration>,
}

/// How the connection is encrypted, and whom it trusts.
#[derive(Clone)]
pub(super) enum Security {
    None,
    Starttls(TlsParameters),
    Implicit(TlsParameters),
}

/// What breaks a conversation off: an error of lettre, or of the connection itself.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// What the conversation's task says at its end.
type Ended<T> = Result<(T, AsyncSmtpConnection), Trouble>;

impl Smtp {
    /// Hands one mail over. Ends within the deadline whatever the server does.
    pub(super) async fn deliver(&self, mail: Mime, attempt: u32, deadline: Duration) -> AttemptOutcome {
        let stage = Arc::new(AtomicU8::new(Stage::Connect as u8));
        let conversation = transfer(self.clone(), mail, Arc::clone(&stage));
        match self.bounded(conversation, deadline).await {
            Ok(reply) => AttemptOutcome::Sent { detail: format!("accepted by {}: {reply}", self.name()) },
            Err(failure) => classify(&self.name(), stage_of(&stage), &failure, attempt),
        }
    }

    /// Connects, encrypts and authenticates, without a mail.
    pub(super) async fn probe(&self, deadline: Duration) -> Result<String, String> {
        let stage = Arc::new(AtomicU8::new(Stage::Connect as u8));
        let smtp = self.clone();
        let progress = Arc::clone(&stage);
        let conversation = async move {
            let mut connection = open(&smtp, &progress).await?;
            connection.command(Noop).await?;
            Ok(("ready".to_owned(), connection))
        };
        match self.bounded(conversation, deadline).await {
            Ok(_) => Ok(format!("mail server {} answers{}", self.name(), self.login_words())),
            Err(failure) => match classify(&self.name(), stage_of(&stage), &failure, 1) {
                AttemptOutcome::Sent { detail } => Ok(detail),
                AttemptOutcome::Retry { cause, .. }
                | AttemptOutcome::Ambiguous { cause }
                | AttemptOutcome::Permanent { cause } => Err(cause),
            },
        }
    }

    /// Runs a conversation in a task of its own; at the deadline task and connection are dropped together.
    async fn bounded(
        &self,
        conversation: impl Future<Output = Ended<String>> + Send + 'static,
        deadline: Duration,
    ) -> Result<String, Failure> {
        let deadline = self.timeout.map_or(deadline, |own| own.min(deadline));
        // A set aborts its tasks when it is dropped, also when this future is.
        let mut tasks = JoinSet::new();
        tasks.spawn(conversation);
        match timeout(deadline, tasks.join_next()).await {
            Err(_) => Err(Failure::Silent),
            Ok(Some(Ok(Ok((reply, mut connection))))) => {
                // Outside the deadline's verdict: the mail has been taken, whatever comes now.
                let _ = timeout(QUIT_WAIT, connection.quit()).await;
                Ok(reply)
            }
            Ok(Some(Ok(Err(trouble)))) => Err(self.failure(&*trouble)),
            Ok(Some(Err(_)) | None) => Err(Failure::Broken("the conversation broke off, report this".to_owned())),
        }
    }

    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    fn login_words(&self) -> &'static str {
        if self.login.is_some() { " and takes the credentials" } else { "" }
    }

    fn failure(&self, trouble: &(dyn std::error::Error + 'static)) -> Failure {
        let text = self.words(trouble);
        let error = trouble.downcast_ref::<Error>();
        if let Some(code) = error.and_then(Error::status) {
            return Failure::Reply { code: code.into(), text };
        }
        // A failed handshake counts as a failed connection for lettre: only the innermost cause tells them apart.
        match TlsFault::find(trouble) {
            Some(fault) => Failure::Tls(fault),
            None if error.is_some_and(Error::is_client) => Failure::Unsupported(text),
            None => Failure::Broken(text),
        }
    }

    /// The innermost words of an error, without anything secret that a server may have echoed.
    fn words(&self, error: &(dyn std::error::Error + 'static)) -> String {
        let mut secrets = Vec::new();
        if let Some((user, password)) = &self.login {
            secrets.push(Secret::new(format!("\0{user}\0{}", password.expose())));
            secrets.push(password.clone());
        }
        clean::one_line(&scrub(&root_cause(error), &secrets), REPLY_CHARS_MAX)
    }
}

/// Connects, encrypts and authenticates.
async fn open(smtp: &Smtp, stage: &AtomicU8) -> Result<AsyncSmtpConnection, Trouble> {
    let address = (smtp.host.trim_matches(['[', ']']), smtp.port);
    let mut connection = match &smtp.security {
        Security::None => AsyncSmtpConnection::connect_tokio1(address, None, &smtp.hello, None, None).await?,
        Security::Implicit(trust) => {
            AsyncSmtpConnection::connect_tokio1(address, None, &smtp.hello, Some(trust.clone()), None).await?
        }
        Security::Starttls(trust) => {
            let stream = Box::new(LineByLine(TcpStream::connect(address).await?));
            let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &smtp.hello).await?;
            reached(stage, Stage::Tls);
            connection.starttls(trust.clone(), &smtp.hello).await?;
            connection
        }
    };
    if let Some((user, password)) = &smtp.login {
        reached(stage, Stage::Auth);
        let credentials = Credentials::new(user.clone(), password.expose().to_owned());
        connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await?;
    }
    Ok(connection)
}

async fn transfer(smtp: Smtp, mail: Mime, stage: Arc<AtomicU8>) -> Ended<String> {
    let mut connection = open(&smtp, &stage).await?;
    let mut options = Vec::new();
    let plain = |address: &Address| AsRef::<str>::as_ref(address).is_ascii();
    if !(plain(&mail.from) && plain(&mail.to)) && connection.server_info().supports_feature(Extension::SmtpUtfEight) {
        options.push(MailParameter::SmtpUtfEight);
    }
    reached(&stage, Stage::Sender);
    connection.command(Mail::new(Some(mail.from), options)).await?;
    reached(&stage, Stage::Recipient);
    connection.command(Rcpt::new(mail.to, Vec::new())).await?;
    reached(&stage, Stage::Data);
    connection.command(Data).await?;
    reached(&stage, Stage::Body);
    let reply = connection.message(&mail.bytes).await?;
    let said: Vec<&str> = reply.message().collect();
    let words = clean::one_line(&format!("{} {}", u16::from(reply.code()), said.join(" ")), REPLY_CHARS_MAX);
    Ok((words, connection))
}

fn reached(stage: &AtomicU8, now: Stage) {
    stage.store(now as u8, Ordering::SeqCst);
}

fn stage_of(stage: &AtomicU8) -> Stage {
    let reached = stage.load(Ordering::SeqCst);
    Stage::ALL.into_iter().find(|each| *each as u8 == reached).unwrap_or(Stage::Connect)
}
