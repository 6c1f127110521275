//! Kernel releases, as they matter to what BTF they take.

use std::fmt;
use std::str::FromStr;

/// A kernel release: `6.1`, or `6.1.192` where the stable update matters too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u16,
    /// Second number.
    pub minor: u16,
    /// Third number: the stable update; 0 for the release itself.
    pub patch: u16,
}

impl Version {
    /// The first release with BTF.
    pub const OLDEST: Self = Self::new(4, 18, 0);
    /// The newest release that anything is known of here.
    pub const NEWEST: Self = Self::new(7, 4, 0);

    /// A release.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.patch != 0 { write!(f, ".{}", self.patch) } else { Ok(()) }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for Version {
    /// As text: `"6.1"`.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no release that BTF can be checked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoVersion {
    /// Not of the form `6.1` or `6.1.192`.
    Form,
    /// Kernels before 4.18 have no BTF; numbers above 7 are not given out yet.
    Range,
}

impl fmt::Display for NoVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a kernel release looks like 6.1, or 6.1.192 with the stable update",
            Self::Range => "kernel releases with BTF go from 4.18 to 7.x",
        })
    }
}

impl std::error::Error for NoVersion {}

impl FromStr for Version {
    type Err = NoVersion;

    /// Reads `6.1`, `6.1.192`, `v6.1-rc3`, or what `uname -r` says: `6.12.9-amd64`.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        if !text[end..].is_empty() && !text[end..].starts_with(['-', '+', '_', '~']) {
            return Err(NoVersion::Form);
        }
        let numbers: Vec<&str> = text[..end].split('.').collect();
        let number = |index: usize| match numbers.get(index) {
            Some(number) => number.parse::<u16>().map_err(|_| NoVersion::Form),
            None => Ok(0),
        };
        if !(2..=4).contains(&numbers.len()) {
            return Err(NoVersion::Form);
        }
        let version = Self::new(number(0)?, number(1)?, number(2)?);
        if version < Self::OLDEST || version.major > 7 {
            return Err(NoVersion::Range);
        }
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_people_and_kernels_write_them() {
        for (text, version) in [
            ("6.1", Version::new(6, 1, 0)),
            ("v4.18", Version::OLDEST),
            ("6.12.117+deb12-cloud-amd64", Version::new(6, 12, 117)),
            ("6.18.44-fc-v657", Version::new(6, 18, 44)),
            ("5.10.0-rc7", Version::new(5, 10, 0)),
            ("7.99", Version::new(7, 99, 0)),
        ] {
            assert_eq!(text.parse(), Ok(version), "{text}");
        }
        for text in ["", "6", "6.", ".1", "six.one", "6.1x", "6.1.2.3.4", "6.99999"] {
            assert_eq!(text.parse::<Version>(), Err(NoVersion::Form), "{text}");
        }
        for text in ["4.17", "3.10", "8.0"] {
            assert_eq!(text.parse::<Version>(), Err(NoVersion::Range), "{text}");
        }
        assert_eq!(Version::new(6, 1, 0).to_string(), "6.1");
        assert_eq!(Version::new(6, 1, 192).to_string(), "6.1.192");
    }
}
