//! Outgoing connections, spread over the loopback's addresses.
//!
//! A Portal counts connections by address, and one address has only some 28 000 free ports: so
//! the clients come from 127.0.1.1, 127.0.1.2 and so on, where the target is on loopback.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};

use socket2::{Domain, Protocol, Socket, Type};

/// Clients behind one address: far below every limit on ports.
const PER_ADDRESS: usize = 100;

/// Where the client of this number comes from.
fn source(number: usize) -> Ipv4Addr {
    let address = number / PER_ADDRESS;
    let [third, fourth] = [1 + address / 250 % 250, 1 + address % 250]
        .map(|part| u8::try_from(part).expect("parts are at most 250"));
    Ipv4Addr::new(127, 0, third, fourth)
}

fn socket(target: SocketAddr, number: usize) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(target),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_tcp_nodelay(true)?;
    if let IpAddr::V4(address) = target.ip()
        && address.is_loopback()
    {
        socket.bind(&SocketAddr::from((source(number), 0)).into())?;
    }
    Ok(socket)
}

/// Connects and waits until the connection stands. The stream is a blocking one.
pub fn connect(target: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = socket(target, number)?;
    socket.connect(&target.into())?;
    Ok(socket.into())
}

/// Waits until something has come, and leaves it there to be read.
///
/// Every Portal says something first. Who dials on without waiting fills a short queue of
/// connections to accept (Twisted's holds 50), and the system tries again after a second only.
pub fn await_greeting(stream: &TcpStream) -> io::Result<()> {
    match stream.peek(&mut [0])? {
        0 => Err(io::Error::new(
            io::ErrorKind::ConnectionReset,
            "the Portal closed at once",
        )),
        _ => Ok(()),
    }
}

/// Begins to connect. Writability, or the first bytes, say that the connection stands.
pub fn begin(target: SocketAddr, number: usize) -> io::Result<mio::net::TcpStream> {
    let socket = socket(target, number)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&target.into()) {
        Err(error) if error.raw_os_error() != Some(IN_PROGRESS) => Err(error),
        _ => Ok(mio::net::TcpStream::from_std(socket.into())),
    }
}

/// EINPROGRESS of Linux; the standard library has no name for it.
const IN_PROGRESS: i32 = 115;

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn clients_are_spread_over_addresses() {
        for (number, expected) in [
            (0, [127, 0, 1, 1]),
            (99, [127, 0, 1, 1]),
            (100, [127, 0, 1, 2]),
            (24_999, [127, 0, 1, 250]),
            (25_000, [127, 0, 2, 1]),
        ] {
            assert_eq!(source(number), Ipv4Addr::from(expected), "{number}");
        }
    }

    #[test]
    fn a_greeting_is_awaited_and_left_to_be_read() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        for greeting in [&b"hi"[..], b""] {
            let mut stream = connect(target, 0).expect("listening");
            let (mut portal, _) = listener.accept().expect("connected");
            portal.write_all(greeting).expect("written");
            drop(portal);
            assert_eq!(await_greeting(&stream).is_ok(), !greeting.is_empty());
            let mut got = Vec::new();
            stream.read_to_end(&mut got).expect("an end");
            assert_eq!(got, greeting);
        }
    }

    #[test]
    fn a_connection_comes_from_its_address() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let target = listener.local_addr().expect("bound");
        let stream = connect(target, 250).expect("listening");
        let (_, peer) = listener.accept().expect("connected");
        assert_eq!(peer, stream.local_addr().expect("connected"));
        assert_eq!(peer.ip(), IpAddr::V4(Ipv4Addr::new(127, 0, 1, 3)));
    }
}
