//! From words to an expression, by C's rules of precedence.

use super::lex::{Token, TokenKind, tokens};
use super::{
    BaseType, Binary, Chain, Derivation, Expression, ExpressionError, Holder, Step, TypeName, Unary,
};

type Result<T> = std::result::Result<T, ExpressionError>;

/// Expressions inside expressions go no deeper.
const DEEPEST: usize = 100;
/// Operators and members one after the other, at most: the first of them is the innermost expression.
const LONGEST: usize = 500;

pub(super) fn parse(text: &str, is_type: &dyn Fn(&str) -> bool) -> Result<Expression> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, chained: 0, is_type };
    let expression = parser.choice()?;
    if parser.peek() != &TokenKind::End {
        return Err(parser.expected("the end of the expression"));
    }
    Ok(expression)
}

/// A type alone.
pub(super) fn type_name(text: &str, is_type: &dyn Fn(&str) -> bool) -> Option<TypeName> {
    let mut parser = Parser { tokens: tokens(text).ok()?, next: 0, depth: 0, chained: 0, is_type };
    let name = parser.type_name().ok()??;
    (parser.peek() == &TokenKind::End).then_some(name)
}

/// A path of members: `mm->total_vm`, `se.load.weight`, `comm[0]`. `->` and `.` are the same.
pub(super) fn path(text: &str) -> Result<Vec<Step>> {
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, chained: 0, is_type: &|_| false };
    let steps = parser.steps()?;
    if parser.peek() != &TokenKind::End {
        return Err(parser.expected("the end of the member"));
    }
    Ok(steps)
}

struct Parser<'p> {
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    /// Operators and members so far.
    chained: usize,
    is_type: &'p dyn Fn(&str) -> bool,
}

/// Operators by precedence, loosest first.
const LEVELS: [&[(&str, Binary)]; 10] = [
    &[("||", Binary::Either)],
    &[("&&", Binary::Both)],
    &[("|", Binary::Or)],
    &[("^", Binary::ExclusiveOr)],
    &[("&", Binary::And)],
    &[("==", Binary::Equal), ("!=", Binary::NotEqual)],
    &[("<=", Binary::LessEqual), (">=", Binary::GreaterEqual), ("<", Binary::Less), (">", Binary::Greater)],
    &[("<<", Binary::ShiftLeft), (">>", Binary::ShiftRight)],
    &[("+", Binary::Add), ("-", Binary::Subtract)],
    &[("*", Binary::Multiply), ("/", Binary::Divide), ("%", Binary::Remainder)],
];

const UNARY: [(&str, Unary); 6] = [
    ("+", Unary::Plus),
    ("-", Unary::Minus),
    ("!", Unary::Not),
    ("~", Unary::Complement),
    ("*", Unary::Dereference),
    ("&", Unary::AddressOf),
];

impl Parser<'_> {
    fn peek(&self) -> &TokenKind {
        self.tokens.get(self.next).map_or(&TokenKind::End, |token| &token.kind)
    }

    fn expected(&self, expected: &'static str) -> ExpressionError {
        let at = self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |token| token.at);
        ExpressionError::Syntax { at, expected }
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), TokenKind::Sign(found) if *found == sign);
        self.next += usize::from(found);
        found
    }

    fn want(&mut self, sign: &'static str) -> Result<()> {
        if self.take(sign) { Ok(()) } else { Err(self.expected(sign)) }
    }

    fn name(&mut self) -> Result<String> {
        match self.peek().clone() {
            TokenKind::Name(name) => {
                self.next += 1;
                Ok(name)
            }
            _ => Err(self.expected("a name")),
        }
    }

    /// Counts an operator or a member.
    fn chain(&mut self) -> Result<()> {
        self.chained += 1;
        if self.chained > LONGEST { Err(self.expected("a shorter expression")) } else { Ok(()) }
    }

    fn choice(&mut self) -> Result<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.expected("a shallower expression"));
        }
        let condition = self.binary(0)?;
        let expression = if self.take("?") {
            let first = self.choice()?;
            self.want(":")?;
            Expression::Choice(Box::new([condition, first, self.choice()?]))
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn binary(&mut self, level: usize) -> Result<Expression> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) {
            self.chain()?;
            left = Expression::Binary(*operator, left.into(), self.binary(level + 1)?.into());
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.expected("a shallower expression"));
        }
        let expression = self.unary_inside();
        self.depth -= 1;
        expression
    }

    fn unary_inside(&mut self) -> Result<Expression> {
        if let Some((_, operator)) = UNARY.iter().find(|(sign, _)| self.take(sign)) {
            return Ok(Expression::Unary(*operator, self.unary()?.into()));
        }
        let start = self.next;
        if self.take("(") {
            if let Some(name) = self.type_name()? {
                self.want(")")?;
                return Ok(Expression::Cast(name, self.unary()?.into()));
            }
            self.next = start;
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Expression> {
        let mut expression = self.primary()?;
        loop {
            if self.take("[") {
                self.chain()?;
                let index = self.choice()?;
                expression = if self.take("..") {
                    Expression::Range(Box::new([expression, index, self.choice()?]))
                } else {
                    Expression::Index(expression.into(), index.into())
                };
                self.want("]")?;
                continue;
            }
            let through_pointer = self.take("->");
            if !through_pointer && !self.take(".") {
                return Ok(expression);
            }
            self.chain()?;
            let name = self.name()?;
            expression = Expression::Member { of: expression.into(), name, through_pointer };
        }
    }

    fn primary(&mut self) -> Result<Expression> {
        match self.peek().clone() {
            TokenKind::Number { value, bytes, signed } => {
                self.next += 1;
                Ok(Expression::Number { value, bytes, signed })
            }
            TokenKind::Name(name) => {
                self.next += 1;
                if let Some(call) = self.call(&name)? { Ok(call) } else { Ok(Expression::Name(name)) }
            }
            TokenKind::Sign("(") => {
                self.next += 1;
                let expression = self.choice()?;
                self.want(")")?;
                Ok(expression)
            }
            _ => Err(self.expected("a value")),
        }
    }

    /// What looks like a function's call.
    fn call(&mut self, name: &str) -> Result<Option<Expression>> {
        if name == "sizeof" {
            let start = self.next;
            if self.take("(")
                && let Some(name) = self.type_name()?
            {
                self.want(")")?;
                return Ok(Some(Expression::SizeOfType(name)));
            }
            self.next = start;
            return Ok(Some(Expression::SizeOfValue(self.unary()?.into())));
        }
        let chain = match name {
            "list" => Some(Chain::List),
            "hlist" => Some(Chain::HashList),
            "llist" => Some(Chain::LockLessList),
            "rbtree" => Some(Chain::RedBlackTree),
            "chain" => Some(Chain::Pointers),
            "offsetof" | "container_of" | "per_cpu" | "xarray" | "idr" | "maple" => None,
            _ => return Ok(None),
        };
        if !self.take("(") {
            return Ok(None);
        }
        let call = match (name, chain) {
            ("offsetof", _) => {
                let name = self.wanted_type()?;
                self.want(",")?;
                Expression::OffsetOf(name, self.steps()?)
            }
            ("per_cpu", _) => {
                let variable = self.choice()?;
                self.want(",")?;
                Expression::PerCpu(variable.into(), self.choice()?.into())
            }
            ("xarray" | "idr" | "maple", _) => {
                let start = self.choice()?;
                self.want(",")?;
                let holder = match name {
                    "xarray" => Holder::XArray,
                    "idr" => Holder::Idr,
                    _ => Holder::MapleTree,
                };
                Expression::Held(holder, start.into(), self.wanted_type()?)
            }
            (_, chain) => {
                let start = self.choice()?;
                self.want(",")?;
                let name = self.wanted_type()?;
                self.want(",")?;
                let steps = self.steps()?;
                match chain {
                    Some(chain) => Expression::Walk(chain, start.into(), name, steps),
                    None => Expression::ContainerOf(start.into(), name, steps),
                }
            }
        };
        self.want(")")?;
        Ok(Some(call))
    }

    /// `se.run_node`, `sibling[0].list`.
    fn steps(&mut self) -> Result<Vec<Step>> {
        let mut steps = vec![Step::Member(self.name()?)];
        loop {
            if self.take(".") || self.take("->") {
                steps.push(Step::Member(self.name()?));
            } else if self.take("[") {
                steps.push(Step::Element(self.count()?));
                self.want("]")?;
            } else {
                return Ok(steps);
            }
        }
    }

    fn count(&mut self) -> Result<u64> {
        match *self.peek() {
            TokenKind::Number { value, .. } if let Ok(count) = u64::try_from(value) => {
                self.next += 1;
                Ok(count)
            }
            _ => Err(self.expected("a number")),
        }
    }

    fn wanted_type(&mut self) -> Result<TypeName> {
        self.type_name()?.ok_or_else(|| self.expected("a type"))
    }

    /// A type, if one is written here; otherwise nothing is taken.
    fn type_name(&mut self) -> Result<Option<TypeName>> {
        let Some(base) = self.base_type()? else { return Ok(None) };
        let mut derivations = Vec::new();
        self.qualifiers();
        // A pointer to an array: (*)[3].
        let start = self.next;
        let mut inner = 0;
        while self.take("*") {
            derivations.push(Derivation::Pointer);
            self.qualifiers();
        }
        if self.take("(") {
            while self.take("*") {
                inner += 1;
            }
            if inner == 0 || !self.take(")") {
                self.next = start;
                return Ok(Some(TypeName { base, derivations }));
            }
        }
        let mut arrays = Vec::new();
        while self.take("[") {
            arrays.push(Derivation::Array(self.count()?));
            self.want("]")?;
        }
        derivations.extend(arrays.into_iter().rev());
        derivations.extend(std::iter::repeat_n(Derivation::Pointer, inner));
        Ok(Some(TypeName { base, derivations }))
    }

    fn qualifiers(&mut self) {
        while matches!(self.peek(), TokenKind::Name(name) if QUALIFIERS.contains(&name.as_str())) {
            self.next += 1;
        }
    }

    fn base_type(&mut self) -> Result<Option<BaseType>> {
        let start = self.next;
        self.qualifiers();
        let TokenKind::Name(word) = self.peek().clone() else {
            self.next = start;
            return Ok(None);
        };
        let tagged: Option<fn(String) -> BaseType> = match word.as_str() {
            "struct" => Some(BaseType::Struct),
            "union" => Some(BaseType::Union),
            "enum" => Some(BaseType::Enum),
            _ => None,
        };
        if let Some(tagged) = tagged {
            self.next += 1;
            return Ok(Some(tagged(self.name()?)));
        }
        let mut words = Vec::new();
        while let TokenKind::Name(word) = self.peek() {
            if !ARITHMETIC.contains(&word.as_str()) {
                break;
            }
            words.push(word.clone());
            self.next += 1;
        }
        if !words.is_empty() {
            return Ok(Some(arithmetic(&words)));
        }
        if (self.is_type)(&word) {
            self.next += 1;
            return Ok(Some(BaseType::Name(word)));
        }
        self.next = start;
        Ok(None)
    }
}

const QUALIFIERS: [&str; 4] = ["const", "volatile", "restrict", "__restrict"];
const ARITHMETIC: [&str; 9] =
    ["void", "char", "short", "int", "long", "signed", "unsigned", "_Bool", "__int128"];

fn arithmetic(words: &[String]) -> BaseType {
    let count = |word: &str| words.iter().filter(|found| *found == word).count();
    let has = |word: &str| count(word) > 0;
    let signed = !has("unsigned");
    if has("void") {
        BaseType::Void
    } else if has("_Bool") {
        BaseType::Boolean
    } else if has("char") {
        if has("signed") || has("unsigned") { BaseType::Integer { bytes: 1, signed } } else { BaseType::Char }
    } else if has("short") {
        BaseType::Integer { bytes: 2, signed }
    } else if has("__int128") {
        BaseType::Integer { bytes: 16, signed }
    } else {
        BaseType::Integer { bytes: if has("long") { 8 } else { 4 }, signed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_expressions_say_where_they_break() {
        for (text, place) in
            [("", 0), ("a +", 3), ("a b", 2), ("(a", 2), ("a[1", 3), ("a.", 2), ("a..b", 1), ("f(", 1)]
        {
            match parse(text, &|_| false) {
                Err(ExpressionError::Syntax { at, .. }) => assert_eq!(at, place, "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn nesting_without_end_is_refused() {
        let chains =
            ["1+".repeat(50_000) + "1", "a".to_owned() + &"[0]".repeat(50_000), "a.".repeat(50_000) + "a"];
        let nested =
            ["(".repeat(5000), "-".repeat(5000) + "1", "a[".repeat(5000), "(int)".repeat(5000) + "1"];
        for text in chains.into_iter().chain(nested) {
            assert!(parse(&text, &|_| false).is_err());
        }
    }

    #[test]
    fn types_are_read_as_c_writes_them() {
        let read = |text| type_name(text, &|name| name == "pid_t");
        let pointer = Derivation::Pointer;
        for (text, base, derivations) in [
            ("struct list_head *", BaseType::Struct("list_head".into()), vec![pointer]),
            ("const unsigned long", BaseType::Integer { bytes: 8, signed: false }, vec![]),
            ("pid_t", BaseType::Name("pid_t".into()), vec![]),
            ("char *[4]", BaseType::Char, vec![pointer, Derivation::Array(4)]),
            ("int (*)[3]", BaseType::Integer { bytes: 4, signed: true }, vec![Derivation::Array(3), pointer]),
            (
                "int[2][3]",
                BaseType::Integer { bytes: 4, signed: true },
                vec![Derivation::Array(3), Derivation::Array(2)],
            ),
        ] {
            assert_eq!(read(text), Some(TypeName { base, derivations }), "{text}");
        }
        assert_eq!(read("other_t"), None);
    }
}
