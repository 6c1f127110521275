//! `btfkit size`: sums that are the file's size, tables of one and of several files.

use std::path::Path;

use serde_json::Value;

use super::{btfkit, kernel, path};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn sum(list: &Value) -> u64 {
    list.as_array().unwrap().iter().map(|part| number(&part["bytes"])).sum()
}

/// Asserts that the parts of a file make up `total` bytes.
#[track_caller]
fn assert_sums(file: &Value, total: u64) {
    assert_eq!(number(&file["total"]), total);
    let parts = ["header", "layout", "unused"].iter().map(|part| number(&file[*part])).sum::<u64>();
    assert_eq!(parts + sum(&file["types"]) + sum(&file["strings"]), total, "{file}");
    assert_eq!(file["overlapping"], 0);
}

/// The kernel of the demo without variables, with them, and the variables alone on the first.
fn files(directory: &Path) -> [String; 3] {
    let [none, all, vars] =
        ["none.btf", "all.btf", "vars.btf"].map(|name| path(&directory.join(name)).to_owned());
    btfkit(&["encode", kernel(), "--vars", "none", "-o", &none]).fine();
    btfkit(&["encode", kernel(), "-o", &all]).fine();
    btfkit(&["encode", kernel(), "--only-vars", "--base", &none, "-o", &vars]).fine();
    [none, all, vars]
}

fn length(file: &str) -> u64 {
    std::fs::metadata(file).unwrap().len()
}

#[test]
fn the_parts_of_every_file_add_up_to_its_size() {
    let directory = tempfile::tempdir().unwrap();
    let [none, all, vars] = files(directory.path());
    let json = btfkit(&["size", "--json", &none, &all, &vars, "--base", &none]).json();
    let sized = json["files"].as_array().unwrap();
    for (file, name) in sized.iter().zip([&none, &all, &vars]) {
        assert_eq!(file["file"], **name);
        assert_eq!(file["split"], *name == vars);
        assert_sums(file, length(name));
    }
    let both = btfkit(&["size", "--json", &vars, "--base", &none, "--with-base"]).json();
    assert_sums(&both["files"][0], length(&none) + length(&vars));
    let variables = |file: &Value| {
        file["sections"].as_array().unwrap().iter().map(|section| number(&section["variables"])).sum::<u64>()
    };
    assert_eq!(variables(&sized[0]), 0);
    assert!(variables(&sized[1]) > 5);
    assert_eq!(variables(&sized[2]), variables(&sized[1]));
}

#[test]
fn every_byte_of_the_running_kernel_s_btf_is_counted() {
    let running = "/sys/kernel/btf/vmlinux";
    let Ok(bytes) = std::fs::read(running) else {
        println!("SKIPPED every_byte_of_the_running_kernel_s_btf_is_counted: there is no {running}");
        return;
    };
    let json = btfkit(&["size", "--json", running]).json();
    assert_sums(&json["files"][0], bytes.len() as u64);
}

#[test]
fn one_file_is_a_table_of_counts_bytes_and_shares() {
    let directory = tempfile::tempdir().unwrap();
    let [_, all, _] = files(directory.path());
    let table = btfkit(&["size", &all]).fine();
    let line = |label: &str| -> Vec<&str> {
        let found = table.lines().find(|line| line.trim_start().starts_with(label));
        found.unwrap_or_else(|| panic!("no {label} in {table}")).split_whitespace().collect()
    };
    assert_eq!(line("total")[1], length(&all).to_string());
    assert_eq!(line("total")[2..], ["100.0", "%"]);
    assert_eq!(line("header")[1], "24");
    assert!(line("VAR")[1].parse::<u32>().unwrap() > 5);
    for label in ["of functions", "of members", "of variables", ".rodata", "variables with their names"] {
        line(label);
    }
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
}

#[test]
fn several_files_stand_side_by_side_with_their_differences() {
    let directory = tempfile::tempdir().unwrap();
    let [none, all, vars] = files(directory.path());
    let table = btfkit(&["size", &none, &all, &vars, "--base", &none, "--with-base", "--compressed"]).fine();
    let (first, second, third) = (length(&none), length(&all), length(&none) + length(&vars));
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["bytes", "none.btf", "all.btf", "difference", "vars.btf", "difference"]);
    let total: Vec<&str> =
        table.lines().find(|line| line.starts_with("total")).unwrap().split_whitespace().collect();
    assert_eq!(total[1..4], [first.to_string(), second.to_string(), format!("+{}", second - first)]);
    assert_eq!(total[6..8], [third.to_string(), format!("+{}", third - first)]);
    let percent: f64 = total[4].parse().unwrap();
    assert!((percent - (second - first) as f64 * 100.0 / first as f64).abs() < 0.06, "{percent}");
    assert!(table.lines().any(|line| line.starts_with("gzip ")), "{table}");
    assert!(table.lines().all(|line| !line.ends_with(' ')), "{table}");
}

#[test]
fn files_of_one_name_are_told_apart_by_their_folders() {
    let directory = tempfile::tempdir().unwrap();
    let [none, ..] = files(directory.path());
    let other = directory.path().join("folder");
    std::fs::create_dir(&other).unwrap();
    let copy = other.join("none.btf");
    std::fs::copy(&none, &copy).unwrap();
    let table = btfkit(&["size", &none, path(&copy)]).fine();
    assert!(table.lines().next().unwrap().contains(path(&copy)), "{table}");
    assert!(table.lines().skip(1).all(|line| line.contains(" +0")), "{table}");
}

#[test]
fn gzip_makes_of_a_file_what_gzip_makes_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let [_, all, _] = files(directory.path());
    let compressed =
        number(&btfkit(&["size", "--json", "--compressed", &all]).json()["files"][0]["compressed"]);
    let Ok(theirs) = std::process::Command::new("gzip").args(["-c", "-n", &all]).output() else {
        println!("SKIPPED gzip_makes_of_a_file_what_gzip_makes_of_it: there is no gzip");
        return;
    };
    let theirs = theirs.stdout.len() as f64;
    assert!((compressed as f64 / theirs - 1.0).abs() < 0.1, "{compressed} and {theirs}");
}

#[test]
fn split_btf_without_its_base_and_what_is_no_btf_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let [_, _, vars] = files(directory.path());
    btfkit(&["size", &vars]).fails_with(&["vars.btf", "--base"]);
    btfkit(&["size", "/no/such/file"]).fails_with(&["/no/such/file"]);
    btfkit(&["size", env!("CARGO_BIN_EXE_btfkit")]).fails_with(&[".BTF"]);
}

#[test]
fn the_manual_explains_every_option_of_size() {
    super::assert_explained("size", include_str!("../../../../docs/size.md"));
}
