use core::mem::{align_of, size_of};

use crate::layout::Str;

/// What all records begin with.
#[repr(C)]
struct Head {
    magic: u32,
    version: u16,
    header_size: u16,
}

/// Lays a header over a record. A host that knows fewer fields has written a
/// shorter one, which is copied to `room`: what it lacks reads as zero.
pub fn head<'a, T: Copy>(record: &'a [u8], magic: u32, room: *mut T) -> Option<&'a T> {
    if record.len() < size_of::<Head>() || record.as_ptr() as usize % align_of::<T>() != 0 {
        return None;
    }
    let head = unsafe { &*(record.as_ptr() as *const Head) };
    let size = head.header_size as usize;
    if head.magic != magic || size > record.len() {
        return None;
    }
    if size >= size_of::<T>() {
        return Some(unsafe { &*(record.as_ptr() as *const T) });
    }
    Some(unsafe { widen(record, size, room) })
}

/// Copies a part that is shorter than the SDK knows it.
#[cold]
#[inline(never)]
unsafe fn widen<'a, T>(from: &[u8], size: usize, to: *mut T) -> &'a T {
    core::ptr::write_bytes(to, 0, 1);
    core::ptr::copy_nonoverlapping(from.as_ptr(), to as *mut u8, size.min(size_of::<T>()));
    &*to
}

/// Finds the structures that follow a header: the first of them, and the
/// distance of the next. `room` is for those of a host that knows shorter ones.
pub fn parts<T: Copy, const N: usize>(record: &[u8], off: u32, stride: u32, n: u32, room: *mut [T; N]) -> Option<(*const u8, usize)> {
    let fits = off as u64 + stride as u64 * n as u64 <= record.len() as u64;
    if !fits || n as usize > N || (off | stride) % align_of::<T>() as u32 != 0 {
        return None;
    }
    let first = &record[off as usize..];
    if stride as usize >= size_of::<T>() {
        return Some((first.as_ptr(), stride as usize));
    }
    for i in 0..n as usize {
        unsafe { widen(&first[i * stride as usize..], stride as usize, (room as *mut T).add(i)) };
    }
    Some((room as *const u8, size_of::<T>()))
}

/// A string of a record, empty when it lies outside.
pub fn text(record: &[u8], s: Str) -> &[u8] {
    let from = s.off as usize;
    record.get(from..from.saturating_add(s.len as usize)).unwrap_or(&[])
}

/// Where the host writes records. One instance runs one call at a time.
#[repr(C, align(16))]
pub struct Buffer(pub [u8; Buffer::SIZE]);

impl Buffer {
    /// The largest record that a module takes.
    pub const SIZE: usize = 32 << 10;
}

/// Packs what an export answers: address and length, 0 for nothing.
pub fn pack(bytes: &[u8]) -> u64 {
    if bytes.is_empty() {
        return 0;
    }
    (bytes.as_ptr() as usize as u64) << 32 | bytes.len() as u64
}
