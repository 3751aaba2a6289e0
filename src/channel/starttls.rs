//! A connection that is read line by line, for a conversation that begins in clear text.
//!
//! lettre keeps what came behind the answer to STARTTLS and reads it after the handshake, as if the server had said
//! it: somebody on the way could answer in the server's place, up to a mail that was never taken. Here nothing comes
//! behind a line, so that whatever was added to it meets the handshake and fails it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// A piece without a line's end, such as one of the encrypted part, is read whole up to this size.
const PIECE_BYTES_MAX: usize = 4096;

/// Gives at most one line to each read.
#[derive(Debug)]
pub(super) struct LineByLine(pub(super) TcpStream);

impl AsyncTokioStream for LineByLine {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

impl AsyncRead for LineByLine {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut scratch = [0; PIECE_BYTES_MAX];
        let room = out.remaining().min(PIECE_BYTES_MAX);
        let mut peeked = ReadBuf::new(&mut scratch[..room]);
        let waiting = ready!(self.0.poll_peek(cx, &mut peeked))?;
        let newline = peeked.filled().iter().position(|byte| *byte == b'\n');
        let wanted = newline.map_or(waiting, |at| at + 1);
        let mut taken = ReadBuf::new(&mut scratch[..wanted]);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut taken))?;
        out.put_slice(taken.filled());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for LineByLine {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn nothing_comes_behind_a_line() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (here, _) = listener.accept().await.unwrap();
        there.write_all(b"220 go\r\n250 added\r\n\nrest").await.unwrap();
        there.shutdown().await.unwrap();
        let mut here = LineByLine(here);
        let mut buffer = [0; 100];
        for expected in ["220 go\r\n", "250 added\r\n", "\n", "rest", ""] {
            let count = here.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..count], expected.as_bytes());
        }
        there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (here, _) = listener.accept().await.unwrap();
        there.write_all(b"220 go\r\n").await.unwrap();
        // A reader with little room gets the line in pieces.
        let count = LineByLine(here).read(&mut buffer[..3]).await.unwrap();
        assert_eq!(&buffer[..count], b"220");
    }
}
