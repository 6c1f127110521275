//! BTF, the compact type format of the Linux kernel.
