//! The control socket: how people's commands reach the running daemon, one JSON line each way.
//!
//! The kernel says who is on the other end, so the author of an action can't be made up. What a request does is
//! decided by whoever takes [`Incoming`]; here it is only carried.

use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::gate::GateState;
use crate::model::action::ActionKind;
use crate::model::evaluation::Judgement;
use crate::model::grain::BucketIndex;
use crate::model::ids::{AlertId, KpiId, ReceiverId};

/// Longest request.
const REQUEST_BYTES_MAX: u64 = 64 * 1024;
/// Longest reply that a client takes.
const REPLY_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A connected client has this long to say what it wants, and to take its reply.
const CLIENT_DEADLINE: Duration = Duration::from_secs(5);
/// The daemon has this long to answer; a drill waits for its channels.
const ANSWER_DEADLINE: Duration = Duration::from_secs(90);
/// A client waits a little longer, so that it hears of the daemon's own deadline.
const REPLY_DEADLINE: Duration = Duration::from_secs(100);
const CONNECTIONS_MAX: usize = 32;
/// After a failed accept (no file descriptors left), before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What may be asked of the running daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    Ping,
    /// Takes up the configuration as it stands now; answered when it is in force, or refused.
    Reload,
    /// Logs what this level or filter says, until the next start or reload.
    LogLevel {
        level: String,
    },
    /// How the sources are doing.
    Sources,
    Act(ActionKind),
    /// A drill to every recipient of a receiver, with that alert's facts if one is named.
    Send {
        receiver: ReceiverId,
        alert: Option<AlertId>,
    },
    /// Queues a dead delivery again.
    Resend {
        delivery: i64,
    },
    Cancel {
        delivery: i64,
        why: String,
    },
    /// Lets a restored state tell again.
    Release {
        /// What becomes of deliveries that the backup had not sent; must be said when there are any.
        queued: Option<Queued>,
    },
    /// What a person says of the newest firing of an alert, also of one that has ended.
    Feedback {
        alert: AlertId,
        judgement: Judgement,
        why: Option<String>,
    },
    /// Pulls buckets of a KPI once more, both included; answered when what came is stored and judged.
    Pull {
        kpi: KpiId,
        from: BucketIndex,
        to: BucketIndex,
        /// Of a span that is asked for in pieces: the oldest bucket that the source spoke of so far.
        #[serde(default)]
        held_from: Option<BucketIndex>,
    },
}

/// What becomes of deliveries that a backup had not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Queued {
    Send,
    Cancel,
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    Ok(Value),
    /// In words for the person who asked; free of secrets.
    Error(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// To `Ping`.
    Pong { version: String, pid: u32, config_checksum: String },
    /// To `Sources`.
    Sources(Vec<GateState>),
    /// What was done, in one line.
    Text(String),
    /// To `Send`: one per recipient.
    Sent(Vec<SendOutcome>),
    /// To `Pull`: new and revised buckets over all series, readings refused, what the source warned of, and the oldest
    /// bucket that it spoke of.
    Pulled {
        stored: usize,
        rejected: usize,
        warnings: Vec<String>,
        #[serde(default)]
        oldest: Option<BucketIndex>,
    },
}

/// What became of a drill to one recipient.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendOutcome {
    pub recipient: String,
    pub sent: bool,
    /// What the provider said, or the cause. Free of secrets.
    pub detail: String,
}

/// A request on its way to whoever decides.
#[derive(Debug)]
pub struct Incoming {
    /// The peer's user name, else `uid:N`.
    pub by: String,
    pub request: Request,
    pub reply: oneshot::Sender<Reply>,
}

/// A bound control socket. Its file is removed when this is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    file: SocketFile,
}

impl Control {
    /// Binds the socket with mode 0660. A file left behind by a crash is replaced; one that is answered is not.
    pub async fn bind(path: &Path) -> anyhow::Result<Control> {
        create_folder_of(path)?;
        refuse_if_answered(path).await?;
        // Under another name until its mode is right, so that nobody connects before.
        let mut building = path.as_os_str().to_owned();
        building.push(".new");
        let building = PathBuf::from(building);
        match std::fs::remove_file(&building) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("the leftover {} can't be removed", building.display()));
            }
            Ok(()) | Err(_) => {}
        }
        let bound = UnixListener::bind(&building);
        let listener = bound.with_context(|| {
            format!(
                "the control socket {} can't be made: give the service's user its folder, or set `control:` to \
                 another (short) path",
                path.display()
            )
        })?;
        let settle = || {
            std::fs::set_permissions(&building, std::fs::Permissions::from_mode(0o660))?;
            let about = std::fs::symlink_metadata(&building)?;
            std::fs::rename(&building, path)?;
            Ok::<_, io::Error>(SocketFile { path: path.to_owned(), identity: (about.dev(), about.ino()) })
        };
        let file = settle().with_context(|| format!("the control socket {} can't be put in place", path.display()))?;
        Ok(Control { listener, file })
    }

    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// Takes requests until the other end of `to` is dropped. Dropping the future closes all connections.
    pub async fn serve(self, to: mpsc::Sender<Incoming>) {
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = to.closed() => return,
            };
            match accepted {
                Ok((stream, _)) if connections.len() >= CONNECTIONS_MAX => {
                    connections.spawn(refuse_crowd(stream));
                    // Refusals are bounded too: the oldest work is waited for.
                    if connections.len() > 2 * CONNECTIONS_MAX {
                        connections.join_next().await;
                    }
                }
                Ok((stream, _)) => {
                    connections.spawn(serve_one(stream, to.clone(), CLIENT_DEADLINE));
                }
                Err(error) => {
                    tracing::warn!(%error, "the control socket can't accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// The socket's file, removed on drop unless another has taken its place.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let ours = std::fs::symlink_metadata(&self.path).is_ok_and(|about| (about.dev(), about.ino()) == self.identity);
        if ours && let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "the control socket's file could not be removed");
        }
    }
}

fn create_folder_of(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder.filter(|folder| !folder.exists()) else { return Ok(()) };
    if folder.starts_with("/run") {
        bail!(
            "the control socket's folder {} does not exist: have systemd make it (`RuntimeDirectory=`), or set \
             `control:` to another path",
            folder.display()
        );
    }
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).with_context(|| {
        format!("the control socket's folder {} can't be made: make it, or set `control:`", folder.display())
    })
}

async fn refuse_if_answered(path: &Path) -> anyhow::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(error).with_context(|| format!("the control socket {} can't be seen", path.display()));
        }
        Ok(about) if !about.file_type().is_socket() => {
            bail!("{} is no socket: set `control:` to another path, or remove the file", path.display());
        }
        Ok(_) => {}
    }
    match timeout(CLIENT_DEADLINE, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => {
            Err(error).with_context(|| format!("the control socket {} can't be tried out", path.display()))
        }
        Ok(Ok(_)) | Err(_) => bail!(
            "another vigie answers on {}: stop it first, or set `control:` and `state:` to other paths",
            path.display()
        ),
    }
}

async fn refuse_crowd(mut stream: UnixStream) {
    let reply = Reply::Error(format!("{CONNECTIONS_MAX} commands are under way already: try again in a moment"));
    answer(&mut stream, &reply).await;
}

async fn serve_one(mut stream: UnixStream, to: mpsc::Sender<Incoming>, patience: Duration) {
    let reply = match timeout(patience, read_request(&mut stream)).await {
        Ok(Ok(request)) => hand_on(author(&stream), request, &to).await,
        Ok(Err(cause)) => Reply::Error(cause),
        Err(_) => Reply::Error(format!("no request came within {patience:?}")),
    };
    answer(&mut stream, &reply).await;
}

async fn hand_on(by: String, request: Request, to: &mpsc::Sender<Incoming>) -> Reply {
    let stopping = || Reply::Error("the daemon is stopping; nothing was done".to_owned());
    let (reply, answered) = oneshot::channel();
    if to.send(Incoming { by, request, reply }).await.is_err() {
        return stopping();
    }
    match timeout(ANSWER_DEADLINE, answered).await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => stopping(),
        Err(_) => Reply::Error(format!(
            "the daemon did not answer within {} s; it may still do what was asked, see its log",
            ANSWER_DEADLINE.as_secs()
        )),
    }
}

async fn read_request(stream: &mut UnixStream) -> Result<Request, String> {
    let mut line = Vec::new();
    let mut input = BufReader::new(stream).take(REQUEST_BYTES_MAX + 1);
    input.read_until(b'\n', &mut line).await.map_err(|error| format!("the request can't be read: {error}"))?;
    if line.len() as u64 > REQUEST_BYTES_MAX {
        return Err(format!("the request has more than {REQUEST_BYTES_MAX} bytes"));
    }
    serde_json::from_slice(&line).map_err(|error| format!("the request is not understood: {error}"))
}

async fn answer(stream: &mut UnixStream, reply: &Reply) {
    let Ok(mut line) = serde_json::to_vec(reply) else { return };
    line.push(b'\n');
    let written = async {
        stream.write_all(&line).await?;
        stream.shutdown().await
    };
    // A client that went away needs no answer.
    if !matches!(timeout(CLIENT_DEADLINE, written).await, Ok(Ok(()))) {
        tracing::debug!("a client of the control socket did not take its reply");
    }
}

/// Who is on the other end, as the kernel says.
fn author(stream: &UnixStream) -> String {
    let Ok(peer) = stream.peer_cred() else { return "unknown".to_owned() };
    name_of(peer.uid())
}

/// Who runs this process, as its requests would be signed.
pub fn own_name() -> String {
    name_of(uzers::get_current_uid())
}

fn name_of(uid: u32) -> String {
    let user = uzers::get_user_by_uid(uid);
    user.map_or_else(|| format!("uid:{uid}"), |user| user.name().to_string_lossy().into_owned())
}

/// Asks the daemon that listens on `path`.
pub async fn request(path: &Path, request: &Request) -> anyhow::Result<Reply> {
    let nobody = || format!("no vigie answers on {}: is `vigie run` up with this configuration?", path.display());
    let denied =
        || format!("the control socket {} refuses you: join the group of the service, or use sudo", path.display());
    let mut stream = match timeout(CLIENT_DEADLINE, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if error.kind() == io::ErrorKind::PermissionDenied => return Err(error).with_context(denied),
        Ok(Err(error)) => return Err(error).with_context(nobody),
        Err(_) => bail!(nobody()),
    };
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    let mut said = Vec::new();
    let talk = async {
        stream.write_all(&line).await?;
        stream.take(REPLY_BYTES_MAX).read_to_end(&mut said).await
    };
    let talked = timeout(REPLY_DEADLINE, talk).await;
    talked
        .with_context(|| format!("vigie on {} did not answer in time: see its log", path.display()))?
        .with_context(|| format!("the talk with vigie on {} broke off: see its log", path.display()))?;
    serde_json::from_slice(&said).with_context(|| {
        format!("the answer on {} is not understood: is the daemon of another version?", path.display())
    })
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
