//! What exploring came to, as a JSON file: of one machine, or of many joined.

use std::collections::BTreeSet;

use firmware_core::random::{fnv1a64, fnv1a64_continue};
use serde::{Deserialize, Serialize};

use super::Explored;

/// The version of the file.
pub const FORMAT: u32 = 1;

/// What exploring came to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// The version of this file, [`FORMAT`].
    pub format: u32,
    /// The version of the program. Another one may draw other faults.
    pub hil: String,
    /// The scenario file.
    pub file: String,
    /// FNV-1a-64 of its text, in hexadecimal.
    pub text: String,
    /// The first seed.
    pub from: u64,
    /// How many seeds there are in all shards.
    pub seeds: u64,
    /// Into how many shards they are divided.
    pub shards: u64,
    /// Which of the shards are in here, from 1.
    pub done: BTreeSet<u64>,
    /// How many seeds have been run; less than there are when time was up.
    pub runs: u64,
    /// Virtual time of all runs, in milliseconds.
    pub virtual_ms: u64,
    /// Faults drawn.
    pub drawn: u64,
    /// Faults that happened.
    pub happened: u64,
    /// One number for what each seed led to, whatever the order and the number of jobs.
    pub digest: String,
    /// What is wrong, by seed.
    pub findings: Vec<Found>,
}

/// A seed at which something is wrong.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The seed.
    pub seed: u64,
    /// The invariant's name, `panic` or `world`.
    pub invariant: String,
    /// What was wrong.
    pub why: String,
}

/// Why results cannot be joined.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MergeError {
    /// They are not parts of one whole.
    #[error("{0} is not a part of the same whole: the {1} differs")]
    Other(String, &'static str),
    /// A part is there twice.
    #[error("shard {1} of {0} is there already")]
    Twice(String, u64),
    /// There is nothing.
    #[error("there is nothing to join")]
    Nothing,
}

impl Results {
    /// Before the first seed. `shard` is which of how many, from 1.
    pub fn new(file: &str, text: &str, from: u64, seeds: u64, shard: (u64, u64)) -> Self {
        Self {
            format: FORMAT,
            hil: env!("CARGO_PKG_VERSION").to_owned(),
            file: file.to_owned(),
            text: format!("{:016x}", fnv1a64(text.as_bytes())),
            from,
            seeds,
            shards: shard.1,
            done: BTreeSet::from([shard.0]),
            runs: 0,
            virtual_ms: 0,
            drawn: 0,
            happened: 0,
            digest: format!("{:016x}", 0),
            findings: Vec::new(),
        }
    }

    /// Takes in what a seed led to.
    pub fn add(&mut self, explored: &Explored) {
        self.runs += 1;
        self.virtual_ms += explored.virtual_ms;
        self.drawn += explored.drawn as u64;
        self.happened += explored.happened as u64;
        let mut digest = fnv1a64(&explored.seed.to_le_bytes());
        for number in [explored.virtual_ms, explored.drawn as u64, explored.happened as u64] {
            digest = fnv1a64_continue(digest, &number.to_le_bytes());
        }
        if let Some(finding) = &explored.finding {
            digest = fnv1a64_continue(digest, finding.why.as_bytes());
            let (invariant, why) = (finding.kind.clone(), finding.why.clone());
            let found = Found { seed: explored.seed, invariant, why };
            let place = self.findings.partition_point(|other| *other < found);
            self.findings.insert(place, found);
        }
        self.add_digest(digest);
    }

    fn add_digest(&mut self, digest: u64) {
        let sum = u64::from_str_radix(&self.digest, 16).unwrap_or(0).wrapping_add(digest);
        self.digest = format!("{sum:016x}");
    }

    /// Joins parts of a whole, each with the name under which an error names it.
    ///
    /// # Errors
    /// When they are parts of different wholes, or one is there twice.
    pub fn merge(parts: Vec<(String, Self)>) -> Result<Self, MergeError> {
        let mut parts = parts.into_iter();
        let (_, mut whole) = parts.next().ok_or(MergeError::Nothing)?;
        for (name, part) in parts {
            let Self { format, hil, file: _, text, from, seeds, shards, .. } = &part;
            let differs = [
                (*format != whole.format, "format"),
                (*hil != whole.hil, "version of hil"),
                (*text != whole.text, "scenario"),
                (*from != whole.from, "first seed"),
                (*seeds != whole.seeds, "number of seeds"),
                (*shards != whole.shards, "number of shards"),
            ];
            if let Some((_, what)) = differs.into_iter().find(|(differs, _)| *differs) {
                return Err(MergeError::Other(name, what));
            }
            if let Some(twice) = part.done.intersection(&whole.done).next() {
                return Err(MergeError::Twice(name, *twice));
            }
            whole.done.extend(part.done);
            whole.runs += part.runs;
            whole.virtual_ms += part.virtual_ms;
            whole.drawn += part.drawn;
            whole.happened += part.happened;
            whole.add_digest(u64::from_str_radix(&part.digest, 16).unwrap_or(0));
            whole.findings.extend(part.findings);
        }
        whole.findings.sort();
        Ok(whole)
    }

    /// The shards that are not in here.
    pub fn missing(&self) -> Vec<u64> {
        (1..=self.shards).filter(|shard| !self.done.contains(shard)).collect()
    }
}

/// The seeds of a shard, from the first one on.
pub fn seeds_of(from: u64, seeds: u64, (shard, shards): (u64, u64)) -> impl Iterator<Item = u64> {
    (0..seeds)
        .skip(usize::try_from(shard - 1).unwrap_or(usize::MAX))
        .step_by(shards as usize)
        .map(move |offset| from.wrapping_add(offset))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explore::Finding;

    fn explored(seed: u64) -> Explored {
        let finding = seed
            .is_multiple_of(3)
            .then(|| Finding { kind: "settles".to_owned(), why: format!("seed {seed} is bad") });
        Explored { seed, virtual_ms: 10 * seed, drawn: 3, happened: 2, finding }
    }

    fn results(shard: (u64, u64)) -> Results {
        let mut results = Results::new("story.yaml", "text", 100, 10, shard);
        seeds_of(100, 10, shard).for_each(|seed| results.add(&explored(seed)));
        results
    }

    #[test]
    fn shards_compose_to_the_whole() {
        let whole = results((1, 1));
        let parts = [2, 3, 1].map(|shard| (format!("{shard}.json"), results((shard, 3))));
        let mut merged = Results::merge(parts.to_vec()).expect("they are parts of one whole");
        assert_eq!((merged.missing(), merged.runs), (vec![], 10));
        assert_eq!(merged.digest, whole.digest);
        (merged.shards, merged.done) = (whole.shards, whole.done.clone());
        assert_eq!(merged, whole);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let part = || ("a.json".to_owned(), results((1, 2)));
        let other = Results::new("story.yaml", "another text", 100, 10, (2, 2));
        let merge = |second: (String, Results)| Results::merge(vec![part(), second]).map(|_| ());
        assert_eq!(merge(part()), Err(MergeError::Twice("a.json".to_owned(), 1)));
        assert_eq!(
            merge(("b.json".to_owned(), other)),
            Err(MergeError::Other("b.json".to_owned(), "scenario"))
        );
        assert_eq!(Results::merge(vec![]), Err(MergeError::Nothing));
        assert_eq!(Results::merge(vec![part()]).map(|results| results.missing()), Ok(vec![2]));
    }
}
