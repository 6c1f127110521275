//! The type of an expression, from symbols and types alone: no value is read and no place is needed, as C's `sizeof` evaluates
//! nothing.

use super::evaluate::{Evaluator, common, offset_of, promote, resolve};
use super::{Binary, Expression, ExpressionError, Unary};
use crate::ctype::{CType, INT, LONG, Shape, UNSIGNED_LONG};
use crate::value::{ValueError, field};

type Result<T> = std::result::Result<T, ExpressionError>;

impl Evaluator<'_> {
    /// The type that the values of an expression have.
    pub(super) fn type_of(&self, expression: &Expression) -> Result<CType> {
        let kernel = self.kernel();
        Ok(match expression {
            Expression::Number { bytes, signed, .. } => CType::Integer { bytes: *bytes, signed: *signed },
            Expression::Name(name) if name.starts_with('$') => UNSIGNED_LONG,
            Expression::Name(name) => self.name_type(name)?,
            Expression::Unary(operator, of) => self.unary_type(*operator, &self.type_of(of)?)?,
            Expression::Binary(operator, left, right) => self.binary_type(*operator, left, right)?,
            Expression::Choice(parts) => self.type_of(&parts[1])?,
            Expression::Member { of, name, .. } => member_type(&self.type_of(of)?, name)?,
            Expression::Index(of, _) => target_type(&self.type_of(of)?)?,
            Expression::Range(parts) => target_type(&self.type_of(&parts[0])?)?,
            Expression::Cast(name, _) | Expression::Walk(_, _, name, _) | Expression::Held(_, _, name) => {
                resolve(kernel, name)?
            }
            Expression::SizeOfType(_) | Expression::SizeOfValue(_) => UNSIGNED_LONG,
            Expression::OffsetOf(name, steps) => {
                offset_of(&resolve(kernel, name)?, steps)?;
                UNSIGNED_LONG
            }
            Expression::ContainerOf(_, name, _) => resolve(kernel, name)?.pointer(),
            Expression::PerCpu(of, _) => self.type_of(of)?,
        })
    }

    fn unary_type(&self, operator: Unary, of: &CType) -> Result<CType> {
        Ok(match operator {
            Unary::AddressOf => of.clone().pointer(),
            Unary::Dereference if matches!(of.shape(), Shape::Function) => of.clone(),
            Unary::Dereference => target_type(of)?,
            Unary::Plus | Unary::Minus | Unary::Complement => promote(of),
            Unary::Not => INT,
        })
    }

    fn binary_type(&self, operator: Binary, left: &Expression, right: &Expression) -> Result<CType> {
        let is_truth = matches!(
            operator,
            Binary::Less
                | Binary::LessEqual
                | Binary::Greater
                | Binary::GreaterEqual
                | Binary::Equal
                | Binary::NotEqual
                | Binary::Both
                | Binary::Either
        );
        if is_truth {
            return Ok(INT);
        }
        let (left, right) = (self.type_of(left)?, self.type_of(right)?);
        let pointee = |ctype: &CType| match ctype.shape() {
            Shape::Pointer(target) | Shape::Array(target, _) => Some(target),
            _ => None,
        };
        Ok(match (operator, pointee(&left), pointee(&right)) {
            (Binary::Add | Binary::Subtract, Some(target), None) | (Binary::Add, None, Some(target)) => {
                target.pointer()
            }
            (Binary::Subtract, Some(_), Some(_)) => LONG,
            (Binary::ShiftLeft | Binary::ShiftRight, ..) => promote(&left),
            _ => common(&promote(&left), &promote(&right)),
        })
    }
}

/// What a pointer points to, or an array is made of.
fn target_type(of: &CType) -> Result<CType> {
    match of.shape() {
        Shape::Pointer(CType::Void) => {
            Err(ValueError::Type("it is a pointer to void: cast it first".into()).into())
        }
        Shape::Pointer(target) | Shape::Array(target, _) => Ok(target),
        _ => Err(ValueError::Type(format!("{of} is not a pointer or an array")).into()),
    }
}

/// A member's type, also of what a pointer points to.
fn member_type(of: &CType, name: &str) -> Result<CType> {
    let of = match of.shape() {
        Shape::Pointer(target) => target,
        _ => of.clone(),
    };
    let Shape::Aggregate(btf, id) = of.shape() else {
        return Err(ValueError::Type(format!("{of} is not a structure or union")).into());
    };
    let found = field(&btf, id, name.as_bytes());
    let found = found.ok_or_else(|| ValueError::Type(format!("{of} has no member {name}")))?;
    Ok(found.ctype)
}
