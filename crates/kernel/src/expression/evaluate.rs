//! From an expression to values.

use std::cell::RefCell;
use std::rc::Rc;

use btfkit_btf::Kind;
use btfkit_vmcore::{VirtualAddress, register_name, register_names};

use super::{
    BaseType, Binary, Derivation, Expression, ExpressionError, Partly, Scope, Step, TypeName, Unary,
};
use super::{held, iterate};
use crate::ctype::{CType, INT, LONG, Shape, UNSIGNED_LONG};
use crate::registers::{default_processor, registers};
use crate::value::{Value, ValueError, field};
use crate::{Address, Kernel, Variable};

type Result<T> = std::result::Result<T, ExpressionError>;

/// Elements of a range, at most.
const LONGEST_RANGE: i128 = 1 << 20;

/// What has a name.
enum Named {
    Variable(CType, Option<Address>),
    /// An enumerator, a function, a symbol.
    Other(Value),
}

pub(super) struct Evaluator<'k> {
    kernel: &'k Kernel,
    /// The processor whose per-CPU variables are meant.
    cpu: Option<u64>,
    /// Why a list or tree was not followed to its end.
    broken_off: Rc<RefCell<Option<ExpressionError>>>,
}

impl<'k> Evaluator<'k> {
    pub(super) fn new(scope: Scope<'k>) -> Self {
        Self { kernel: scope.kernel, cpu: scope.cpu, broken_off: Rc::default() }
    }

    pub(super) fn kernel(&self) -> &'k Kernel {
        self.kernel
    }

    /// The same where the per-CPU variables of this processor are meant.
    fn on(&self, cpu: u64) -> Self {
        Self { kernel: self.kernel, cpu: Some(cpu), broken_off: self.broken_off.clone() }
    }

    /// Why a list or tree was not followed to its end, if one was not.
    pub(super) fn break_off(&self) -> Option<ExpressionError> {
        self.broken_off.borrow_mut().take()
    }

    /// What there is of a list or tree.
    fn partly(&self, (values, error): Partly<Vec<Value>>) -> Vec<Value> {
        if error.is_some() {
            *self.broken_off.borrow_mut() = error;
        }
        values
    }

    /// One value or several.
    pub(super) fn values(&self, expression: &Expression) -> Result<Vec<Value>> {
        match expression {
            Expression::Range(parts) => {
                let [of, from, to] = &**parts;
                let (from, to) = (self.number(from)?, self.number(to)?);
                if to.saturating_sub(from) > LONGEST_RANGE {
                    return Err(ExpressionError::Other(format!("{from}..{to} are too many elements")));
                }
                let mut elements = Vec::new();
                let of = self.values(of)?;
                if to.saturating_sub(from).saturating_mul(of.len() as i128) > LONGEST_RANGE {
                    return Err(ExpressionError::Other(format!("{from}..{to} of {} are too many", of.len())));
                }
                for of in of {
                    for index in from..to {
                        elements.push(of.element(self.kernel.memory(), index)?);
                    }
                }
                Ok(elements)
            }
            Expression::Walk(chain, start, name, steps) => {
                let ctype = resolve(self.kernel, name)?;
                let (offset, _) = offset_of(&ctype, steps)?;
                let found = iterate::walk(self.kernel.memory(), *chain, &self.one(start)?, &ctype, offset)?;
                Ok(self.partly(found))
            }
            Expression::Held(holder, start, name) => {
                let ctype = resolve(self.kernel, name)?;
                let found = held::walk(self.kernel.memory(), *holder, &self.one(start)?, &ctype)?;
                Ok(self.partly(found))
            }
            Expression::Member { of, name, through_pointer } => {
                let of = self.values(of)?;
                of.iter().map(|of| self.member(of, name, *through_pointer)).collect()
            }
            Expression::Index(of, index) => {
                let index = self.number(index)?;
                let of = self.values(of)?;
                of.iter().map(|of| Ok(of.element(self.kernel.memory(), index)?)).collect()
            }
            Expression::Cast(name, of) => {
                let ctype = resolve(self.kernel, name)?;
                self.values(of)?.iter().map(|of| self.cast(of, &ctype)).collect()
            }
            Expression::Unary(operator, of) => {
                self.values(of)?.into_iter().map(|of| self.unary(*operator, of)).collect()
            }
            Expression::PerCpu(of, cpu) => {
                let cpu = u64::try_from(self.number(cpu)?);
                let cpu =
                    cpu.map_err(|_| ExpressionError::Other("a processor's number is not negative".into()))?;
                self.on(cpu).values(of)
            }
            _ => self.scalar(expression).map(|value| vec![value]),
        }
    }

    fn one(&self, expression: &Expression) -> Result<Value> {
        let mut values = self.values(expression)?;
        match (values.pop(), values.is_empty()) {
            (Some(value), true) => Ok(value),
            _ => Err(ExpressionError::Other("one value is wanted here, not several".into())),
        }
    }

    fn number(&self, expression: &Expression) -> Result<i128> {
        Ok(self.one(expression)?.to_number(self.kernel.memory())?)
    }

    fn scalar(&self, expression: &Expression) -> Result<Value> {
        match expression {
            Expression::Number { value, bytes, signed } => {
                Ok(Value::number(CType::Integer { bytes: *bytes, signed: *signed }, *value))
            }
            Expression::Name(name) => match name.strip_prefix('$') {
                Some(register) => self.register(register),
                None => self.name(name),
            },
            Expression::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expression::Choice(parts) => {
                let [condition, first, second] = &**parts;
                self.one(if self.number(condition)? != 0 { first } else { second })
            }
            Expression::SizeOfType(name) => size(&resolve(self.kernel, name)?),
            Expression::SizeOfValue(of) => size(&self.type_of(of)?),
            Expression::OffsetOf(name, steps) => {
                let (offset, _) = offset_of(&resolve(self.kernel, name)?, steps)?;
                Ok(Value::number(UNSIGNED_LONG, i128::from(offset)))
            }
            Expression::ContainerOf(of, name, steps) => {
                let ctype = resolve(self.kernel, name)?;
                let (offset, _) = offset_of(&ctype, steps)?;
                let pointer = self.number(of)?;
                Ok(Value::number(ctype.pointer(), pointer - i128::from(offset)))
            }
            other => self.one(other),
        }
    }

    /// The value of a variable, an enumerator, a function, a symbol.
    fn name(&self, name: &str) -> Result<Value> {
        let (ctype, address) = match self.named(name)? {
            Named::Variable(ctype, address) => (ctype, address),
            Named::Other(value) => return Ok(value),
        };
        let address = match address {
            Some(Address::Global(address)) => address,
            Some(Address::PerCpu(address)) => self.per_cpu(name, address)?,
            None => {
                return Err(ExpressionError::Other(format!(
                    "{name} has no symbol: where it is, is not known{}",
                    self.why_no_data()
                )));
            }
        };
        Ok(Value::at(ctype, address))
    }

    /// The type of what has this name, wherever it is.
    pub(super) fn name_type(&self, name: &str) -> Result<CType> {
        Ok(match self.named(name)? {
            Named::Variable(ctype, _) => ctype,
            Named::Other(value) => value.ctype,
        })
    }

    fn named(&self, name: &str) -> Result<Named> {
        let (bare, which) = match name.rsplit_once('#') {
            // No kernel has as many as fit into no number.
            Some((bare, which)) => (bare, which.parse::<usize>().unwrap_or(usize::MAX).max(1)),
            None => (name, 1),
        };
        let (module, bare) = bare.split_once(':').map_or((None, bare), |(module, bare)| (Some(module), bare));
        let in_module = |variable: &Variable| module.is_none_or(|module| variable.source == module);
        let mut variables = self.kernel.variables(bare).filter(in_module).peekable();
        let is_variable = variables.peek().is_some();
        if let Some(variable) = variables.nth(which - 1) {
            return Ok(Named::Variable(variable.ctype, variable.address));
        }
        if module.is_none() && which == 1 {
            // What every kernel has, also where its BTF does not say so.
            if let Some((ctype, address)) = self.kernel.declared(bare) {
                return Ok(Named::Variable(ctype, Some(address)));
            }
            if let Some(found) = self.enumerator(bare).or_else(|| self.function(bare)) {
                return Ok(Named::Other(found));
            }
        }
        if is_variable {
            return Err(ExpressionError::Unknown(name.to_owned()));
        }
        self.symbol(bare, which, module).map(Named::Other).map_err(|error| match error {
            ExpressionError::Unknown(_) => ExpressionError::Unknown(name.to_owned()),
            other => other,
        })
    }

    /// `rip`, or `rip@1` of processor 1. Without a processor it is that of the one that panicked, or else of the first.
    fn register(&self, name: &str) -> Result<Value> {
        let (name, cpu) = match name.split_once('@') {
            Some((name, cpu)) => {
                let number = cpu.parse();
                let no_number = |_| ExpressionError::Other(format!("{cpu} is no processor's number"));
                (name, Some(number.map_err(no_number)?))
            }
            None => (name, self.cpu),
        };
        let machine = self.kernel.memory().dump().machine();
        if register_name(machine, name).is_none() && !register_names(machine).is_empty() {
            return Err(ExpressionError::Other(format!(
                "{machine} has no register ${name}: regs lists them"
            )));
        }
        let all = registers(self.kernel)?;
        let cpu = cpu.unwrap_or_else(|| default_processor(self.kernel));
        let of = all.iter().find(|of| of.cpu == cpu).ok_or_else(|| {
            let known: Vec<String> = all.iter().map(|of| of.cpu.to_string()).collect();
            let known = known.join(", ");
            ExpressionError::Other(format!("the dump has no registers of processor {cpu}, but of {known}"))
        })?;
        let value = of.get(self.kernel, name);
        let value = value.ok_or_else(|| ExpressionError::Unknown(format!("${name}")))?;
        Ok(Value::number(UNSIGNED_LONG, i128::from(value)))
    }

    fn per_cpu(&self, name: &str, address: VirtualAddress) -> Result<VirtualAddress> {
        let cpu = self.cpu.ok_or_else(|| {
            ExpressionError::Other(format!("{name} is there once for each processor: per_cpu({name}, 0)"))
        })?;
        let offset = self.kernel.per_cpu_offset(cpu)?;
        Ok(VirtualAddress(address.0.wrapping_add(offset)))
    }

    fn enumerator(&self, name: &str) -> Option<Value> {
        self.kernel.type_sources().find_map(|source| {
            let string = source.btf.find_string(name.as_bytes())?;
            let mut enumerations = source.btf.types().filter(|ty| ty.kind().is_enum());
            enumerations.find_map(|ty| {
                let found = ty
                    .enumerators()
                    .find(|each| each.name == string || ty.string(each.name) == name.as_bytes())?;
                Some(Value::number(CType::Btf(source.btf.clone(), ty.id()), found.value))
            })
        })
    }

    fn function(&self, name: &str) -> Option<Value> {
        let symbol = self.kernel.symbols().ok()?.find(name)?;
        self.kernel.type_sources().find_map(|source| {
            let function = source.btf.own_named(name.as_bytes()).find(|ty| ty.kind() == Kind::Func)?;
            Some(Value::at(CType::Btf(source.btf.clone(), function.type_id()?), symbol.address))
        })
    }

    fn symbol(&self, name: &str, which: usize, module: Option<&str>) -> Result<Value> {
        let mut found = self.kernel.symbols_named(name).filter(|(_, of)| module.is_none() || *of == module);
        let Some((symbol, _)) = found.nth(which - 1) else {
            self.kernel.symbols()?;
            let unknown = ExpressionError::Unknown(name.to_owned());
            let why = self.why_no_data();
            if why.is_empty() {
                return Err(unknown);
            }
            // Types would give some variables away.
            self.kernel.types()?;
            return Err(ExpressionError::Other(format!("{unknown}{why}")));
        };
        Ok(Value::at(CType::Void, symbol.address))
    }

    /// Why variables may have no symbol.
    fn why_no_data(&self) -> &'static str {
        match self.kernel.symbols() {
            Ok(symbols) if !symbols.name_data() => ": this kernel's kallsyms names functions alone",
            _ => "",
        }
    }

    fn member(&self, of: &Value, name: &str, through_pointer: bool) -> Result<Value> {
        let memory = self.kernel.memory();
        if matches!(of.ctype.shape(), Shape::Void) {
            // A symbol: without types there are no variables, and without its variable no type.
            self.kernel.types()?;
            return Err(ExpressionError::Other(
                "its type is not known: cast it, or give a side file with its variable (--btf)".into(),
            ));
        }
        // `.` on a pointer is what `->` is: nothing else could be meant.
        if through_pointer || matches!(of.ctype.shape(), Shape::Pointer(_)) {
            return Ok(of.target(memory)?.member(name)?);
        }
        Ok(of.member(name)?)
    }

    fn cast(&self, of: &Value, to: &CType) -> Result<Value> {
        if matches!(to.shape(), Shape::Aggregate(..) | Shape::Array(..)) {
            // A place seen as another type.
            let address = of.address().ok_or_else(|| of.not("in memory"))?;
            return Ok(Value::at(to.clone(), address));
        }
        let number = match of.ctype.shape() {
            Shape::Void | Shape::Aggregate(..) => {
                i128::from(of.address().ok_or_else(|| of.not("a number"))?.0)
            }
            _ => of.to_number(self.kernel.memory())?,
        };
        Ok(Value::number(to.clone(), number))
    }

    fn unary(&self, operator: Unary, of: Value) -> Result<Value> {
        let memory = self.kernel.memory();
        let promoted = |number| {
            let ctype = promote(&of.ctype);
            Value::number(ctype, number)
        };
        Ok(match operator {
            Unary::AddressOf => of.address_of()?,
            Unary::Dereference if matches!(of.ctype.shape(), Shape::Function) => of,
            Unary::Dereference => of.target(memory)?,
            Unary::Plus => promoted(of.to_number(memory)?),
            Unary::Minus => promoted(of.to_number(memory)?.wrapping_neg()),
            Unary::Complement => promoted(!of.to_number(memory)?),
            Unary::Not => Value::number(INT, i128::from(of.to_number(memory)? == 0)),
        })
    }

    fn binary(&self, operator: Binary, left: &Expression, right: &Expression) -> Result<Value> {
        let memory = self.kernel.memory();
        let truth = |truth: bool| Ok(Value::number(INT, i128::from(truth)));
        match operator {
            Binary::Both => return truth(self.number(left)? != 0 && self.number(right)? != 0),
            Binary::Either => return truth(self.number(left)? != 0 || self.number(right)? != 0),
            _ => {}
        }
        let (left, right) = (self.one(left)?, self.one(right)?);
        let (a, b) = (left.to_number(memory)?, right.to_number(memory)?);
        let pointee = |value: &Value| match value.ctype.shape() {
            Shape::Pointer(target) | Shape::Array(target, _) => Some(target),
            _ => None,
        };
        // Pointers count in what they point to.
        match (operator, pointee(&left), pointee(&right)) {
            (Binary::Add | Binary::Subtract, Some(target), None) => {
                let step = b.wrapping_mul(i128::from(target.size().unwrap_or(1)));
                let moved = if operator == Binary::Add { a.wrapping_add(step) } else { a.wrapping_sub(step) };
                return Ok(Value::number(target.pointer(), moved));
            }
            (Binary::Add, None, Some(target)) => {
                let step = a.wrapping_mul(i128::from(target.size().unwrap_or(1)));
                return Ok(Value::number(target.pointer(), b.wrapping_add(step)));
            }
            (Binary::Subtract, Some(target), Some(_)) => {
                let size = i128::from(target.size().unwrap_or(1).max(1));
                return Ok(Value::number(LONG, a.wrapping_sub(b) / size));
            }
            _ => {}
        }
        let (x, y) = (promote(&left.ctype), promote(&right.ctype));
        let ctype =
            if matches!(operator, Binary::ShiftLeft | Binary::ShiftRight) { x } else { common(&x, &y) };
        let (a, b) = match operator {
            Binary::ShiftLeft | Binary::ShiftRight => (a, b),
            _ => (in_type(&ctype, a), in_type(&ctype, b)),
        };
        let bits = i128::from(ctype.size().unwrap_or(8)) * 8;
        let shift = u32::try_from(b).ok().filter(|&shift| i128::from(shift) < bits);
        let no_zero =
            |what: Option<i128>| what.ok_or_else(|| ExpressionError::Other("division by zero".into()));
        let number = match operator {
            Binary::Multiply => a.wrapping_mul(b),
            Binary::Divide => no_zero(a.checked_div(b))?,
            Binary::Remainder => no_zero(a.checked_rem(b))?,
            Binary::Add => a.wrapping_add(b),
            Binary::Subtract => a.wrapping_sub(b),
            Binary::And => a & b,
            Binary::ExclusiveOr => a ^ b,
            Binary::Or => a | b,
            Binary::ShiftLeft | Binary::ShiftRight => {
                let shift = shift.ok_or_else(|| ExpressionError::Other(format!("a shift by {b} bits")))?;
                if operator == Binary::ShiftLeft { a.wrapping_shl(shift) } else { a >> shift }
            }
            Binary::Less => return truth(a < b),
            Binary::LessEqual => return truth(a <= b),
            Binary::Greater => return truth(a > b),
            Binary::GreaterEqual => return truth(a >= b),
            Binary::Equal => return truth(a == b),
            Binary::NotEqual => return truth(a != b),
            Binary::Both | Binary::Either => return truth(false),
        };
        Ok(Value::number(ctype, number))
    }
}

fn in_type(ctype: &CType, number: i128) -> i128 {
    match Value::number(ctype.clone(), number).place {
        crate::value::Place::Number(number) => number,
        _ => number,
    }
}

fn size(ctype: &CType) -> Result<Value> {
    let size = ctype.size().ok_or_else(|| ValueError::Type(format!("{ctype} has no size")))?;
    Ok(Value::number(UNSIGNED_LONG, i128::from(size)))
}

/// C's integer promotion.
pub(super) fn promote(ctype: &CType) -> CType {
    match ctype.shape() {
        Shape::Integer { bytes, .. } if bytes < 4 => INT,
        Shape::Integer { bytes, signed, .. } => CType::Integer { bytes, signed },
        Shape::Enumeration(..) if ctype.size() == Some(8) => LONG,
        Shape::Enumeration(..) => INT,
        _ => UNSIGNED_LONG,
    }
}

/// C's usual arithmetic conversions.
pub(super) fn common(a: &CType, b: &CType) -> CType {
    let parts = |ctype: &CType| match ctype {
        CType::Integer { bytes, signed } => (*bytes, *signed),
        _ => (8, false),
    };
    let ((a, a_signed), (b, b_signed)) = (parts(a), parts(b));
    let bytes = a.max(b).max(4);
    let unsigned = (a == bytes && !a_signed) || (b == bytes && !b_signed);
    CType::Integer { bytes, signed: !unsigned }
}

/// Whether a name is a typedef's, and no variable's.
pub(super) fn names_a_type(kernel: &Kernel, name: &str) -> bool {
    // A name that the kernel's symbols have is a variable's or a function's: typedefs have none.
    if kernel.symbols().is_ok_and(|symbols| symbols.find(name).is_some()) {
        return false;
    }
    kernel
        .type_sources()
        .any(|source| source.btf.own_named(name.as_bytes()).any(|ty| matches!(ty.kind(), Kind::Typedef)))
}

/// The type that is written so.
pub(super) fn resolve(kernel: &Kernel, name: &TypeName) -> Result<CType> {
    let base = match &name.base {
        BaseType::Void => CType::Void,
        BaseType::Integer { bytes, signed } => CType::Integer { bytes: *bytes, signed: *signed },
        BaseType::Char => {
            named(kernel, "char", &[Kind::Int]).unwrap_or(CType::Integer { bytes: 1, signed: true })
        }
        BaseType::Boolean => named(kernel, "_Bool", &[Kind::Int])?,
        BaseType::Struct(tag) => named(kernel, tag, &[Kind::Struct])?,
        BaseType::Union(tag) => named(kernel, tag, &[Kind::Union])?,
        BaseType::Enum(tag) => named(kernel, tag, &[Kind::Enum, Kind::Enum64])?,
        BaseType::Name(name) => named(kernel, name, &[Kind::Typedef])?,
    };
    Ok(name.derivations.iter().fold(base, |of, derivation| match derivation {
        Derivation::Pointer => of.pointer(),
        Derivation::Array(count) => CType::Array(of.into(), *count),
    }))
}

fn named(kernel: &Kernel, name: &str, kinds: &[Kind]) -> Result<CType> {
    kernel.types()?;
    let found = kernel.type_sources().find_map(|source| {
        let ty = source.btf.own_named(name.as_bytes()).find(|ty| kinds.contains(&ty.kind()))?;
        Some(CType::Btf(source.btf.clone(), ty.id()))
    });
    found.ok_or_else(|| ExpressionError::Unknown(name.to_owned()))
}

/// The value that a path of members leads to. Pointers on the way are followed.
pub(super) fn follow(kernel: &Kernel, of: &Value, path: &[Step]) -> Result<Value> {
    let mut value = of.clone();
    for step in path {
        if let (Step::Member(_), Shape::Pointer(_)) = (step, value.ctype.shape()) {
            value = value.target(kernel.memory())?;
        }
        value = match step {
            Step::Member(name) => value.member(name)?,
            Step::Element(index) => value.element(kernel.memory(), i128::from(*index))?,
        };
    }
    Ok(value)
}

/// Offset in bytes of a member, and its type.
pub(super) fn offset_of(ctype: &CType, steps: &[Step]) -> Result<(u64, CType)> {
    let mut at = (0u64, ctype.clone());
    for step in steps {
        at = match (step, at.1.shape()) {
            (Step::Member(name), Shape::Aggregate(btf, id)) => {
                let found = field(&btf, id, name.as_bytes())
                    .ok_or_else(|| ValueError::Type(format!("{} has no member {name}", at.1)))?;
                if found.bitfield_size != 0 {
                    return Err(ExpressionError::Other(format!(
                        "{name} is a bit-field and has no offset in bytes"
                    )));
                }
                (at.0 + found.bit_offset / 8, found.ctype)
            }
            (Step::Element(index), Shape::Array(element, _)) => {
                let size = element.size().unwrap_or(0);
                (at.0.wrapping_add(index.wrapping_mul(size)), element)
            }
            (Step::Member(_), _) => {
                return Err(ValueError::Type(format!("{} is not a structure or union", at.1)).into());
            }
            (Step::Element(_), _) => return Err(ValueError::Type(format!("{} is not an array", at.1)).into()),
        };
    }
    Ok(at)
}
