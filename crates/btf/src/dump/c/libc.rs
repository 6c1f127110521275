//! What the C library's headers and `<linux/types.h>` define.
//!
//! A kernel's type of the same name is left out where both mean the same; where they do not, leaving it out would move
//! the members of every structure that has one (a `dev_t` of the kernel has four bytes, one of glibc eight). The lists
//! are those of glibc 2.36 and Linux 6.18 on x86-64, compared by size; tests compile headers with both.

use super::Options;

impl Options {
    /// Leaves out what the C library and `<linux/types.h>` define with the same meaning as the kernel, includes these
    /// headers, and gives other names (`dev_t___2`) to what they define with another meaning.
    #[must_use]
    pub fn without_libc(mut self) -> Self {
        for name in SAME {
            self.outside.insert_ordinary(name.as_bytes());
        }
        self.outside.insert_tag(b"timezone");
        for name in OTHER {
            self.outside.take(name);
        }
        self.includes.extend(INCLUDES.map(str::to_owned));
        self
    }
}

const INCLUDES: [&str; 8] =
    ["stddef.h", "stdint.h", "stdbool.h", "stdarg.h", "sys/types.h", "time.h", "sys/time.h", "linux/types.h"];

/// Typedefs and enumerators that mean the same on both sides.
const SAME: [&str; 102] = [
    "__be16",
    "__be32",
    "__be64",
    "__kernel_clock_t",
    "__kernel_clockid_t",
    "__kernel_caddr_t",
    "__kernel_daddr_t",
    "__kernel_fd_set",
    "__kernel_fsid_t",
    "__kernel_gid16_t",
    "__kernel_gid32_t",
    "__kernel_gid_t",
    "__kernel_ino_t",
    "__kernel_ipc_pid_t",
    "__kernel_key_t",
    "__kernel_loff_t",
    "__kernel_long_t",
    "__kernel_mode_t",
    "__kernel_mqd_t",
    "__kernel_off_t",
    "__kernel_old_dev_t",
    "__kernel_old_gid_t",
    "__kernel_old_time_t",
    "__kernel_old_uid_t",
    "__kernel_pid_t",
    "__kernel_ptrdiff_t",
    "__kernel_sighandler_t",
    "__kernel_size_t",
    "__kernel_ssize_t",
    "__kernel_suseconds_t",
    "__kernel_time64_t",
    "__kernel_time_t",
    "__kernel_timer_t",
    "__kernel_uid16_t",
    "__kernel_uid32_t",
    "__kernel_uid_t",
    "__kernel_ulong_t",
    "__le16",
    "__le32",
    "__le64",
    "__poll_t",
    "__s16",
    "__s32",
    "__s64",
    "__s8",
    "__sum16",
    "__u16",
    "__u32",
    "__u64",
    "__u8",
    "__wsum",
    "__gnuc_va_list",
    "blkcnt_t",
    "bool",
    "caddr_t",
    "clock_t",
    "clockid_t",
    "daddr_t",
    "false",
    "gid_t",
    "id_t",
    "ino_t",
    "int16_t",
    "int32_t",
    "int64_t",
    "int8_t",
    "intptr_t",
    "key_t",
    "loff_t",
    "mode_t",
    "off_t",
    "pid_t",
    "ptrdiff_t",
    "quad_t",
    "size_t",
    "ssize_t",
    "suseconds_t",
    "time_t",
    "true",
    "u_char",
    "u_int",
    "u_int16_t",
    "u_int32_t",
    "u_int64_t",
    "u_int8_t",
    "u_long",
    "u_quad_t",
    "u_short",
    "uid_t",
    "uint",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "uint8_t",
    "uintptr_t",
    "ulong",
    "ushort",
    "va_list",
    "intmax_t",
    "uintmax_t",
    "register_t",
    "blksize_t",
];

/// Names of something else there, or of the same with another size or other members.
const OTHER: [&str; 36] = [
    "NULL",
    "adjtime",
    "asctime",
    "clock",
    "ctime",
    "daylight",
    "dev_t",
    "difftime",
    "fd_set",
    "fsid_t",
    "gmtime",
    "itimerspec",
    "itimerval",
    "locale_t",
    "localtime",
    "max_align_t",
    "mktime",
    "nanosleep",
    "nlink_t",
    "offsetof",
    "pselect",
    "select",
    "setitimer",
    "sigevent",
    "sigset_t",
    "stime",
    "strftime",
    "time",
    "timer_t",
    "timespec",
    "timeval",
    "timezone",
    "tm",
    "tzname",
    "utimes",
    "wchar_t",
];
