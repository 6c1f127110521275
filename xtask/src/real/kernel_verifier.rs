//! The running kernel's own verifier, through `bpf(BPF_BTF_LOAD)`.

use std::io::{Error, ErrorKind};
use std::os::fd::{FromRawFd, OwnedFd};

use anyhow::{Result, bail};

use crate::command::is_root;
use crate::verdict::unavailable;

const BPF_BTF_LOAD: libc::c_int = 18;
const LOG_SIZE: u32 = 16 << 20;

/// The arguments of `BPF_BTF_LOAD`, as far as every kernel that has it knows them.
#[repr(C)]
#[derive(Debug, Default)]
struct LoadArguments {
    btf: u64,
    log: u64,
    btf_size: u32,
    log_size: u32,
    log_level: u32,
    padding: u32,
}

/// Asks the running kernel to accept a raw BTF; the error carries the end of its log.
pub(crate) fn load(btf: &[u8]) -> Result<()> {
    if !is_root() {
        return Err(unavailable("only root may ask the running kernel's verifier"));
    }
    match try_load(btf, &mut []) {
        Ok(_) => Ok(()),
        Err(error) if is_forbidden(&error) => {
            Err(unavailable(format!("the running kernel lets nobody load BTF ({error})")))
        }
        Err(error) => {
            let mut log = vec![0; LOG_SIZE as usize];
            // The second load is for its log alone.
            let _ = try_load(btf, &mut log);
            bail!("the kernel's verifier says {error}: {}", end_of(&log))
        }
    }
}

fn is_forbidden(error: &Error) -> bool {
    error.kind() == ErrorKind::PermissionDenied || error.raw_os_error() == Some(libc::ENOSYS)
}

fn try_load(btf: &[u8], log: &mut [u8]) -> Result<OwnedFd, Error> {
    let mut arguments = LoadArguments {
        btf: btf.as_ptr() as u64,
        btf_size: u32::try_from(btf.len()).map_err(|_| Error::from_raw_os_error(libc::E2BIG))?,
        ..LoadArguments::default()
    };
    if !log.is_empty() {
        arguments.log = log.as_mut_ptr() as u64;
        arguments.log_size = LOG_SIZE;
        arguments.log_level = 1;
    }
    // SAFETY: the structure and both buffers outlive the call, and their sizes are those passed.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, BPF_BTF_LOAD, &raw const arguments, size_of::<LoadArguments>())
    };
    match i32::try_from(result) {
        // SAFETY: a successful call returns a new descriptor that nothing else owns.
        Ok(descriptor) if descriptor >= 0 => Ok(unsafe { OwnedFd::from_raw_fd(descriptor) }),
        _ => Err(Error::last_os_error()),
    }
}

fn end_of(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Unavailable;

    /// A BTF with the one type `int`, whose name lies at `name` in the strings.
    fn int_at(name: u32) -> Vec<u8> {
        let words: [u32; 10] = [0x0001_eb9f, 24, 0, 16, 16, 5, name, 0x0100_0000, 4, 0x0100_0020];
        words.into_iter().flat_map(u32::to_ne_bytes).chain(*b"\0int\0").collect()
    }

    #[test]
    fn the_kernel_accepts_an_int_and_explains_a_refusal() {
        match load(&int_at(1)) {
            Ok(()) => {
                let refusal = load(&int_at(77)).unwrap_err().to_string();
                assert!(refusal.contains("name_offset"), "{refusal}");
            }
            Err(error) if error.is::<Unavailable>() => println!("SKIPPED kernel verifier: {error}"),
            Err(error) => panic!("{error}"),
        }
    }
}
