//! Why an encode failed.

use std::fmt;
use std::path::PathBuf;

use btfkit_btf::check;

use crate::object;

/// Why there is no BTF.
#[derive(Debug)]
pub enum Error {
    /// The file could not be read.
    Object(object::Error),
    /// The file has no DWARF, and no separate debug file of it was found.
    NoDebugInfo {
        /// The file.
        file: PathBuf,
    },
    /// Nothing of what the file has was asked for, or nothing could be read.
    NothingToEncode {
        /// The file.
        file: PathBuf,
        /// How many units were passed over because of their language.
        languages: usize,
        /// How many units could not be read.
        damaged: u64,
    },
    /// The base could not be opened: why, with its name.
    Base(String),
    /// The base is of the other byte order.
    ByteOrders {
        /// The base.
        base: String,
        /// Whether that is the big-endian one.
        is_big_endian: bool,
        /// The file.
        file: PathBuf,
    },
    /// The output could not be put together.
    Btf(btfkit_btf::Error),
    /// The output breaks a rule of the kernel's verifier: a defect of this program, or a file that says impossible
    /// things.
    Refused(Box<check::Report>),
    /// The module was built against another kernel than the base is of.
    OtherKernel {
        /// The structure that proves it.
        name: String,
        /// How the module's differs from the base's.
        difference: String,
    },
    /// More variables in one section than BTF can count.
    TooManyVariables {
        /// The section.
        section: String,
        /// How many.
        count: usize,
    },
}

/// What a function of this crate gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(error) => error.fmt(f),
            Self::NoDebugInfo { file } => write!(
                f,
                "{}: no DWARF, and no separate debug file of it; build with -g, or install the package of debug symbols",
                file.display()
            ),
            Self::NothingToEncode { file, languages, damaged } => {
                write!(f, "{}: nothing to encode", file.display())?;
                if *languages > 0 {
                    write!(f, "; {languages} units left out by their language")?;
                }
                if *damaged > 0 {
                    write!(f, "; {damaged} places in the DWARF could not be read")?;
                }
                Ok(())
            }
            Self::Base(error) => f.write_str(error),
            Self::ByteOrders { base, is_big_endian, file } => {
                let order = |big| if big { "big-endian" } else { "little-endian" };
                let (of_base, of_file) = (order(*is_big_endian), order(!*is_big_endian));
                write!(f, "{base}: {of_base} BTF is no base for {}, which is {of_file}", file.display())
            }
            Self::Btf(error) => write!(f, "writing BTF: {error}"),
            Self::Refused(report) => {
                write!(f, "the kernel would refuse the result ({} violations", report.total)?;
                if let Some(first) = report.violations.first() {
                    write!(f, ", the first: {first}")?;
                }
                write!(f, "); nothing was written")
            }
            Self::OtherKernel { name, difference } => {
                write!(f, "built against another vmlinux than the base: its struct {name} has {difference}")
            }
            Self::TooManyVariables { section, count } => {
                write!(f, "{count} variables in section {section}, BTF counts to 65535; try --vars lean")
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<object::Error> for Error {
    fn from(error: object::Error) -> Self {
        Self::Object(error)
    }
}

impl From<btfkit_btf::Error> for Error {
    fn from(error: btfkit_btf::Error) -> Self {
        Self::Btf(error)
    }
}
