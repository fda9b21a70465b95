//! Players that do nothing: they are there, for the memory they take.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::options::{Options, Protocol};
use crate::player::holds;
use crate::{dial, print_line, websocket};

/// IAC WILL MCCP2: what is sent can be compressed.
const OFFER: &[u8] = b"\xff\xfb\x56";
/// IAC DO MCCP2.
const AGREEMENT: &[u8] = b"\xff\xfd\x56";
/// IAC SB MCCP2 IAC SE: all behind it is compressed.
const BEGIN: &[u8] = b"\xff\xfa\x56\xff\xf0";
/// How long an offer, and what follows it, are waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Opens all connections, each when the one before it has heard from the Portal; says so, and
/// holds them until standard input closes.
pub fn run(options: &Options) -> io::Result<()> {
    let mut held = Vec::with_capacity(options.clients);
    for number in 0..options.clients {
        let mut stream = dial::connect(options.target, number)?;
        match options.protocol {
            Protocol::Websocket => {
                websocket::open(&mut stream, options.target, &options.path)?;
            }
            Protocol::Telnet if options.compressed => agree(&mut stream)?,
            Protocol::Telnet => dial::await_greeting(&stream)?,
        }
        held.push(stream);
    }
    if options.compressed {
        for stream in &mut held {
            await_bytes(stream, b"")?;
        }
    }
    print_line(&format!("{{\"open\": {}}}", held.len()))?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Agrees to compression and sends a line, whose echo is to be awaited: a compressor takes most of
/// its memory with the first text that goes through it.
fn agree(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    await_bytes(stream, OFFER)?;
    stream.write_all(AGREEMENT)?;
    await_bytes(stream, BEGIN)?;
    stream.write_all(b"a line\r\n")
}

/// Reads until these bytes have come; any will do where none are given.
fn await_bytes(stream: &mut TcpStream, wanted: &[u8]) -> io::Result<()> {
    let mut got = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(io::Error::other("the Portal compresses nothing"));
            }
            result => result?,
        };
        got.extend_from_slice(&buffer[..length]);
        if wanted.is_empty() || holds(&got, wanted) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A player's end, and the thread of a Portal that plays its part on the other.
    fn facing(portal: fn(TcpStream)) -> (TcpStream, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        let thread = thread::spawn(move || portal(listener.accept().expect("connected").0));
        (TcpStream::connect(target).expect("listening"), thread)
    }

    #[test]
    fn compression_is_agreed_to_and_used() {
        let (mut stream, portal) = facing(|mut stream| {
            let mut answer = [0; 3];
            stream.write_all(b"\xff\xfb\x03\xff").expect("written");
            stream.write_all(b"\xfb\x56Hello").expect("written");
            stream.read_exact(&mut answer).expect("an answer");
            assert_eq!(answer, AGREEMENT);
            stream.write_all(BEGIN).expect("written");
            let mut line = [0; 8];
            stream.read_exact(&mut line).expect("a line");
            stream.write_all(&line).expect("written");
        });
        agree(&mut stream).expect("a Portal that compresses");
        await_bytes(&mut stream, b"").expect("an echo");
        portal.join().expect("the Portal saw what it wanted");
    }

    #[test]
    fn a_portal_that_hangs_up_is_an_error() {
        let (mut stream, portal) = facing(drop);
        let error = agree(&mut stream).expect_err("nothing was offered");
        assert!(
            matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            ),
            "{error}"
        );
        portal.join().expect("it did nothing");
    }
}
