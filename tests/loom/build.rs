//! Compiles the shared files with loom's atomics, in this crate only: no `RUSTFLAGS`, no second build of everything.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(loom)");
    println!("cargo::rustc-cfg=loom");
}
