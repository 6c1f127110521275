"""What `btfkit debug -e init_uts_ns.name.release` prints, by drgn: for `cargo xtask bench debug`."""

print(prog["init_uts_ns"].name.release.string_().decode())  # noqa: F821
