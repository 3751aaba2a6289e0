//! A small SMTP server on the loopback that answers, stalls or hangs up as a test says.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Where the script departs from a friendly server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Greeting,
    Hello,
    Starttls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// After the final dot.
    Dot,
}

/// What it does there.
#[derive(Clone, Debug)]
pub(super) enum Does {
    Says(&'static str),
    HangsUp,
    Stalls,
}

/// How it wants to be spoken to.
#[derive(Clone, Default)]
pub(super) enum Encryption {
    #[default]
    None,
    Implicit(TlsAcceptor),
    /// With what a man in the middle adds in clear text behind the answer to STARTTLS.
    Starttls(TlsAcceptor, &'static str),
}

/// A server to be started.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) script: Option<(At, Does)>,
    pub(super) encryption: Encryption,
    /// Mechanisms of AUTH; a server that can encrypt offers them only once it does.
    pub(super) auth: &'static str,
}

/// What the server heard.
#[derive(Default)]
struct Heard {
    /// The mails whose final dot came, accepted or not.
    mails: Vec<String>,
    clear: Vec<String>,
    encrypted: Vec<String>,
}

/// A running server; it ends with the value.
pub(super) struct FakeSmtp {
    pub(super) port: u16,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl FakeSmtp {
    /// One that encrypts nothing.
    pub(super) async fn start(script: Option<(At, Does)>) -> FakeSmtp {
        FakeSmtp::start_as(Server { script, encryption: Encryption::None, auth: "PLAIN LOGIN" }).await
    }

    pub(super) async fn start_as(server: Server) -> FakeSmtp {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let heard = Arc::new(Mutex::new(Heard::default()));
        let taken = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(meet(stream, server.clone(), Arc::clone(&taken)));
            }
        });
        FakeSmtp { port, heard, task }
    }

    /// The mails whose final dot came, accepted or not.
    pub(super) fn mails(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").mails.clone()
    }

    /// The command lines that came in clear text.
    pub(super) fn clear(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").clear.clone()
    }

    /// The command lines that came encrypted.
    pub(super) fn encrypted(&self) -> Vec<String> {
        self.heard.lock().expect("not poisoned").encrypted.clone()
    }
}

impl Drop for FakeSmtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// One conversation, in both parts where STARTTLS cuts it in two.
async fn meet(stream: TcpStream, server: Server, heard: Arc<Mutex<Heard>>) -> std::io::Result<()> {
    let greeting = (At::Greeting, "220 fake.example.test ESMTP\r\n".to_owned());
    let mut talk = Talk { script: server.script, capabilities: Vec::new(), encrypted: false, heard };
    let auth = format!("AUTH {}", server.auth);
    match server.encryption {
        Encryption::None => {
            talk.capabilities = vec![auth];
            talk.converse(Box::new(stream), Some(greeting)).await?;
        }
        Encryption::Implicit(acceptor) => {
            (talk.capabilities, talk.encrypted) = (vec![auth], true);
            talk.converse(Box::new(acceptor.accept(stream).await?), Some(greeting)).await?;
        }
        Encryption::Starttls(acceptor, added) => {
            talk.capabilities = vec!["STARTTLS".to_owned()];
            let Some(mut stream) = talk.converse(Box::new(stream), Some(greeting)).await? else { return Ok(()) };
            stream.write_all(format!("220 2.0.0 go on\r\n{added}").as_bytes()).await?;
            (talk.capabilities, talk.encrypted) = (vec![auth], true);
            talk.converse(Box::new(acceptor.accept(stream).await?), None).await?;
        }
    }
    Ok(())
}

struct Talk {
    script: Option<(At, Does)>,
    capabilities: Vec<String>,
    encrypted: bool,
    heard: Arc<Mutex<Heard>>,
}

impl Talk {
    /// Speaks until the client goes, or gives the stream back when it asks for encryption.
    async fn converse(
        &self,
        stream: Box<dyn Stream>,
        greeting: Option<(At, String)>,
    ) -> std::io::Result<Option<Box<dyn Stream>>> {
        let mut stream = BufReader::new(stream);
        let mut step = greeting;
        loop {
            if let Some((at, reply)) = step.take() {
                match self.script.as_ref().filter(|(departs, _)| *departs == at) {
                    Some((_, Does::HangsUp)) => return Ok(None),
                    Some((_, Does::Stalls)) => std::future::pending::<()>().await,
                    Some((_, Does::Says(text))) => stream.write_all(format!("{text}\r\n").as_bytes()).await?,
                    None => stream.write_all(reply.as_bytes()).await?,
                }
                stream.flush().await?;
                if at == At::Data && self.script.as_ref().is_none_or(|(at, _)| *at != At::Data) {
                    let Some(mail) = self.mail(&mut stream).await? else { return Ok(None) };
                    self.heard.lock().expect("not poisoned").mails.push(mail);
                    step = Some((At::Dot, "250 2.0.0 queued as 42\r\n".to_owned()));
                    continue;
                }
            }
            let Some(line) = self.line(&mut stream).await? else { return Ok(None) };
            let reply = |text: &str| text.to_owned();
            let words: Vec<&str> = line.split_whitespace().collect();
            step = Some(match words.as_slice() {
                ["EHLO", ..] => (At::Hello, self.hello()),
                ["STARTTLS"] => match &self.script {
                    Some((At::Starttls, _)) => (At::Starttls, String::new()),
                    _ => return Ok(Some(stream.into_inner())),
                },
                ["AUTH", "LOGIN"] => {
                    // `Username:` and `Password:`.
                    for question in ["VXNlcm5hbWU6", "UGFzc3dvcmQ6"] {
                        stream.write_all(format!("334 {question}\r\n").as_bytes()).await?;
                        stream.flush().await?;
                        self.line(&mut stream).await?;
                    }
                    (At::Auth, reply("235 2.7.0 welcome\r\n"))
                }
                ["AUTH", ..] => (At::Auth, reply("235 2.7.0 welcome\r\n")),
                ["MAIL", ..] => (At::Mail, reply("250 2.1.0 ok\r\n")),
                ["RCPT", ..] => (At::Rcpt, reply("250 2.1.5 ok\r\n")),
                ["DATA"] => (At::Data, reply("354 go on\r\n")),
                ["QUIT"] => return Ok(None),
                _ => {
                    stream.write_all(b"250 ok\r\n").await?;
                    stream.flush().await?;
                    continue;
                }
            });
        }
    }

    fn hello(&self) -> String {
        let names = ["fake.example.test"].into_iter().chain(self.capabilities.iter().map(String::as_str));
        let mut lines: Vec<String> = names.map(|each| format!("250-{each}\r\n")).collect();
        lines.push("250 SMTPUTF8\r\n".to_owned());
        lines.concat()
    }

    async fn line(&self, stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut heard = self.heard.lock().expect("not poisoned");
        let lines = if self.encrypted { &mut heard.encrypted } else { &mut heard.clear };
        lines.push(line.trim_end().to_owned());
        Ok(Some(line))
    }

    async fn mail(&self, stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<Option<String>> {
        let (mut mail, mut line) = (String::new(), String::new());
        loop {
            line.clear();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(None);
            }
            if line == ".\r\n" {
                return Ok(Some(mail));
            }
            mail.push_str(&line);
        }
    }
}
