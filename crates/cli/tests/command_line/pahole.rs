//! The program in pahole's place: command lines as kernels' builds write them.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use btfkit_btf::{Btf, Kind};
use btfkit_encode::object::Object;

use super::{Run, btfkit, compile, finish, kernel, path, program};

fn pahole(arguments: &[&str]) -> Run {
    finish(program().arg0("/usr/bin/pahole").env_remove("PAHOLE_LANG_EXCLUDE").args(arguments))
}

/// Asserts exit code 1 and one line that has all of `words`.
#[track_caller]
fn fails_with(run: &Run, words: &[&str]) {
    assert_eq!(run.code, Some(1), "{run:?}");
    assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    assert!(run.err.starts_with("pahole: "), "{}", run.err);
    for word in words {
        assert!(run.err.contains(word), "no {word:?} in {}", run.err);
    }
}

fn detached(directory: &Path, input: &str, options: &[&str]) -> Btf<'static> {
    let output = directory.join("out.btf");
    let file = format!("--btf_encode_detached={}", path(&output));
    pahole(&[&["-J", &file, input], options].concat()).fine();
    Btf::parse(fs::read(output).unwrap()).unwrap()
}

fn count(btf: &Btf<'_>, kind: Kind) -> usize {
    btf.types().filter(|ty| ty.kind() == kind).count()
}

/// The section .BTF of an ELF file.
fn section(file: &Path, name: &str) -> Option<Vec<u8>> {
    let object = Object::open(file).unwrap();
    Some(object.section_data(object.section_by_name(name)?.index).unwrap().into_owned())
}

#[test]
fn versions_and_features_are_what_build_scripts_look_for() {
    assert_eq!(pahole(&["--version"]).fine(), "v1.31\n");
    assert_eq!(pahole(&["--numeric_version"]).fine(), "131\n");
    assert_eq!(btfkit(&["pahole", "--version"]).fine(), "v1.31\n");
    let features = pahole(&["--supported_btf"]).fine();
    let known =
        "encode_force,var,float,decl_tag,type_tag,enum64,optimized_func,consistent_func,decl_tag_kfuncs,";
    assert!(features.starts_with(known), "{features}");
    assert!(features.ends_with("global_var_lean\n") && features.lines().count() == 1, "{features}");
    let help = pahole(&["--help"]).fine();
    assert!(help.contains("--btf_encode_detached=FILE") && help.contains("* consistent_func"), "{help}");
    assert!(pahole(&["--usage"]).fine().starts_with("Usage: pahole"));
}

#[test]
fn command_lines_that_make_no_sense_exit_with_64() {
    for (arguments, message) in [
        (&["--nonsense"][..], "unrecognized option '--nonsense'"),
        (&["--btf_en", "x"], "ambiguous"),
        (&["-J", "--btf_base"], "requires an argument"),
        (&["-J"], "no file to encode"),
        (&["-J", "-jfew", "x"], "not a number"),
        (&["-J", "--btf_encode_detached=o", "a", "b"], "one file at a time"),
        (&["-Z", "x"], "CTF"),
        (&["--prettify", "x"], "--prettify"),
    ] {
        let run = pahole(arguments);
        assert_eq!(run.code, Some(64), "{run:?}");
        assert!(run.err.starts_with("pahole: ") && run.err.contains(message), "{run:?}");
    }
}

#[test]
fn options_go_by_any_start_of_their_name_and_behind_files() {
    let directory = tempfile::tempdir().unwrap();
    let whole = detached(directory.path(), kernel(), &["--btf_features=default,global_var", "-j2"]);
    let short =
        detached(directory.path(), kernel(), &["--btf_features", "+global_var", "-Vj", "--kabi_p=of_none"]);
    assert_eq!(whole.bytes(), short.bytes());
    assert!(whole.find(b"jiffies", Kind::Var).is_some());
}

#[test]
fn features_decide_which_variables_there_are() {
    let directory = tempfile::tempdir().unwrap();
    let variables = |options: &[&str]| count(&detached(directory.path(), kernel(), options), Kind::Var);
    assert_eq!(variables(&[]), 1, "per-CPU ones");
    assert_eq!(variables(&["--skip_encoding_btf_vars"]), 0);
    assert_eq!(variables(&["--btf_features=float"]), 0, "a list switches off what it does not name");
    assert_eq!(variables(&["--btf_features=float", "--btf_features=var"]), 1, "lists add");
    assert_eq!(variables(&["--btf_features=default"]), 1);
    assert_eq!(variables(&["--btf_features=all"]), 10);
    assert_eq!(variables(&["--btf_gen_all"]), 10);
    assert_eq!(variables(&["--skip_encoding_btf_vars", "--btf_features=global_var"]), 10);
    let lean = variables(&["--btf_features=default,global_var_lean,of_the_future"]);
    assert!((2..10).contains(&lean), "{lean}");
}

#[test]
fn unknown_features_are_passed_over_unless_strict() {
    let directory = tempfile::tempdir().unwrap();
    detached(directory.path(), kernel(), &["--btf_features=var,inline"]);
    let output = directory.path().join("strict.btf");
    let file = format!("--btf_encode_detached={}", path(&output));
    let run = pahole(&["-J", &file, "--btf_features_strict=var,inline", kernel()]);
    fails_with(&run, &["inline", "known are encode_force,var,"]);
    assert!(!output.exists());
    pahole(&["-J", &file, "--btf_features_strict=default,var", kernel()]).fine();
}

const KINDS: &str = "enum wide { WIDE = 1ULL << 40, ONE = 1 } wide; enum negative { MINUS = -1 } negative;\n\
    double real; _Complex float complex; long double longest;\n\
    struct room { int kabi_reserved_1; int used; } room;\n\
    int call(double x, enum wide w) { return x > w; }\n";

#[test]
fn kinds_that_are_switched_off_are_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let object = compile(directory.path(), "kinds.o", KINDS, &["-c", "-g"]);
    let encode = |features: &str| {
        detached(directory.path(), path(&object), &[&format!("--btf_features=global_var,{features}")])
    };
    let all = encode("float,enum64");
    assert!(count(&all, Kind::Float) >= 2 && count(&all, Kind::Enum64) == 1);
    assert!(all.find(b"negative", Kind::Enum).unwrap().kind_flag());
    let without = encode("enum64");
    assert_eq!(count(&without, Kind::Float), 0);
    assert_eq!(without.find(b"double", Kind::Int).unwrap().size(), Some(8));
    let old = encode("float");
    assert_eq!(count(&old, Kind::Enum64), 0);
    let wide = old.find(b"wide", Kind::Enum).unwrap();
    assert_eq!((wide.size(), wide.kind_flag()), (Some(8), false));
    let values: Vec<i128> = wide.enumerators().map(|enumerator| enumerator.value).collect();
    assert_eq!(values, [0, 1], "the lower 32 bits");
    assert!(!old.find(b"negative", Kind::Enum).unwrap().kind_flag());
}

#[test]
fn tags_that_are_switched_off_are_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let source = directory.path().join("tags.c");
    let text = "#define D __attribute__((btf_decl_tag(\"d\")))\n#define T __attribute__((btf_type_tag(\"t\")))\n\
        struct s { int T *member D; } s D; int f(int T *p D) { return *p; }\n";
    fs::write(&source, text).unwrap();
    let object = directory.path().join("tags.o");
    let clang = std::process::Command::new("clang")
        .args(["-g", "-c", "-O1", "-o"])
        .arg(&object)
        .arg(&source)
        .status();
    if !clang.is_ok_and(|status| status.success()) {
        println!("SKIPPED tags_that_are_switched_off_are_not_there: no clang");
        return;
    }
    let counts = |options: &[&str]| {
        let btf = detached(directory.path(), path(&object), options);
        (count(&btf, Kind::DeclTag) > 0, count(&btf, Kind::TypeTag) > 0)
    };
    assert_eq!(counts(&[]), (true, true));
    assert_eq!(counts(&["--skip_encoding_btf_type_tag"]), (true, false));
    assert_eq!(counts(&["--skip_encoding_btf_decl_tag"]), (false, true));
    assert_eq!(counts(&["--btf_features=var"]), (false, false));
}

#[test]
fn functions_of_several_prototypes_stay_unless_consistent_ones_are_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let weak = "__attribute__((weak)) int probe(long *a) { return *a; }";
    let weak = compile(directory.path(), "weak.o", weak, &["-c", "-g", "-O1", "-fPIC"]);
    let strong = "int probe(int *a) { return *a + 1; } int other(int *a) { return probe(a); }";
    let both = compile(directory.path(), "both.so", strong, &["-g", "-O1", "-shared", "-fPIC", path(&weak)]);
    let has_probe = |options: &[&str]| {
        let btf = detached(directory.path(), path(&both), options);
        assert!(btf.find(b"other", Kind::Func).is_some());
        btf.find(b"probe", Kind::Func).is_some()
    };
    assert!(has_probe(&[]));
    assert!(has_probe(&["--btf_features=var"]));
    assert!(!has_probe(&["--skip_encoding_btf_inconsistent_proto"]));
    assert!(!has_probe(&["--btf_features=consistent_func"]));
}

#[test]
fn names_with_a_prefix_become_it_and_units_of_a_name_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let object = compile(directory.path(), "kinds.o", KINDS, &["-c", "-g"]);
    let btf = detached(directory.path(), path(&object), &["--kabi_prefix=kabi_reserved"]);
    let room = btf.find(b"room", Kind::Struct).unwrap();
    let names: Vec<&[u8]> = room.members().map(|member| room.string(member.name)).collect();
    assert_eq!(names, [&b"kabi_reserved"[..], b"used"]);
    let unit = path(directory.path()).to_owned() + "/";
    let output = format!("--btf_encode_detached={}", path(&directory.path().join("none.btf")));
    fails_with(&pahole(&["-J", &output, "-X", &unit, path(&object)]), &["kinds.o", "nothing to encode"]);
}

#[test]
fn languages_come_from_options_or_from_the_environment() {
    let directory = tempfile::tempdir().unwrap();
    let output = directory.path().join("out.btf");
    let file = format!("--btf_encode_detached={}", path(&output));
    let with = |environment: &str, options: &[&str]| {
        let arguments = [&["-J", &file, kernel()], options].concat();
        finish(program().arg0("pahole").env("PAHOLE_LANG_EXCLUDE", environment).args(arguments))
    };
    let units_left_out = &["tiny-kernel.elf", "units left out by their language"];
    fails_with(&pahole(&["-J", &file, "--lang=rust", kernel()]), units_left_out);
    fails_with(&with("asm,c,c99,c11", &[]), units_left_out);
    with("asm,c,c99,c11", &["--lang_exclude=rust"]).fine();
    fails_with(&pahole(&["-J", &file, "--lang_exclude=klingon", kernel()]), &["klingon", "unknown language"]);
    fails_with(&with("klingon", &[]), &["PAHOLE_LANG_EXCLUDE", "klingon"]);
}

#[test]
fn the_section_is_put_into_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let object = compile(directory.path(), "kinds.o", KINDS, &["-c", "-g"]);
    pahole(&["-J", path(&object)]).fine();
    let first = Btf::parse(section(&object, ".BTF").unwrap()).unwrap();
    assert_eq!(count(&first, Kind::Var), 0);
    pahole(&["-J", "--btf_features=default,global_var", path(&object)]).fine();
    let second = Btf::parse(section(&object, ".BTF").unwrap()).unwrap();
    assert!(count(&second, Kind::Var) > 0, "a second run replaces it");
}

#[test]
fn failures_are_failures_and_leave_what_was_there() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    fs::write(at("text"), "no ELF").unwrap();
    fs::write(at("old.btf"), "old").unwrap();
    let bare = compile(directory.path(), "bare.o", "int x;", &["-c"]);
    let before = fs::read(&bare).unwrap();
    let output = format!("--btf_encode_detached={}", path(&at("old.btf")));
    fails_with(&pahole(&["-J", &output, path(&at("absent"))]), &["absent", "No such file"]);
    fails_with(&pahole(&["-J", &output, path(&at("text"))]), &["text", "not an ELF file"]);
    fails_with(&pahole(&["-J", path(&bare)]), &["bare.o", "no DWARF"]);
    fails_with(&pahole(&["-J", &output, "--btf_base", path(&at("text")), kernel()]), &["text"]);
    fails_with(&pahole(&["-J", "-F", "btf", &output, kernel()]), &["dwarf"]);
    assert_eq!(fs::read(at("old.btf")).unwrap(), b"old");
    assert_eq!(fs::read(&bare).unwrap(), before);
}

const MODULE: &str = "struct module { char name[SIZE]; int state; };\n\
    struct module __this_module __attribute__((section(\".gnu.linkonce.this_module\")));\n\
    struct own { struct module *module; } own;\n";

/// A vmlinux and modules that go with it, or do not.
fn build(directory: &Path, name: &str, size: &str, options: &[&str]) -> PathBuf {
    compile(directory, name, MODULE, &[&["-c", &format!("-DSIZE={size}")], options].concat())
}

#[test]
fn a_module_stands_on_its_kernel() {
    let directory = tempfile::tempdir().unwrap();
    let kernel =
        compile(directory.path(), "vmlinux", "struct module { char name[56]; int state; } m;", &["-c", "-g"]);
    pahole(&["-J", path(&kernel)]).fine();
    let module = build(directory.path(), "module.ko", "56", &["-g"]);
    pahole(&["-J", "--btf_features=default,global_var", "--btf_base", path(&kernel), path(&module)]).fine();
    let base = Arc::new(Btf::parse(section(&kernel, ".BTF").unwrap()).unwrap());
    let split = Btf::parse_split(section(&module, ".BTF").unwrap(), Arc::clone(&base)).unwrap();
    assert!(split.own_named(b"module").next().is_none(), "the base has it");
    assert!(split.own_named(b"own").any(|ty| ty.kind() == Kind::Struct));
    let sections: Vec<&[u8]> =
        split.types().filter(|ty| ty.kind() == Kind::DataSec).map(btfkit_btf::Type::name).collect();
    assert_eq!(sections, [&b".bss"[..], b".gnu.linkonce.this_module"]);
}

#[test]
fn a_module_of_another_kernel_is_refused_with_what_proves_it() {
    let directory = tempfile::tempdir().unwrap();
    let kernel =
        compile(directory.path(), "vmlinux", "struct module { char name[56]; int state; } m;", &["-c", "-g"]);
    pahole(&["-J", path(&kernel)]).fine();
    let module = build(directory.path(), "module.ko", "64", &["-g"]);
    let before = fs::read(&module).unwrap();
    let run = pahole(&["-J", "--btf_base", path(&kernel), path(&module)]);
    fails_with(
        &run,
        &[
            "module.ko",
            "another vmlinux",
            "struct module",
            "member state at offset 64, the base at offset 56",
        ],
    );
    assert_eq!(fs::read(&module).unwrap(), before);
}

#[test]
fn a_module_with_nothing_to_encode_stays_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let kernel = compile(directory.path(), "vmlinux", "struct module { int state; } m;", &["-c", "-g"]);
    pahole(&["-J", path(&kernel)]).fine();
    let module = build(directory.path(), "module.ko", "56", &["-g0"]);
    let before = fs::read(&module).unwrap();
    let run = pahole(&["-J", "--btf_base", path(&kernel), path(&module)]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("module.ko: no DWARF") && run.err.contains("left as it is"), "{}", run.err);
    assert_eq!(fs::read(&module).unwrap(), before);
}

#[test]
fn a_module_with_nothing_to_encode_leaves_nothing_to_the_next_one() {
    let directory = tempfile::tempdir().unwrap();
    let fields: String = (0..60).map(|number| format!("int field{number};")).collect();
    let source = format!("struct all {{ {fields} }} all;");
    let module = "struct module { char name[56]; int state; } m;";
    let kernel = compile(directory.path(), "vmlinux", &format!("{source}{module}"), &["-c", "-g"]);
    pahole(&["-J", path(&kernel)]).fine();
    let left_out = compile(directory.path(), "left_out.ko", &source, &["-c", "-g"]);
    let (alone, together) = (directory.path().join("alone.ko"), directory.path().join("together.ko"));
    let module = build(directory.path(), "module.ko", "56", &["-g"]);
    fs::copy(&module, &alone).unwrap();
    fs::copy(&module, &together).unwrap();
    pahole(&["-J", "-j2", "--btf_base", path(&kernel), path(&alone)]).fine();
    let exclude = format!("--cu_exclude={}", path(&directory.path().join("left_out")));
    let run = pahole(&["-J", "-j2", &exclude, "--btf_base", path(&kernel), path(&left_out), path(&together)]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.err.contains("left_out.ko") && run.err.contains("left as it is"), "{}", run.err);
    assert_eq!(section(&together, ".BTF"), section(&alone, ".BTF"));
}

#[test]
fn a_distilled_base_goes_beside_the_module() {
    let directory = tempfile::tempdir().unwrap();
    let kernel =
        compile(directory.path(), "vmlinux", "struct module { char name[56]; int state; } m;", &["-c", "-g"]);
    pahole(&["-J", path(&kernel)]).fine();
    let module = build(directory.path(), "module.ko", "56", &["-g"]);
    let features = "--btf_features=default,distilled_base";
    pahole(&["-J", features, "--btf_base", path(&kernel), path(&module)]).fine();
    let base = Arc::new(Btf::parse(section(&module, ".BTF.base").unwrap()).unwrap());
    assert_eq!(base.find(b"module", Kind::Struct).unwrap().vlen(), 0);
    let split = Btf::parse_split(section(&module, ".BTF").unwrap(), base).unwrap();
    assert!(split.find(b"own", Kind::Struct).is_some());
    // Without the feature it would be the base of another .BTF.
    let run = pahole(&["-J", "--btf_base", path(&kernel), path(&module)]);
    fails_with(&run, &["module.ko", ".BTF.base"]);
}

#[test]
fn a_file_on_itself_gives_a_side_file_of_its_variables() {
    let directory = tempfile::tempdir().unwrap();
    let vmlinux = directory.path().join("vmlinux");
    fs::copy(kernel(), &vmlinux).unwrap();
    pahole(&["-J", "--btf_features=default", path(&vmlinux)]).fine();
    let output = directory.path().join("extra.btf");
    let file = format!("--btf_encode_detached={}", path(&output));
    let arguments = ["-J", "--btf_features=default,global_var", "--btf_base", path(&vmlinux), path(&vmlinux)];
    fails_with(&pahole(&arguments), &["vmlinux", "--btf_encode_detached"]);
    pahole(&[&arguments[..], &[&file]].concat()).fine();
    let base = Arc::new(Btf::parse(section(&vmlinux, ".BTF").unwrap()).unwrap());
    let extra = Btf::parse_split(fs::read(output).unwrap(), Arc::clone(&base)).unwrap();
    assert_eq!(count(&extra, Kind::Func), 0);
    assert_eq!(
        count(&extra, Kind::Var) + count(&base, Kind::Var),
        10,
        "the base has its per-CPU variable already"
    );
    assert!(extra.own_named(b".data..percpu").next().is_none());
}

#[test]
fn types_are_shown_as_layout_shows_them() {
    let btf = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/seeds/btf/gcc.btf");
    let all = pahole(&["-F", "btf", btf]).fine();
    assert!(all.contains("/* size: "), "{all}");
    assert_eq!(all, btfkit(&["layout", "--file", btf]).fine());
    for (option, same) in [("-s", "--sizes"), ("-E", "--expand"), ("--hex", "--hex"), ("-H1", "--holes=1")] {
        let (theirs, ours) = (pahole(&[option, btf]).fine(), btfkit(&["layout", same, "--file", btf]).fine());
        assert_eq!(theirs, ours, "{option}");
    }
    fails_with(&pahole(&["-C", "no_such_type", btf]), &["no_such_type"]);
    let refused = pahole(&["--compile", btf]);
    assert!(refused.code == Some(64) && refused.err.contains("--compile"), "{refused:?}");
    fails_with(&pahole(&["-C", "task_struct", kernel()]), &[".BTF"]);
}
