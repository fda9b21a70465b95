"""The codecs of Portal, compiled. Each part wraps one pure crate."""

