//! `info`: what was found in the dump, and what each gap costs.

use std::fmt::Write;

use btfkit_kernel::views::{Finding, inventory};

use crate::debug::{Session, render};

pub(in crate::debug) fn info(session: &Session, _: &str) -> crate::Outcome {
    let findings = inventory(&session.kernel);
    session.answer(&findings, || table(&findings))
}

/// A line for each finding.
pub(crate) fn table(findings: &[Finding]) -> String {
    let mut out = String::new();
    for finding in findings {
        let _ = write!(out, "{HEAD}{:>12}{HEAD:#}  ", finding.what, HEAD = render::HEAD);
        out.push_str(finding.found.as_deref().unwrap_or_default());
        if let (Some(missing), Some(cost)) = (&finding.missing, finding.cost) {
            let _ = write!(out, "{WARNING}{missing}{WARNING:#}: {cost}", WARNING = render::WARNING);
        }
        out.push('\n');
    }
    out
}
