// Generated from sdk/abi by `go generate`; do not edit.

pub const ABI: u32 = 0x10000;
pub const MAGIC_REQUEST: u32 = 0x31524253;
pub const MAGIC_PLAN: u32 = 0x31504253;
pub const MAGIC_CONFIG: u32 = 0x31434253;
pub const MAGIC_WINDOW: u32 = 0x31574253;
pub const MAGIC_VERDICT: u32 = 0x31564253;
pub const MAGIC_OBSERVATION: u32 = 0x314f4253;
pub const MAX_TARGETS: u32 = 0x40;
pub const MAX_REASON: u32 = 0x80;
pub const MAX_HOST_RESULTS: u32 = 0x100;
pub const MAX_WINDOW: u32 = 0x2000;
pub const MAX_OUTPUT: u32 = 0x4000;
pub const MAX_STATE: u32 = 0x100;
pub const MAX_OUTCOMES: u32 = 0x80;
pub const FLAG_STREAM: u32 = 0x1;
pub const FLAG_TOOLS: u32 = 0x2;
pub const FLAG_IMAGES: u32 = 0x4;
pub const FLAG_AUDIO: u32 = 0x8;
pub const FLAG_FILES: u32 = 0x10;
pub const FLAG_CACHE_CONTROL: u32 = 0x20;
pub const KIND_UNKNOWN: u32 = 0x0;
pub const KIND_CHAT: u32 = 0x1;
pub const KIND_EMBEDDINGS: u32 = 0x2;
pub const CIRCUIT_CLOSED: u32 = 0x0;
pub const CIRCUIT_HALF_OPEN: u32 = 0x1;
pub const CIRCUIT_OPEN: u32 = 0x2;
pub const OBJECTIVE_NONE: u32 = 0x0;
pub const OBJECTIVE_COST: u32 = 0x1;
pub const OBJECTIVE_LATENCY: u32 = 0x2;
pub const OBJECTIVE_QUALITY: u32 = 0x3;
pub const ERROR_NONE: u32 = 0x0;
pub const ERROR_INVALID: u32 = 0x1;
pub const ERROR_AUTH: u32 = 0x2;
pub const ERROR_RATE_LIMIT: u32 = 0x3;
pub const ERROR_QUOTA: u32 = 0x4;
pub const ERROR_OVERLOADED: u32 = 0x5;
pub const ERROR_SERVER: u32 = 0x6;
pub const ERROR_TIMEOUT: u32 = 0x7;
pub const ERROR_NETWORK: u32 = 0x8;
pub const ERROR_CONTEXT_LENGTH: u32 = 0x9;
pub const ERROR_MODEL_NOT_FOUND: u32 = 0xa;
pub const ERROR_CONTENT_FILTER: u32 = 0xb;
pub const ERROR_POLICY: u32 = 0xc;
pub const WINDOW_FIRST: u32 = 0x1;
pub const WINDOW_FINAL: u32 = 0x2;
pub const CHANNEL_UNKNOWN: u32 = 0x0;
pub const CHANNEL_SYSTEM: u32 = 0x1;
pub const CHANNEL_USER: u32 = 0x2;
pub const CHANNEL_ASSISTANT: u32 = 0x3;
pub const CHANNEL_TOOL_RESULT: u32 = 0x4;
pub const CHANNEL_ANSWER: u32 = 0x5;
pub const CHANNEL_REASONING: u32 = 0x6;
pub const CHANNEL_TOOL_ARGUMENTS: u32 = 0x7;
pub const ACTION_PASS: u32 = 0x1;
pub const ACTION_REPLACE: u32 = 0x2;
pub const ACTION_BLOCK: u32 = 0x3;
pub const ACTION_MORE: u32 = 0x4;
pub const ACTION_ESCALATE: u32 = 0x5;
pub const OUTCOME_STREAM: u32 = 0x1;
pub const OUTCOME_HEDGE: u32 = 0x2;
pub const OUTCOME_LOST: u32 = 0x4;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Str {
    pub off: u32, // at 0
    pub len: u32, // at 4
}
const _: [(); 8] = [(); core::mem::size_of::<Str>()];

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
pub struct Window {
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
    pub channel: u32, // at 60
    pub index: u32, // at 64
    pub choice: u32, // at 68
    pub start: u64, // at 72
    pub text: Str, // at 80
    pub state: Str, // at 88
    pub label: Str, // at 96
    pub seen: u32, // at 104
    pub reserved: u32, // at 108
}
const _: [(); 112] = [(); core::mem::size_of::<Window>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Verdict {
    pub magic: u32, // at 0
    pub version: u16, // at 4
    pub header_size: u16, // at 6
    pub action: u32, // at 8
    pub consumed: u32, // at 12
    pub output: Str, // at 16
    pub state: Str, // at 24
    pub reason: Str, // at 32
    pub code: u32, // at 40
    pub findings: u32, // at 44
}
const _: [(); 48] = [(); core::mem::size_of::<Verdict>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Observation {
    pub magic: u32, // at 0
    pub version: u16, // at 4
    pub header_size: u16, // at 6
    pub total: u32, // at 8
    pub flags: u32, // at 12
    pub dropped: u64, // at 16
    pub now_ms: u64, // at 24
    pub rand: u64, // at 32
    pub outcomes: u32, // at 40
    pub outcome_off: u32, // at 44
    pub outcome_size: u32, // at 48
    pub reserved: u32, // at 52
}
const _: [(); 56] = [(); core::mem::size_of::<Observation>()];

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Outcome {
    pub id: u64, // at 0
    pub end_ms: u64, // at 8
    pub target: Str, // at 16
    pub model: Str, // at 24
    pub tenant: Str, // at 32
    pub ttftms: f64, // at 40
    pub total_ms: f64, // at 48
    pub cost: i64, // at 56
    pub in_tokens: u32, // at 64
    pub out_tokens: u32, // at 68
    pub kind: u32, // at 72
    pub error: u32, // at 76
    pub attempt: u32, // at 80
    pub flags: u32, // at 84
}
const _: [(); 88] = [(); core::mem::size_of::<Outcome>()];
