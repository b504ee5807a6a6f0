//! Tells the linker where memory is.

fn main() {
    // Must stand behind the scripts that esp-hal's own build adds.
    println!("cargo:rustc-link-arg-bins=-Tlinkall.x");
}
