//! A small SMTP server on the loopback that answers, stalls or hangs up as a test says.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where the script departs from a friendly server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Greeting,
    Hello,
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

/// A running server; it ends with the value.
pub(super) struct FakeSmtp {
    pub(super) port: u16,
    mails: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl FakeSmtp {
    pub(super) async fn start(script: Option<(At, Does)>) -> FakeSmtp {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&mails);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, script.clone(), Arc::clone(&taken)));
            }
        });
        FakeSmtp { port, mails, task }
    }

    /// The mails whose final dot came, accepted or not.
    pub(super) fn mails(&self) -> Vec<String> {
        self.mails.lock().expect("not poisoned").clone()
    }
}

impl Drop for FakeSmtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(
    stream: TcpStream,
    script: Option<(At, Does)>,
    mails: Arc<Mutex<Vec<String>>>,
) -> std::io::Result<()> {
    let (reading, mut writing) = stream.into_split();
    let mut reading = BufReader::new(reading);
    let mut line = String::new();
    let mut step = (At::Greeting, "220 fake.example.test ESMTP\r\n".to_owned());
    loop {
        match script.as_ref().filter(|(at, _)| *at == step.0) {
            Some((_, Does::HangsUp)) => return Ok(()),
            Some((_, Does::Stalls)) => std::future::pending::<()>().await,
            Some((_, Does::Says(text))) => writing.write_all(format!("{text}\r\n").as_bytes()).await?,
            None => writing.write_all(step.1.as_bytes()).await?,
        }
        let wants_text = step.0 == At::Data && script.as_ref().is_none_or(|(at, _)| *at != At::Data);
        if wants_text {
            let mut mail = String::new();
            loop {
                line.clear();
                if reading.read_line(&mut line).await? == 0 {
                    return Ok(());
                }
                if line == ".\r\n" {
                    break;
                }
                mail.push_str(&line);
            }
            mails.lock().expect("not poisoned").push(mail);
            step = (At::Dot, "250 2.0.0 queued as 42\r\n".to_owned());
            continue;
        }
        line.clear();
        if reading.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let reply = |text: &str| text.to_owned();
        step = match line.split_whitespace().next().unwrap_or_default() {
            "EHLO" => (At::Hello, reply("250-fake.example.test\r\n250-AUTH PLAIN LOGIN\r\n250 SMTPUTF8\r\n")),
            "AUTH" => (At::Auth, reply("235 2.7.0 welcome\r\n")),
            "MAIL" => (At::Mail, reply("250 2.1.0 ok\r\n")),
            "RCPT" => (At::Rcpt, reply("250 2.1.5 ok\r\n")),
            "DATA" => (At::Data, reply("354 go on\r\n")),
            "QUIT" => return Ok(()),
            _ => {
                writing.write_all(b"250 ok\r\n").await?;
                continue;
            }
        };
    }
}
