//! Players that do nothing: they are there, for the memory they take.

use std::io::{self, Read};

use crate::options::{Options, Protocol};
use crate::{dial, print_line, websocket};

/// Opens all connections, says so once each has heard from the Portal, and holds them until
/// standard input closes.
pub fn run(options: &Options) -> io::Result<()> {
    let mut held = Vec::with_capacity(options.clients);
    for number in 0..options.clients {
        let mut stream = dial::connect(options.target, number)?;
        if options.protocol == Protocol::Websocket {
            websocket::open(&mut stream, options.target, &options.path)?;
        }
        held.push(stream);
    }
    if options.protocol == Protocol::Telnet {
        for stream in &held {
            stream.peek(&mut [0])?;
        }
    }
    print_line(&format!("{{\"open\": {}}}", held.len()))?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
