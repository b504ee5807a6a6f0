//! The command `hil`.

fn main() {}
