//! C expressions over a kernel's variables, as people type them into debuggers.
//!
//! ```text
//! init_task.comm                        per_cpu(runqueues, 1).nr_running
//! ((struct task_struct *)0xffff…)->mm   list(init_task.tasks, struct task_struct, tasks).comm
//! &init_task.tasks                      container_of(&init_task.tasks, struct task_struct, tasks)
//! sizeof(struct page)                   offsetof(struct task_struct, se.vruntime)
//! modules.next != &modules              init_task.cpus_mask.bits[0..2]
//! ```
//!
//! All of C's operators are there but assignments and the comma. Beyond C: `a[0..4]` are several elements; `list`, `hlist`,
//! `llist`, `rbtree`, `chain`, `xarray`, `idr` and `maple` walk what the kernel chains together and give each element; a
//! member of several values is that member of each; `.{pid, comm}` selects several members for a table.
//!
//! A name is, in this order: a variable, an enumerator, a function, a symbol. Of several variables of one name, `name#2` is
//! the second, `module:name` that of a module. `$rip` is a register, `$rip@1` that of processor 1.

mod evaluate;
mod held;
mod iterate;
mod lex;
mod parse;
mod typing;

use std::fmt;

use crate::value::Value;
use crate::{Kernel, ValueError};

/// Where the names of an expression are looked up. Of a [`Kernel`] alone: with no processor selected.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'k> {
    /// The kernel.
    pub kernel: &'k Kernel,
    /// The processor whose per-CPU variables and registers are meant where an expression does not say it.
    pub cpu: Option<u64>,
}

impl<'k> From<&'k Kernel> for Scope<'k> {
    fn from(kernel: &'k Kernel) -> Self {
        Self { kernel, cpu: None }
    }
}

/// Evaluates an expression: one value, or several.
///
/// # Errors
/// It is no expression, names what is not there, or asks of a value what its type does not have. What cannot be read is
/// an error only where the rest depends on it.
pub fn evaluate<'k>(scope: impl Into<Scope<'k>>, text: &str) -> Result<Vec<Value>, ExpressionError> {
    match evaluate_partly(scope, text)? {
        (values, None) => Ok(values),
        (_, Some(error)) => Err(error),
    }
}

/// What there is, and why there is no more, if there should be.
pub type Partly<T> = (T, Option<ExpressionError>);

/// The same, but a list or tree that cannot be followed to its end gives what comes before the break, and what is wrong.
///
/// # Errors
/// As [`evaluate`], where there is nothing to give.
pub fn evaluate_partly<'k>(
    scope: impl Into<Scope<'k>>,
    text: &str,
) -> Result<Partly<Vec<Value>>, ExpressionError> {
    let scope = scope.into();
    let expression = parse::parse(text, &|name| evaluate::names_a_type(scope.kernel, name))?;
    let evaluator = evaluate::Evaluator::new(scope);
    let values = evaluator.values(&expression)?;
    Ok((values, evaluator.break_off()))
}

/// The type of an expression's value, or of each of them. Nothing is read but symbols and types; of per-CPU variables it need
/// not be said whose are meant, and variables need no symbol.
///
/// # Errors
/// It is no expression, names what is not there, or asks of a type what it does not have.
pub fn type_of_value<'k>(scope: impl Into<Scope<'k>>, text: &str) -> Result<crate::CType, ExpressionError> {
    let scope = scope.into();
    let expression = parse::parse(text, &|name| evaluate::names_a_type(scope.kernel, name))?;
    evaluate::Evaluator::new(scope).type_of(&expression)
}

/// A selection of members, of each value of an expression.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The members as they were written.
    pub columns: Vec<String>,
    /// For each value, its members, or why they are not there.
    pub rows: Vec<Vec<Result<Value, ExpressionError>>>,
    /// Why there are no more rows, if there should be.
    pub broken_off: Option<ExpressionError>,
}

/// Evaluates an expression that ends in a selection of members: `list(…).{pid, comm, mm->total_vm}`, or the same with `->`.
/// `None` if it does not.
///
/// # Errors
/// As [`evaluate`], of what stands before the selection.
pub fn select<'k>(scope: impl Into<Scope<'k>>, text: &str) -> Option<Result<Selection, ExpressionError>> {
    let scope = scope.into();
    let (of, members) = text.trim().strip_suffix('}')?.rsplit_once('{')?;
    let of = of.trim_end();
    let of = of.strip_suffix("->").or_else(|| of.strip_suffix('.'))?;
    let columns: Vec<String> = members.split(',').map(|member| member.trim().to_owned()).collect();
    let paths: Result<Vec<_>, _> = columns.iter().map(|column| parse::path(column)).collect();
    let values = paths.and_then(|paths| Ok((paths, evaluate_partly(scope, of)?)));
    Some(values.and_then(|(paths, (values, broken_off))| {
        let row = |value: &Value| {
            scope.kernel.memory().check_interrupt()?;
            Ok(paths.iter().map(|path| evaluate::follow(scope.kernel, value, path)).collect())
        };
        let rows: Result<_, ExpressionError> = values.iter().map(row).collect();
        Ok(Selection { columns, rows: rows?, broken_off })
    }))
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpressionError {
    /// It does not read as one.
    Syntax {
        /// Where, in bytes from its start.
        at: usize,
        /// What was expected.
        expected: &'static str,
    },
    /// Nothing has this name.
    Unknown(String),
    /// A value cannot be had.
    Value(ValueError),
    /// The dump lacks what it needs.
    Kernel(crate::Error),
    /// Something else.
    Other(String),
}

impl fmt::Display for ExpressionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { at, expected } => write!(f, "at character {}: expected {expected}", at + 1),
            Self::Unknown(name) => write!(f, "nothing is called {name}"),
            Self::Value(error) => write!(f, "{error}"),
            Self::Kernel(error) => write!(f, "{error}"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for ExpressionError {}

impl From<ValueError> for ExpressionError {
    fn from(error: ValueError) -> Self {
        Self::Value(error)
    }
}

impl From<crate::Error> for ExpressionError {
    fn from(error: crate::Error) -> Self {
        Self::Kernel(error)
    }
}

impl From<btfkit_vmcore::Error> for ExpressionError {
    fn from(error: btfkit_vmcore::Error) -> Self {
        Self::Value(error.into())
    }
}

/// An expression, read.
#[derive(Clone, Debug)]
enum Expression {
    Number {
        value: i128,
        bytes: u8,
        signed: bool,
    },
    Name(String),
    Unary(Unary, Box<Expression>),
    Binary(Binary, Box<Expression>, Box<Expression>),
    Choice(Box<[Expression; 3]>),
    /// `.` or `->`.
    Member {
        of: Box<Expression>,
        name: String,
        through_pointer: bool,
    },
    Index(Box<Expression>, Box<Expression>),
    /// `a[from..to]`; `to` is not part of it.
    Range(Box<[Expression; 3]>),
    Cast(TypeName, Box<Expression>),
    SizeOfType(TypeName),
    SizeOfValue(Box<Expression>),
    OffsetOf(TypeName, Vec<Step>),
    ContainerOf(Box<Expression>, TypeName, Vec<Step>),
    PerCpu(Box<Expression>, Box<Expression>),
    /// A walk over a kernel's data structure: where it starts, what the elements are, and by which member they are chained.
    Walk(Chain, Box<Expression>, TypeName, Vec<Step>),
    /// A walk over a structure that holds pointers to its elements.
    Held(Holder, Box<Expression>, TypeName),
}

/// How elements are chained together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    /// `struct list_head`: a ring through its head.
    List,
    /// `struct hlist_head`: ends with NULL.
    HashList,
    /// `struct llist_head`.
    LockLessList,
    /// `struct rb_root` or `rb_root_cached`: in order.
    RedBlackTree,
    /// A pointer to the first; a member points to the next.
    Pointers,
}

/// What holds pointers to elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// `struct xarray`; also `struct radix_tree_root`, which has been one since Linux 4.20.
    XArray,
    /// `struct idr`.
    Idr,
    /// `struct maple_tree` (since Linux 6.1).
    MapleTree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unary {
    Plus,
    Minus,
    Not,
    Complement,
    Dereference,
    AddressOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Binary {
    Multiply,
    Divide,
    Remainder,
    Add,
    Subtract,
    ShiftLeft,
    ShiftRight,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
    And,
    ExclusiveOr,
    Or,
    Both,
    Either,
}

/// A type as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct TypeName {
    base: BaseType,
    /// From the name outwards.
    derivations: Vec<Derivation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum BaseType {
    Struct(String),
    Union(String),
    Enum(String),
    /// A typedef.
    Name(String),
    Integer {
        bytes: u8,
        signed: bool,
    },
    Char,
    Boolean,
    Void,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Derivation {
    Pointer,
    Array(u64),
}

/// A step to a member, or to an element of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(u64),
}

/// A type as C writes it: `struct list_head *`, `unsigned long[4]`. `None` if it is no type, or not one of this kernel.
pub fn type_of(kernel: &Kernel, text: &str) -> Option<crate::CType> {
    let name = parse::type_name(text, &|name| evaluate::names_a_type(kernel, name))?;
    evaluate::resolve(kernel, &name).ok()
}
