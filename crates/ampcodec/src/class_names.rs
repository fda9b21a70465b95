//! The classes that a pickle names, as a line for the log.

use std::fmt;

/// Classes that are shown; a sync names about ten.
const MAX_NAMES: usize = 8;
/// Characters of a module's or a class's name that are shown.
const MAX_NAME: usize = 100;

/// Different names in the order of their coming, bounded in number and length.
#[derive(Debug, Default)]
pub struct ClassNames {
    names: Vec<String>,
    more: bool,
}

impl ClassNames {
    /// Whether no class was named.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Take note of a class. Once there are too many nothing more is done for one.
    pub fn add(&mut self, module: &[u8], name: &[u8]) {
        if self.more {
            return;
        }
        let full = format!("{}.{}", shown(module), shown(name));
        if self.names.contains(&full) {
            return;
        }
        if self.names.len() < MAX_NAMES {
            self.names.push(full);
        } else {
            self.more = true;
        }
    }
}

impl fmt::Display for ClassNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(", "))?;
        if self.more {
            f.write_str(", ...")
        } else {
            Ok(())
        }
    }
}

/// A name fit for a log: what cannot be part of a name is shown as a question mark.
fn shown(name: &[u8]) -> String {
    let fit = |character: char| {
        let is_part = character.is_alphanumeric() || "._<>".contains(character);
        if is_part { character } else { '?' }
    };
    // Four bytes for each character are enough, however long the rest is.
    let name = &name[..name.len().min(4 * MAX_NAME)];
    String::from_utf8_lossy(name)
        .chars()
        .take(MAX_NAME)
        .map(fit)
        .collect()
}
