use crate::layout::MAX_TARGETS;

const MAX: usize = MAX_TARGETS as usize;

#[derive(Clone, Copy)]
struct Entry {
    class: u64,
    drawn: u64, // weight and index in one word: it is moved as one, never as halves
}

impl Entry {
    fn weight(&self) -> u64 {
        self.drawn >> 32
    }
}

/// Orders targets as the gateway does by itself: a lower class comes first,
/// and within a class each place is drawn at random by weight. The same seed
/// gives the same order everywhere.
pub struct Rank {
    n: usize,
    entries: [Entry; MAX],
}

impl Rank {
    /// An empty rank; as a static it costs nothing per decision.
    pub const fn new() -> Rank {
        Rank { n: 0, entries: [Entry { class: 0, drawn: 0 }; MAX] }
    }

    /// What the gateway's own order ranks by: targets that rest come last, and
    /// before that priority counts.
    pub fn class(priority: u32, resting: bool) -> u64 {
        (resting as u64) << 32 | priority as u64
    }

    /// Empties the rank.
    pub fn reset(&mut self) {
        self.n = 0;
    }

    /// Appends the next target; a weight of 0 counts as 1.
    pub fn add(&mut self, class: u64, weight: u32) {
        let entry = Entry { class, drawn: (weight.max(1) as u64) << 32 | self.n as u64 };
        let mut i = self.n;
        while i > 0 && self.entries[i - 1].class > class {
            self.entries[i] = self.entries[i - 1];
            i -= 1;
        }
        self.entries[i] = entry;
        self.n += 1;
    }

    /// Orders the targets within each class.
    pub fn draw(&mut self, mut seed: u64) {
        let mut from = 0;
        while from < self.n {
            let (mut to, mut sum) = (from, 0u64);
            while to < self.n && self.entries[to].class == self.entries[from].class {
                sum += self.entries[to].weight();
                to += 1;
            }
            while from + 1 < to {
                seed = seed.wrapping_add(0x9e3779b97f4a7c15);
                let mut left = mix(seed) % sum;
                let mut at = from;
                while left >= self.entries[at].weight() {
                    left -= self.entries[at].weight();
                    at += 1;
                }
                sum -= self.entries[at].weight();
                self.entries.swap(from, at);
                from += 1;
            }
            from = to;
        }
    }

    /// The targets from the first place to the last.
    pub fn order(&self) -> impl Iterator<Item = usize> + '_ {
        self.entries[..self.n].iter().map(|e| e.drawn as u32 as usize)
    }
}

/// The output function of SplitMix64: a random-looking bijection.
pub fn mix(mut x: u64) -> u64 {
    x = (x ^ x >> 30).wrapping_mul(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d049bb133111eb);
    x ^ x >> 31
}
