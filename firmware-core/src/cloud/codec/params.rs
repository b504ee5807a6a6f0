//! The parameters of a body, separated by NUL. What they mean is not known here.

use core::fmt;
use core::str::FromStr;

/// Splits a body into its parameters.
pub fn params(body: &[u8]) -> Params<'_> {
    Params { rest: (!body.is_empty()).then_some(body) }
}

/// The parameters of a body, separated by NUL. An empty body has none.
///
/// A NUL at the very end counts as an empty last parameter, since `vw 6 ""` is a write of nothing; where an
/// empty one has no meaning, [`trimmed`](Self::trimmed) and [`pairs`](Self::pairs) ignore it.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Params<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Params<'a> {
    /// The next parameter as text; `None` when there is none or it is not UTF-8.
    pub fn next_text(&mut self) -> Option<&'a str> {
        self.next().and_then(|bytes| core::str::from_utf8(bytes).ok())
    }

    /// The next parameter as a number; `None` when there is none or it is not one.
    pub fn next_number<T: FromStr>(&mut self) -> Option<T> {
        self.next_text().and_then(|text| text.parse().ok())
    }

    /// Everything that is left, separators included.
    pub fn rest(&self) -> &'a [u8] {
        self.rest.unwrap_or_default()
    }

    /// The same parameters without an empty last one.
    pub fn trimmed(self) -> Self {
        let rest = self.rest.map(|rest| rest.strip_suffix(&[0]).unwrap_or(rest));
        Self { rest: rest.filter(|rest| !rest.is_empty()) }
    }

    /// The parameters two by two, as key and value. A last key without a value is left out, which is how the
    /// trailing NUL of some clients' info frames disappears.
    pub fn pairs(self) -> Pairs<'a> {
        Pairs(self)
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let Some(end) = rest.iter().position(|byte| *byte == 0) else {
            self.rest = None;
            return Some(rest);
        };
        let (param, behind) = rest.split_at_checked(end)?;
        self.rest = behind.get(1..);
        Some(param)
    }
}

impl fmt::Debug for Params<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Params({} bytes)", self.rest().len())
    }
}

/// Keys and values, see [`Params::pairs`].
#[derive(Clone, Debug)]
pub struct Pairs<'a>(Params<'a>);

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let key = self.0.next()?;
        Some((key, self.0.next()?))
    }
}
