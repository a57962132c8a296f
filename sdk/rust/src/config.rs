use core::mem::MaybeUninit;

use crate::layout::{self, Config as Header};
use crate::record;

/// What an instance is configured with before its first call. It is valid during
/// that call only: `json::Room` keeps strings.
pub struct Config<'a> {
    /// Of the module in the gateway's configuration.
    pub name: &'a [u8],
    /// The module's own configuration, empty if it has none.
    pub json: &'a [u8],
    /// What the bits of tags are called, a line each, the lowest first.
    pub tags: &'a [u8],
}

static mut HEADER: MaybeUninit<Header> = MaybeUninit::uninit(); // for a host that knows a shorter one

impl<'a> Config<'a> {
    /// Reads a record that is aligned to 8 bytes; `None` when it is not one.
    pub fn load(bytes: &'a [u8]) -> Option<Config<'a>> {
        let head = record::head(bytes, layout::MAGIC_CONFIG, unsafe { core::ptr::addr_of_mut!(HEADER) } as *mut Header)?;
        let text = |s| record::text(bytes, s);
        Some(Config { name: text(head.name), json: text(head.data), tags: text(head.tags) })
    }

    /// The bit of a tag, 0 for one that no target has.
    pub fn tag(&self, name: &[u8]) -> u64 {
        let mut tags = self.tags.split(|c| *c == b'\n').take(64);
        match tags.position(|tag| !tag.is_empty() && tag == name) {
            Some(i) => 1 << i,
            None => 0,
        }
    }
}

/// What may take a configuration: a function of all of it, or of its JSON alone.
/// The parameter only tells the two apart.
pub trait Configure<Of> {
    /// Takes the configuration; `false` refuses the module.
    fn configure(&self, config: &Config) -> bool;
}

pub struct OfAll;
pub struct OfJson;

impl<F: Fn(&Config) -> bool> Configure<OfAll> for F {
    fn configure(&self, config: &Config) -> bool {
        self(config)
    }
}

impl<F: Fn(&[u8]) -> bool> Configure<OfJson> for F {
    fn configure(&self, config: &Config) -> bool {
        self(config.json)
    }
}
