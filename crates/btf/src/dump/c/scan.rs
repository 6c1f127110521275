//! What a C header defines, as far as its words tell.
//!
//! This is no parser of C: it goes through the words once, knows where braces and parentheses open and close, and where a
//! declaration ends. That is enough to see tags with a body, enumerators, and the name that each declarator declares.

use super::Outside;

impl Outside {
    /// What a C header defines is defined elsewhere: tags with a body, typedefs, enumerators, macros, functions and
    /// variables. The header is taken as it stands: what it includes is not followed, and conditions are not decided.
    /// (A compiler does both: `cc -E -dD` writes out what it sees, macros included.)
    pub fn insert_header(&mut self, text: &[u8]) {
        let mut declaration = Declaration::default();
        let words = Words { text, at: 0, line_start: true };
        for word in words {
            declaration.next(word, self);
        }
    }
}

/// A word of C.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word<'t> {
    Name(&'t [u8]),
    Mark(u8),
    /// A number, a string, a character.
    Constant,
    /// The name after `#define`.
    Macro(&'t [u8]),
}

struct Words<'t> {
    text: &'t [u8],
    at: usize,
    line_start: bool,
}

impl<'t> Words<'t> {
    fn peek(&self, ahead: usize) -> u8 {
        self.text.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn take_while(&mut self, mut keep: impl FnMut(u8) -> bool) -> &'t [u8] {
        let rest = &self.text[self.at.min(self.text.len())..];
        let length = rest.iter().position(|&byte| !keep(byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// To the end of the line, with the lines that a backslash adds to it.
    fn skip_line(&mut self) {
        let mut before = 0;
        self.take_while(|byte| {
            let ends = byte == b'\n' && before != b'\\';
            before = byte;
            !ends
        });
    }

    fn skip_comment(&mut self) {
        self.at += 2;
        let mut before = 0;
        self.take_while(|byte| {
            let ends = byte == b'/' && before == b'*';
            before = byte;
            !ends
        });
        self.at += 1;
    }

    fn skip_quoted(&mut self, quote: u8) {
        self.at += 1;
        let mut escaped = false;
        self.take_while(|byte| {
            let ends = (byte == quote && !escaped) || byte == b'\n';
            escaped = byte == b'\\' && !escaped;
            !ends
        });
        self.at += 1;
    }

    /// A preprocessor's line: the name of a macro that it defines.
    fn directive(&mut self) -> Option<&'t [u8]> {
        self.at += 1;
        self.take_while(|byte| byte == b' ' || byte == b'\t');
        let word = self.take_while(is_word);
        self.take_while(|byte| byte == b' ' || byte == b'\t');
        let name = if word == b"define" { self.take_while(is_word) } else { &[] };
        self.skip_line();
        (!name.is_empty()).then_some(name)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        loop {
            let byte = *self.text.get(self.at)?;
            let line_start = std::mem::take(&mut self.line_start);
            match (byte, self.peek(1)) {
                (b'\n', _) => {
                    self.at += 1;
                    self.line_start = true;
                }
                (b'#', _) if line_start => {
                    if let Some(name) = self.directive() {
                        return Some(Word::Macro(name));
                    }
                }
                (b'/', b'*') => self.skip_comment(),
                (b'/', b'/') => self.skip_line(),
                (quote @ (b'"' | b'\''), _) => {
                    self.skip_quoted(quote);
                    return Some(Word::Constant);
                }
                (b'0'..=b'9', _) => {
                    self.take_while(|byte| is_word(byte) || byte == b'.');
                    return Some(Word::Constant);
                }
                _ if is_word(byte) => return Some(Word::Name(self.take_while(is_word))),
                _ if byte.is_ascii_whitespace() || byte == b'\\' => {
                    self.at += 1;
                    self.line_start = line_start;
                }
                _ => {
                    self.at += 1;
                    return Some(Word::Mark(byte));
                }
            }
        }
    }
}

/// What a brace belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Brace {
    Enumeration,
    Other,
}

/// A declaration at file scope, word by word.
#[derive(Debug, Default)]
struct Declaration<'t> {
    braces: Vec<Brace>,
    parentheses: u32,
    /// Where the parentheses of an attribute, an assembler's name or the like end.
    attribute: Option<u32>,
    /// `struct`, `union` or `enum` was read, and then perhaps a tag.
    aggregate: Option<(bool, Option<&'t [u8]>)>,
    /// An enumerator's name comes next.
    enumerator: bool,
    /// The last word was `(` at file scope, or what may stand between it and a star.
    opened: bool,
    /// A star came after that: the next name is what is declared.
    pointer: bool,
    /// The name that the declarator declares, as far as it is known.
    name: Option<&'t [u8]>,
    /// It cannot change any more: brackets or parameters followed.
    settled: bool,
    /// An initialiser, or the body of a function, follows.
    value: bool,
}

impl<'t> Declaration<'t> {
    fn next(&mut self, word: Word<'t>, found: &mut Outside) {
        match word {
            Word::Macro(name) => found.insert_ordinary(name),
            Word::Constant => self.opened = false,
            Word::Name(name) => self.name(name, found),
            Word::Mark(mark) => self.mark(mark, found),
        }
    }

    fn name(&mut self, name: &'t [u8], found: &mut Outside) {
        if self.attribute.is_some() {
            return;
        }
        match name {
            b"__attribute__" | b"__attribute" | b"__asm__" | b"asm" | b"__asm" | b"__declspec" => {
                self.attribute = Some(self.parentheses);
                return;
            }
            b"struct" | b"union" | b"enum" => {
                self.aggregate = Some((name == b"enum", None));
                return;
            }
            b"const" | b"volatile" | b"restrict" | b"__restrict" | b"__const" | b"__extension__" => return,
            _ => self.opened = false,
        }
        if let Some((_, tag @ None)) = &mut self.aggregate {
            *tag = Some(name);
            return;
        }
        if std::mem::take(&mut self.enumerator) {
            found.insert_ordinary(name);
            return;
        }
        if !self.braces.is_empty() {
            return;
        }
        if self.pointer && !self.settled {
            self.name = Some(name);
            self.settled = true;
        } else if self.parentheses == 0 && !self.settled && !self.value {
            self.name = Some(name);
        }
    }

    fn mark(&mut self, mark: u8, found: &mut Outside) {
        let opened = std::mem::take(&mut self.opened);
        let aggregate = if self.attribute.is_some() { None } else { self.aggregate.take() };
        match mark {
            b'{' => {
                let brace = match aggregate {
                    Some((true, _)) => Brace::Enumeration,
                    _ => Brace::Other,
                };
                if let Some((_, Some(tag))) = aggregate {
                    found.insert_tag(tag);
                }
                if aggregate.is_none() && self.braces.is_empty() && !self.value {
                    // The body of a function: its declaration ends with it.
                    self.declared(found);
                    self.value = true;
                    self.settled = true;
                }
                self.enumerator = brace == Brace::Enumeration;
                self.braces.push(brace);
            }
            b'}' => {
                self.braces.pop();
                self.enumerator = false;
                if self.braces.is_empty() && self.value && self.name.is_none() {
                    *self = Self::default();
                }
            }
            b'(' => {
                self.parentheses += 1;
                if self.braces.is_empty() && self.attribute.is_none() && self.parentheses == 1 {
                    self.opened = true;
                }
            }
            b')' => {
                self.parentheses = self.parentheses.saturating_sub(1);
                if self.attribute == Some(self.parentheses) {
                    self.attribute = None;
                } else if self.parentheses == 0 && self.braces.is_empty() && self.name.is_some() {
                    self.settled = true;
                }
                self.pointer &= self.parentheses > 0;
            }
            b'*' if opened && !self.settled => self.pointer = true,
            b'[' if self.braces.is_empty() && self.parentheses == 0 => self.settled |= self.name.is_some(),
            b'=' if self.braces.is_empty() => self.value = true,
            b',' if self.braces.last() == Some(&Brace::Enumeration) && self.parentheses == 0 => {
                self.enumerator = true;
            }
            b',' if self.braces.is_empty() && self.parentheses == 0 => {
                self.declared(found);
                (self.settled, self.value, self.pointer) = (false, false, false);
            }
            b';' if self.braces.is_empty() => {
                self.declared(found);
                *self = Self::default();
            }
            _ => {}
        }
    }

    fn declared(&mut self, found: &mut Outside) {
        if let Some(name) = self.name.take() {
            found.insert_ordinary(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_defines_tags_typedefs_enumerators_macros_functions_and_variables() {
        let mut found = Outside::default();
        found.insert_header(
            br#"
            # 1 "x.h" /* not { a brace */
            #define MACRO(x) \
                typedef_in_macro
            typedef unsigned long size_t; // typedef int comment_t;
            struct timespec { long tv_sec; struct inner { int x; } y; };
            struct ahead;
            extern struct ahead *variable, second[2];
            typedef struct { int __val[2]; } __fsid_t, *pointer_t;
            enum color { RED = 1, GREEN = (1, 2), BLUE };
            typedef void (*handler_t)(int signal_number, void (*)(int));
            typedef int array_t[sizeof(struct timespec)];
            extern int function(const char *argument, struct param { int z; } p) __attribute__((nonnull(1)));
            static inline int body(int b) { int local = b; { return local; } }
            void (*signal(int s, void (*func)(int)))(int);
            union __attribute__((packed)) packed { char c; };
            typedef int register_t __attribute__ ((__mode__ (__word__)));
            int value = 3, other = (4);
            "#,
        );
        for tag in ["timespec", "inner", "color", "packed"] {
            assert!(found.has_tag(tag.as_bytes()), "{tag}");
        }
        assert!(!found.has_tag(b"ahead"));
        for name in [
            "MACRO",
            "size_t",
            "variable",
            "second",
            "__fsid_t",
            "pointer_t",
            "RED",
            "GREEN",
            "BLUE",
            "handler_t",
            "array_t",
            "function",
            "body",
            "signal",
            "register_t",
            "value",
            "other",
        ] {
            assert!(found.has_ordinary(name.as_bytes()), "{name}");
        }
        for name in ["comment_t", "tv_sec", "argument", "local", "func", "typedef_in_macro", "color", "x"] {
            assert!(!found.has_ordinary(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn what_is_no_header_is_read_to_its_end() {
        for text in ["", "/*", "\"", "#define", "}}}))) ;", "struct", "enum {", "'\\", "\\", "typedef"] {
            Outside::default().insert_header(text.as_bytes());
        }
    }
}
