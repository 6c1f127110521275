//! The real tier: Debian kernels, encoded and held against independent readers and the peer.

use crate::fixtures::{Kernel, fetch_all};
use crate::verdict::Tally;

pub(crate) fn run(tally: &mut Tally) {
    for (package, kernel) in fetch_all() {
        match kernel {
            Ok(kernel) => check_kernel(tally, &kernel),
            Err(error) => tally.skip(&format!("real tier, {}", package.label), &format!("{error:#}")),
        }
    }
}

fn check_kernel(tally: &mut Tally, kernel: &Kernel) {
    tally.check(&format!("{}: fixture", kernel.label), || {
        anyhow::ensure!(kernel.vmlinux.is_file(), "there is no vmlinux");
        Ok(kernel.describe())
    });
}
