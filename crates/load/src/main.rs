//! The load that a Portal is measured under: players by the thousand, and a Server that answers
//! at once.
//!
//! One thread and one epoll, so that it stays cheaper than what it measures. Every command prints
//! its figures as JSON, one object a line, on standard output.

mod connect;
mod dial;
mod fanout;
mod idle;
mod options;
mod pickle;
mod player;
mod report;
mod server;
mod stub;
mod talk;
mod websocket;

use std::io::{self, Write};
use std::process::ExitCode;

use options::{Command, Options};

const USAGE: &str = "\
load talk    --port P --clients N --seconds S --warmup W --mode closed|rate --rate R --size B --pid PID
load connect --port P --clients N --seconds S --pid PID
load idle    --port P --clients N --compressed true|false
load fanout  --port P --amp-port A --clients N --seconds S --warmup W --boxes one|each --level L --size B --pid PID
load stub    --port P
all of them  --host H
players      --protocol telnet|websocket --form plain|inputfunc --path /
";

fn run(options: &Options) -> io::Result<()> {
    match options.command {
        Command::Talk => print_line(&talk::run(options)?),
        Command::Connect => print_line(&connect::run(options)?),
        Command::Idle => idle::run(options),
        Command::Stub => stub::run(options),
        Command::Fanout => print_line(&fanout::run(options)?),
    }
}

/// Prints one line of figures, at once: the bench waits for it.
fn print_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

fn main() -> ExitCode {
    let options = match Options::parse() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("load: {error}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
