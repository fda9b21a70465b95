//! What a client writes, and what a decoder makes of it.

use wscodec::{Control, Failure, OpCode, Sink};

/// Something that the decoder told, as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Binary(Vec<u8>),
    Control(u8, Vec<u8>),
    Failed(Failure),
}

/// Collects everything.
#[derive(Debug, Default)]
pub struct Items(pub Vec<Said>);

impl Sink for Items {
    fn text(&mut self, text: &str) {
        self.0.push(Said::Text(text.to_owned()));
    }

    fn binary(&mut self, data: &[u8]) {
        self.0.push(Said::Binary(data.to_vec()));
    }

    fn control(&mut self, opcode: Control, payload: &[u8]) {
        let opcode = OpCode::Control(opcode).into();
        self.0.push(Said::Control(opcode, payload.to_vec()));
    }

    fn failed(&mut self, failure: Failure) {
        self.0.push(Said::Failed(failure));
    }
}
