//! AMP boxes, the Compressed argument and the pickle scan, sans-IO.
