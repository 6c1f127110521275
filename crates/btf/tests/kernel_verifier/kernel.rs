//! Asking the running kernel: the system call bpf(BPF_BTF_LOAD).

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// The part of `union bpf_attr` that BPF_BTF_LOAD reads.
#[repr(C)]
#[derive(Default)]
struct LoadAttributes {
    data: u64,
    log: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
}

const BPF_BTF_LOAD: libc::c_int = 18;

/// Loads a blob and drops it again.
pub(crate) fn load(data: &[u8]) -> io::Result<()> {
    submit(LoadAttributes {
        data: data.as_ptr() as u64,
        size: data.len() as u32,
        ..LoadAttributes::default()
    })
}

/// What the kernel has to say about a blob: the end of its log.
pub(crate) fn log(data: &[u8]) -> String {
    let mut log = vec![0u8; 1 << 20];
    let outcome = submit(LoadAttributes {
        data: data.as_ptr() as u64,
        size: data.len() as u32,
        log: log.as_mut_ptr() as u64,
        log_size: log.len() as u32,
        log_level: 1,
    });
    let text = String::from_utf8_lossy(log.split(|&byte| byte == 0).next().unwrap_or_default()).into_owned();
    let tail: Vec<&str> = text.lines().rev().take(3).collect();
    format!("{outcome:?}: {}", tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
}

fn submit(attributes: LoadAttributes) -> io::Result<()> {
    // SAFETY: the attributes are laid out as the kernel's, and what they point to lives for the call with the sizes
    // given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_BTF_LOAD,
            &raw const attributes,
            size_of::<LoadAttributes>() as libc::c_uint,
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call gave a new descriptor that nothing else owns.
    drop(unsafe { OwnedFd::from_raw_fd(result as i32) });
    Ok(())
}
