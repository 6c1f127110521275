//! What could stand where the cursor is: commands, members of what stands before a dot, tags, registers, names.

use std::collections::{BTreeSet, HashSet};

use btfkit_btf::Kind;
use btfkit_kernel::expression::{Scope, type_of, type_of_value};
use btfkit_kernel::{CType, Shape, declared_names};
use btfkit_vmcore::register_names;

use super::command;

/// Names that are offered, at most.
const MOST: usize = 500;
/// What looks like a function, and which argument of it is a member of the one before it.
const CALLS: [(&str, Option<usize>); 11] = [
    ("list", Some(2)),
    ("hlist", Some(2)),
    ("llist", Some(2)),
    ("rbtree", Some(2)),
    ("chain", Some(2)),
    ("container_of", Some(2)),
    ("offsetof", Some(1)),
    ("per_cpu", None),
    ("xarray", None),
    ("idr", None),
    ("maple", None),
];

/// Where the word at the end of the line begins, and what it could be.
pub(super) fn names(scope: Scope<'_>, line: &str) -> (usize, Vec<String>) {
    let (before, word) = split_name(line);
    let mut names = candidates(scope, before, word);
    names.retain(|name| name.starts_with(word));
    (before.len(), names.into_iter().take(MOST).collect())
}

/// What stands before the name at the end, and that name, which may be empty.
fn split_name(text: &str) -> (&str, &str) {
    text.split_at(text.trim_end_matches(is_name).len())
}

fn is_name(next: char) -> bool {
    next.is_ascii_alphanumeric() || next == '_'
}

fn candidates(scope: Scope<'_>, before: &str, word: &str) -> BTreeSet<String> {
    let first = before.split_whitespace().next().unwrap_or_default();
    if first.is_empty() || matches!(first, "help" | "?") {
        return command::COMMANDS
            .iter()
            .flat_map(|command| command.names)
            .map(|&name| name.to_owned())
            .collect();
    }
    if before.ends_with('$') {
        return register_names(scope.kernel.memory().dump().machine())
            .iter()
            .map(|&name| name.to_owned())
            .collect();
    }
    // What comes behind the command.
    let expression = before.trim_start().strip_prefix(first).unwrap_or_default();
    let tag = |tag: &str| before.trim_end().ends_with(tag) && before.ends_with(char::is_whitespace);
    for (tagged, kinds) in [
        ("struct", &[Kind::Struct][..]),
        ("union", &[Kind::Union][..]),
        ("enum", &[Kind::Enum, Kind::Enum64][..]),
    ] {
        if tag(tagged) {
            return of_kinds(scope, kinds, word);
        }
    }
    // A selection of members, or a member that a function takes: paths from a type.
    if let Some((of, path)) = selection(expression).or_else(|| argument(expression)) {
        let ctype = type_of(scope.kernel, of.trim()).or_else(|| type_of_value(scope, of).ok());
        return ctype
            .and_then(|ctype| along(ctype, path))
            .map_or_else(BTreeSet::new, |ctype| members(&ctype));
    }
    if let Some(of) = before_dot(expression) {
        let ctype = type_of_value(scope, postfix(of)).ok();
        return ctype.map_or_else(BTreeSet::new, |ctype| members(&ctype));
    }
    if let Some(module) = expression.strip_suffix(':') {
        return of_module(scope, split_name(module).1);
    }
    // All names of a kernel help nobody.
    if word.is_empty() { BTreeSet::new() } else { all(scope, word) }
}

fn before_dot(text: &str) -> Option<&str> {
    text.strip_suffix("->").or_else(|| text.strip_suffix('.'))
}

/// `list(…).{pid, mm->`: what members are selected of, and the path up to the last dot.
fn selection(text: &str) -> Option<(&str, &str)> {
    let (of, members) = text.rsplit_once('{').filter(|(_, members)| !members.contains('}'))?;
    let of = before_dot(of.trim_end())?;
    Some((of, members.rsplit(',').next().unwrap_or_default().trim_start()))
}

/// `list(modules, struct module, `: the type in the argument before, and the path up to the last dot.
fn argument(text: &str) -> Option<(&str, &str)> {
    let open = unclosed(text)?;
    let (_, name) = split_name(&text[..open]);
    let arguments = split_arguments(&text[open + 1..]);
    let (_, wanted) = CALLS.iter().find(|(call, _)| *call == name)?;
    let last = (*wanted)?;
    (arguments.len() == last + 1).then(|| (arguments[last - 1], arguments[last].trim_start()))
}

/// Where the innermost parenthesis is that is still open.
fn unclosed(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().rev().find_map(|(at, next)| {
        match next {
            ')' => depth += 1,
            '(' if depth == 0 => return Some(at),
            '(' => depth -= 1,
            _ => {}
        }
        None
    })
}

/// At commas that are in no parenthesis.
fn split_arguments(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, next) in text.char_indices() {
        match next {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// The end of `text` that a dot behind it applies to: names, members, and what is in parentheses and brackets.
fn postfix(text: &str) -> &str {
    let bytes = text.as_bytes();
    let mut start = bytes.len();
    let mut depth = 0usize;
    while let Some(&next) = start.checked_sub(1).and_then(|before| bytes.get(before)) {
        match next {
            b')' | b']' => depth += 1,
            b'(' | b'[' if depth == 0 => break,
            b'(' | b'[' => depth -= 1,
            _ if depth > 0 => {}
            b'.' | b'_' | b'$' | b'#' | b'@' | b':' => {}
            // Only of `->`.
            b'>' if start > 1 && bytes[start - 2] == b'-' => start -= 1,
            next if next.is_ascii_alphanumeric() => {}
            _ => break,
        }
        start -= 1;
    }
    let found = &text[start..];
    // A cast binds less than a dot: what it stands before is meant.
    let cast = found.strip_prefix('(').and_then(unopened);
    let behind = cast.map_or("", |close| &found[close + 2..]);
    if behind.starts_with(|next| is_name(next) || matches!(next, '$' | '(')) {
        postfix(behind)
    } else {
        found
    }
}

/// Where the parenthesis is that closes one before `text`.
fn unopened(text: &str) -> Option<usize> {
    let mut depth = 0;
    text.char_indices().find_map(|(at, next)| {
        match next {
            '(' => depth += 1,
            ')' if depth == 0 => return Some(at),
            ')' => depth -= 1,
            _ => {}
        }
        None
    })
}

/// The type that the members up to the last dot of a path lead to.
fn along(from: CType, path: &str) -> Option<CType> {
    let Some(path) = before_dot(path) else { return path.is_empty().then_some(from) };
    let steps = path.split(['.', '>']).map(|step| step.trim_end_matches('-').trim());
    steps.filter(|step| !step.is_empty()).try_fold(from, |of, step| {
        let (name, index) = step.split_once('[').map_or((step, None), |(name, index)| (name, Some(index)));
        let Shape::Aggregate(btf, id) = target(&of).shape() else { return None };
        let found = btfkit_kernel::value::field(&btf, id, name.as_bytes())?.ctype;
        match (index, found.shape()) {
            (None, _) => Some(found),
            (Some(_), Shape::Array(element, _) | Shape::Pointer(element)) => Some(element),
            _ => None,
        }
    })
}

/// What a pointer points to; else itself.
fn target(ctype: &CType) -> CType {
    match ctype.shape() {
        Shape::Pointer(target) => target,
        _ => ctype.clone(),
    }
}

/// The members of a structure, or of what a pointer points to; those of anonymous ones among them.
fn members(ctype: &CType) -> BTreeSet<String> {
    let Shape::Aggregate(btf, id) = target(ctype).shape() else { return BTreeSet::new() };
    let mut names = BTreeSet::new();
    // Each type once: in broken BTF anonymous ones may contain each other in any way.
    let (mut open, mut seen) = (vec![id], HashSet::new());
    while let Some(id) = open.pop() {
        let Ok(ty) = btf.skip_modifiers(id) else { continue };
        if !seen.insert(ty.id()) {
            continue;
        }
        for member in ty.members() {
            match ty.string(member.name) {
                b"" => open.push(member.type_id),
                name => {
                    names.insert(String::from_utf8_lossy(name).into_owned());
                }
            }
        }
    }
    names
}

/// Names of types of these kinds that begin so.
fn of_kinds(scope: Scope<'_>, kinds: &[Kind], word: &str) -> BTreeSet<String> {
    let sources = scope.kernel.type_sources();
    let types = sources.flat_map(|source| source.btf.types().filter(|ty| kinds.contains(&ty.kind())));
    let names =
        types.filter(|ty| ty.name().starts_with(word.as_bytes())).map(|ty| ty.name_str().into_owned());
    names.filter(|name| !name.is_empty()).collect()
}

/// Symbols of a module.
fn of_module(scope: Scope<'_>, wanted: &str) -> BTreeSet<String> {
    let modules = scope.kernel.module_symbols().iter().filter(|module| module.name == wanted);
    modules.flat_map(|module| module.symbols.iter()).map(|symbol| symbol.name.to_owned()).collect()
}

/// Everything that begins so: variables, functions, enumerators, typedefs, symbols, modules, calls.
fn all(scope: Scope<'_>, word: &str) -> BTreeSet<String> {
    let kernel = scope.kernel;
    let mut names = of_kinds(scope, &[Kind::Var, Kind::Typedef], word);
    for source in kernel.type_sources() {
        let enumerations = source.btf.types().filter(|ty| ty.kind().is_enum());
        for ty in enumerations {
            let fits = ty.enumerators().map(|each| ty.string(each.name));
            let fits = fits.filter(|name| name.starts_with(word.as_bytes()));
            names.extend(fits.map(|name| String::from_utf8_lossy(name).into_owned()));
        }
    }
    let symbols = kernel.symbols().into_iter().flat_map(btfkit_kernel::Symbols::iter);
    let of_modules = kernel.module_symbols().iter().flat_map(|module| module.symbols.iter());
    let symbols = symbols.chain(of_modules).map(|symbol| symbol.name).filter(|name| name.starts_with(word));
    names.extend(symbols.map(str::to_owned));
    names.extend(kernel.module_symbols().iter().map(|module| module.name.clone()));
    let declared = declared_names().filter(|name| name.starts_with(word));
    names.extend(declared.filter(|name| kernel.declared(name).is_some()).map(str::to_owned));
    names.extend(CALLS.iter().map(|(call, _)| (*call).to_owned()));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use btfkit_btf::{Btf, Builder, ByteOrder, Member};
    use std::sync::Arc;

    #[test]
    fn a_name_begins_behind_what_is_none() {
        for (text, before, name) in [
            ("p init_ta", "p ", "init_ta"),
            ("p \u{e9}init", "p \u{e9}", "init"),
            ("\u{e9}", "\u{e9}", ""),
            ("a1", "", "a1"),
            ("", "", ""),
        ] {
            assert_eq!(split_name(text), (before, name));
        }
        assert_eq!(argument("\u{e9}offsetof(struct list_head, ne"), Some(("struct list_head", "ne")));
        assert_eq!(argument("\u{e9}(struct list_head, ne"), None);
    }

    #[test]
    fn anonymous_members_are_followed_once() {
        let mut builder = Builder::new(ByteOrder::NATIVE);
        let (inner, none) = (builder.string(b"inner"), builder.string(b""));
        let int = builder.int(inner, 4, btfkit_btf::IntEncoding::signed(32));
        let mut ty = builder
            .aggregate(Kind::Struct, none, 4, &[Member { name: inner, type_id: int, ..Member::default() }])
            .unwrap();
        // Each has the one before it a hundred times.
        for _ in 0..10 {
            let members = [Member { name: none, type_id: ty, ..Member::default() }; 100];
            ty = builder.aggregate(Kind::Union, none, 4, &members).unwrap();
        }
        let btf = Arc::new(Btf::parse(builder.finish().unwrap()).unwrap());
        assert_eq!(members(&CType::Btf(btf, ty)), BTreeSet::from(["inner".to_owned()]));
    }

    #[test]
    fn a_dot_applies_to_the_postfix_expression_before_it() {
        for (text, expected) in [
            ("1 + init_task", "init_task"),
            ("sizeof(init_task.mm", "init_task.mm"),
            ("*(struct page *)x", "x"),
            ("((struct page *)x)", "((struct page *)x)"),
            ("(long)(a)[0]", "(a)[0]"),
            ("a - b->c[i + 1].d", "b->c[i + 1].d"),
            ("a->b", "a->b"),
            ("per_cpu(runqueues, 1).curr", "per_cpu(runqueues, 1).curr"),
            ("x > veth:ops#2", "veth:ops#2"),
            ("", ""),
        ] {
            assert_eq!(postfix(text), expected, "{text}");
        }
    }
}
