//! `btfkit dump --format c`.

use std::path::{Path, PathBuf};

use btfkit_btf::dump::c::{Header, Options, header};
use btfkit_btf::{Btf, TypeId};
use clap::{Args, CommandFactory};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

#[derive(Debug, Default, Args)]
#[group(skip)]
#[command(next_help_heading = "Options of --format c")]
pub(super) struct Arguments {
    /// Also declare the variables, with section, offset and size
    #[arg(long)]
    variables: bool,

    /// Also define the types that pointers lead to; without it they are declared
    #[arg(long)]
    follow_pointers: bool,

    /// Add a static assertion of every size and of every member's offset
    #[arg(long)]
    assert: bool,

    /// Leave out what another header defines: types, enumerators, functions, variables of these names
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    exclude: Vec<String>,

    /// Leave out what this header defines; give it preprocessed (cc -E -dD) to follow its #includes
    #[arg(long, value_name = "HEADER")]
    exclude_from: Vec<PathBuf>,

    /// Leave out what the C library and <linux/types.h> define, and include these headers
    #[arg(long)]
    no_libc: bool,
}

impl Arguments {
    /// The header of the types selected, or of all.
    pub(super) fn header(&self, btf: &Btf<'_>, selected: Option<&[TypeId]>) -> Result<Header> {
        let mut options = Options {
            variables: self.variables,
            assertions: self.assert,
            follow_pointers: self.follow_pointers,
            ..Options::default()
        };
        for name in &self.exclude {
            options.outside.insert(name);
        }
        for path in &self.exclude_from {
            options.outside.insert_header(&read(path)?);
        }
        if self.no_libc {
            options = options.without_libc();
        }
        Ok(header(btf, selected, &options)?)
    }

    /// Ends the program where something was asked for that only this format has.
    pub(super) fn check_unused(&self) {
        let unused = !(self.variables || self.follow_pointers || self.assert || self.no_libc)
            && self.exclude.is_empty()
            && self.exclude_from.is_empty();
        if !unused {
            let message = "--variables, --follow-pointers, --assert, --exclude, --exclude-from and --no-libc \
                           are options of --format c";
            <crate::Cli>::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes)
            .map_err(|error| format!("standard input: {error}"))?;
        return Ok(bytes);
    }
    std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()).into())
}
