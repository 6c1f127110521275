//! Types as drgn and we print them, in one spelling.
//!
//! Both print C, and C leaves choices. These are the rules:
//!
//! 1. White space does not count.
//! 2. Words for integers come in C's shortest order: `long unsigned int` is `unsigned long`.
//! 3. Anonymous types: drgn says `struct <anonymous>`, we show the members; what is in braces does not count.
//! 4. An array without elements is one without a length: BTF has one word for `[0]` and `[]`.

/// The spelling that two types have in common when they are the same.
pub(super) fn normal(text: &str) -> String {
    let text = without_members(&text.replace("<anonymous>", ""));
    let mut out = String::new();
    let mut integer: Vec<&str> = Vec::new();
    for token in tokens(&text) {
        if matches!(token, "unsigned" | "signed" | "char" | "short" | "int" | "long") {
            integer.push(token);
            continue;
        }
        finish(&mut integer, &mut out);
        push(&mut out, token);
    }
    finish(&mut integer, &mut out);
    out.replace("[0]", "[]")
}

/// The same without the lengths of arrays: where one side sees a declaration only.
pub(super) fn without_lengths(text: &str) -> String {
    normal(text).chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

/// Leaves out braces and what is in them.
fn without_members(text: &str) -> String {
    let mut depth = 0;
    let is_outside = |letter: &char| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(is_outside).collect()
}

/// Words, and signs one by one.
fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut rest = text.trim_start();
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let end = if is_word(first) {
            rest.find(|next| !is_word(next)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, behind) = rest.split_at(end);
        rest = behind.trim_start();
        Some(token)
    })
}

fn push(out: &mut String, token: &str) {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    if out.ends_with(is_word) && token.starts_with(is_word) {
        out.push(' ');
    }
    out.push_str(token);
}

/// Writes the words of an integer type in C's shortest order.
fn finish(words: &mut Vec<&str>, out: &mut String) {
    if words.is_empty() {
        return;
    }
    let count = |wanted: &str| words.iter().filter(|word| **word == wanted).count();
    let size = match (count("char"), count("short"), count("long")) {
        (1.., _, _) => "char",
        (_, 1.., _) => "short",
        (_, _, 2..) => "long long",
        (_, _, 1) => "long",
        _ => "int",
    };
    // Plain `char` has a sign of its own.
    let is_signed_char = size == "char" && count("signed") > 0;
    let sign = if count("unsigned") > 0 {
        "unsigned "
    } else if is_signed_char {
        "signed "
    } else {
        ""
    };
    push(out, &format!("{sign}{size}"));
    words.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_type_has_one_spelling() {
        for (a, b) in [
            ("unsigned long *", "long unsigned int *"),
            ("const char (*)[21]", "const char(*)[21]"),
            ("union <anonymous> *", "union { struct { int a; } b; } *"),
            ("long long", "long long int"),
            ("short (*)[]", "short int (*)[0]"),
            ("int (* const (*)[3])(struct foo *)", "int (*const (*)[3])(struct foo *)"),
        ] {
            assert_eq!(normal(a), normal(b));
        }
    }

    #[test]
    fn other_types_keep_other_spellings() {
        for (a, b) in [
            ("unsigned int *", "int *"),
            ("char *[21]", "char (*)[21]"),
            ("const char *", "char *const"),
            ("long *", "long long *"),
            ("struct a *", "struct b *"),
            ("int (*)[2]", "int (*)[3]"),
            ("signed char *", "char *"),
        ] {
            assert_ne!(normal(a), normal(b));
        }
        assert_eq!(without_lengths("const char (*)[155]"), without_lengths("const char (*)[]"));
    }
}
