//! What a schema is compiled into: nodes that refer to each other by index. They are compared and put together by
//! [`super::pack`] before anything is checked with them.

use crate::format::Format;

use super::number::Number;
use super::patterns::PatternId;
use super::slots::Slots;

/// Index of a node within its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub(crate) u32);

impl Id {
    /// The schema `true`.
    pub(crate) const ANY: Self = Self(0);
    /// The schema `false`.
    pub(crate) const NEVER: Self = Self(1);
}

/// A set of JSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Kinds(pub(super) u8);

impl Kinds {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const NULL: Self = Self(1);
    pub(crate) const BOOLEAN: Self = Self(2);
    pub(crate) const OBJECT: Self = Self(4);
    pub(crate) const ARRAY: Self = Self(8);
    pub(crate) const STRING: Self = Self(16);
    /// Whole numbers; `number` is this and [`Kinds::FRACTION`].
    pub(crate) const INTEGER: Self = Self(32);
    pub(crate) const FRACTION: Self = Self(64);
    pub(crate) const ALL: Self = Self(127);

    #[inline]
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the types in the set, as a schema writes them.
    pub(crate) fn names(self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for (kind, name) in [
            (Self::NULL, "null"),
            (Self::BOOLEAN, "boolean"),
            (Self::OBJECT, "object"),
            (Self::ARRAY, "array"),
            (Self::STRING, "string"),
        ] {
            if self.has(kind) {
                names.push(name);
            }
        }
        if self.has(Self::FRACTION) {
            names.push("number");
        } else if self.has(Self::INTEGER) {
            names.push("integer");
        }
        names
    }
}

/// One subschema.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) kinds: Kinds,
    /// Rules for strings; `None` when every string will do.
    pub(crate) strings: Option<Strings>,
    pub(crate) numbers: Option<Numbers>,
    pub(crate) objects: Option<Objects>,
    pub(crate) arrays: Option<Arrays>,
    /// `enum` and `const`.
    pub(crate) constants: Box<[Constants]>,
    /// Schemas that apply to the same value: each costs another walk over it.
    pub(crate) branches: Box<[Branch]>,
}

impl Node {
    pub(crate) fn of_kinds(kinds: Kinds) -> Self {
        Self {
            kinds,
            strings: None,
            numbers: None,
            objects: None,
            arrays: None,
            constants: Box::default(),
            branches: Box::default(),
        }
    }

    /// The schema that this one is nothing but another name for.
    pub(super) fn alias_of(&self) -> Option<Id> {
        let own_rules = self.kinds != Kinds::ALL
            || self.strings.is_some()
            || self.numbers.is_some()
            || self.objects.is_some()
            || self.arrays.is_some()
            || !self.constants.is_empty();
        match &*self.branches {
            [Branch::All(all)] if !own_rules && all.len() == 1 => all.first().copied(),
            _ => None,
        }
    }

    /// Calls `change` with every reference to a schema of the same value.
    pub(super) fn each_in_place(&mut self, change: &mut dyn FnMut(&mut Id)) {
        for branch in &mut self.branches {
            match branch {
                Branch::All(ids) | Branch::Any(ids) | Branch::One(ids) => {
                    ids.iter_mut().for_each(&mut *change);
                }
                Branch::Not(id) => change(id),
                Branch::If {
                    test,
                    then,
                    otherwise,
                } => {
                    [test, then, otherwise].into_iter().for_each(&mut *change);
                }
            }
        }
        if let Some(objects) = &mut self.objects {
            objects
                .dependent_schemas
                .iter_mut()
                .for_each(|(_, id)| change(id));
        }
    }

    /// Calls `change` with every reference to a schema of a part of the value.
    pub(super) fn each_child(&mut self, change: &mut dyn FnMut(&mut Id)) {
        if let Some(objects) = &mut self.objects {
            for name in &mut objects.names {
                change(&mut name.schema);
                name.more.iter_mut().for_each(&mut *change);
            }
            objects.patterns.iter_mut().for_each(|(_, id)| change(id));
            objects.property_names.iter_mut().for_each(&mut *change);
            change(&mut objects.additional);
        }
        if let Some(arrays) = &mut self.arrays {
            arrays.prefix.iter_mut().for_each(&mut *change);
            change(&mut arrays.items);
            if let Some(contains) = &mut arrays.contains {
                change(&mut contains.schema);
            }
        }
    }
}

/// `minLength`, `maxLength`, `pattern`, `format`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Strings {
    /// In Unicode code points.
    pub(crate) length_min: usize,
    /// In Unicode code points.
    pub(crate) length_max: usize,
    pub(crate) pattern: Option<PatternId>,
    pub(crate) format: Option<Format>,
}

/// One side of a number's range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Bound {
    pub(crate) limit: Number,
    pub(crate) exclusive: bool,
}

/// `minimum`, `maximum`, their exclusive forms, `multipleOf`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Numbers {
    pub(crate) lower: Vec<Bound>,
    pub(crate) upper: Vec<Bound>,
    pub(crate) multiple_of: Option<Number>,
    /// The whole numbers of this closed range, and every number between two of them, pass all bounds: most numbers are
    /// decided from the digits before the point, without reading a double.
    pub(crate) quick: (i64, i64),
}

/// The values of an `enum` or of a `const`, by type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Constants {
    pub(crate) keyword: &'static str,
    pub(crate) strings: Box<[Box<str>]>,
    pub(crate) numbers: Box<[Number]>,
    pub(crate) null: bool,
    pub(crate) yes: bool,
    pub(crate) no: bool,
    /// Arrays and objects in canonical form.
    pub(crate) containers: Box<[Vec<u8>]>,
    /// What is allowed, for messages.
    pub(crate) shown: String,
}

/// A property's name that the schema mentions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub(crate) key: Box<str>,
    pub(crate) schema: Id,
    /// Further schemas for the same property, from `patternProperties`.
    pub(crate) more: Box<[Id]>,
    /// The keyword that `schema` stands under.
    pub(crate) keyword: &'static str,
}

/// The rules for objects.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Objects {
    /// `properties` in declared order, then the other names that `required` and its like mention.
    pub(crate) names: Box<[Name]>,
    pub(crate) required: Slots,
    pub(crate) patterns: Box<[(PatternId, Id)]>,
    pub(crate) additional: Id,
    pub(crate) property_names: Option<Id>,
    pub(crate) count_min: usize,
    pub(crate) count_max: usize,
    pub(crate) dependent_required: Box<[(usize, Slots)]>,
    pub(crate) dependent_schemas: Box<[(usize, Id)]>,
}

impl Objects {
    /// The rules of a schema that says nothing about objects.
    pub(super) fn open() -> Self {
        Self {
            names: Box::default(),
            required: Slots::default(),
            patterns: Box::default(),
            additional: Id::ANY,
            property_names: None,
            count_min: 0,
            count_max: usize::MAX,
            dependent_required: Box::default(),
            dependent_schemas: Box::default(),
        }
    }
}

/// `contains` with its bounds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Contains {
    pub(crate) schema: Id,
    pub(crate) min: usize,
    pub(crate) max: usize,
}

/// The rules for arrays.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Arrays {
    pub(crate) prefix: Box<[Id]>,
    /// The schema of the elements behind the prefix.
    pub(crate) items: Id,
    /// The keyword that `items` stands under: `items` or `additionalItems`.
    pub(crate) items_keyword: &'static str,
    pub(crate) contains: Option<Contains>,
    pub(crate) unique: bool,
    pub(crate) count_min: usize,
    pub(crate) count_max: usize,
}

impl Arrays {
    /// The rules of a schema that says nothing about arrays.
    pub(super) fn open() -> Self {
        Self {
            prefix: Box::default(),
            items: Id::ANY,
            items_keyword: "items",
            contains: None,
            unique: false,
            count_min: 0,
            count_max: usize::MAX,
        }
    }
}

/// Schemas that apply to the same value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Branch {
    /// `allOf` and `$ref`.
    All(Box<[Id]>),
    /// `anyOf`
    Any(Box<[Id]>),
    /// `oneOf`
    One(Box<[Id]>),
    /// `not`
    Not(Id),
    /// `if`, `then`, `else`; an absent one is [`Id::ANY`].
    If {
        /// Decides which of the others applies.
        test: Id,
        /// Applies when the test passes.
        then: Id,
        /// Applies when it does not.
        otherwise: Id,
    },
}
