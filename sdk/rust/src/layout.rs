// Generated from sdk/route/abi by `go generate`; do not edit.

pub const ABI: u32 = 0x10000;
pub const MAGIC_REQUEST: u32 = 0x31524253;
pub const MAGIC_PLAN: u32 = 0x31504253;
pub const MAGIC_CONFIG: u32 = 0x31434253;
pub const MAX_TARGETS: u32 = 0x40;
pub const MAX_REASON: u32 = 0x80;
pub const CIRCUIT_OPEN: u32 = 0x2;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub off: u32, // at 0
    pub len: u32, // at 4
}
const _: [(); 8] = [(); core::mem::size_of::<Str>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Request {
    pub magic: u32, // at 0
    pub version: u16, // at 4
    pub header_size: u16, // at 6
    pub total: u32, // at 8
    pub flags: u32, // at 12
    pub id: u64, // at 16
    pub now_ms: u64, // at 24
    pub rand: u64, // at 32
    pub model: Str, // at 40
    pub tenant: Str, // at 48
    pub kind: u32, // at 56
    pub priority: u32, // at 60
    pub in_tokens: u32, // at 64
    pub out_tokens: u32, // at 68
    pub deadline_ms: u32, // at 72
    pub attempt: u32, // at 76
    pub budget: i64, // at 80
    pub need_tags: u64, // at 88
    pub deny_tags: u64, // at 96
    pub targets: u32, // at 104
    pub target_off: u32, // at 108
    pub target_size: u32, // at 112
    pub last_error: u32, // at 116
    pub objective: u32, // at 120
    pub size: u32, // at 124
}
const _: [(); 128] = [(); core::mem::size_of::<Request>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Target {
    pub id: Str, // at 0
    pub region: Str, // at 8
    pub tags: u64, // at 16
    pub price_in: i64, // at 24
    pub price_out: i64, // at 32
    pub ttftms: f64, // at 40
    pub token_ms: f64, // at 48
    pub error_rate: f64, // at 56
    pub in_flight: u32, // at 64
    pub max_in_flight: u32, // at 68
    pub circuit: u32, // at 72
    pub requests_left: i32, // at 76
    pub tokens_left: i32, // at 80
    pub retry_after_ms: u32, // at 84
    pub context: u32, // at 88
    pub weight: u32, // at 92
    pub quality: f64, // at 96
    pub priority: u32, // at 104
    pub capabilities: u32, // at 108
}
const _: [(); 112] = [(); core::mem::size_of::<Target>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Plan {
    pub magic: u32, // at 0
    pub version: u16, // at 4
    pub header_size: u16, // at 6
    pub attempts: u32, // at 8
    pub attempt_size: u32, // at 12
    pub code: u32, // at 16
    pub flags: u32, // at 20
    pub reason: Str, // at 24
}
const _: [(); 32] = [(); core::mem::size_of::<Plan>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Attempt {
    pub target: u32, // at 0
    pub timeout_ms: u32, // at 4
    pub weight: u32, // at 8
    pub backoff_ms: u32, // at 12
    pub backoff_max_ms: u32, // at 16
    pub hedge_ms: u32, // at 20
    pub flags: u32, // at 24
    pub reserved: u32, // at 28
}
const _: [(); 32] = [(); core::mem::size_of::<Attempt>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Config {
    pub magic: u32, // at 0
    pub version: u16, // at 4
    pub header_size: u16, // at 6
    pub total: u32, // at 8
    pub flags: u32, // at 12
    pub name: Str, // at 16
    pub data: Str, // at 24
}
const _: [(); 32] = [(); core::mem::size_of::<Config>()];
