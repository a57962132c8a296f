/// Exports a routing module that decides with `fn(&Request, &mut Plan)`. What
/// `module!` knows may follow:
///
/// ```ignore
/// signalbox::route!(decide, config: read, observe: learn);
/// ```
///
/// `route!(decide, read)` is short for `route!(decide, config: read)`.
#[macro_export]
macro_rules! route {
    ($decide:path $(, $kind:ident : $f:path)* $(,)?) => {
        $crate::module! { route: $decide $(, $kind: $f)* }
    };
    ($decide:path, $configure:path) => {
        $crate::module! { route: $decide, config: $configure }
    };
}

/// Exports a filter that looks with `fn(&Window, &mut Verdict)`. What `module!`
/// knows may follow, and `filter!(look, read)` is short for
/// `filter!(look, config: read)`.
#[macro_export]
macro_rules! filter {
    ($look:path $(, $kind:ident : $f:path)* $(,)?) => {
        $crate::module! { filter: $look $(, $kind: $f)* }
    };
    ($look:path, $configure:path) => {
        $crate::module! { filter: $look, config: $configure }
    };
}

/// Exports a module of any of these parts:
///
/// - `route: fn(&Request, &mut Plan)`
/// - `filter: fn(&Window, &mut Verdict)`
/// - `config: fn(&Config) -> bool`, or `fn(&[u8]) -> bool` of its JSON alone, which
///   refuses the module by `false`; without it the module cannot be configured
/// - `observe: fn(&Batch)`, which makes the gateway tell how attempts ended
#[macro_export]
macro_rules! module {
    ($($kind:ident : $f:path),* $(,)?) => {
        static mut BUFFER: $crate::Buffer = $crate::Buffer([0; $crate::Buffer::SIZE]);

        /// What the host has written; its calls give no more than there is room for.
        fn record(len: u32) -> &'static [u8] {
            unsafe { &(*core::ptr::addr_of!(BUFFER)).0[..len as usize] }
        }

        #[no_mangle]
        pub extern "C" fn sb_abi() -> u32 {
            $crate::layout::ABI
        }

        #[no_mangle]
        pub extern "C" fn sb_buf(least: u32) -> u64 {
            if least as usize > $crate::Buffer::SIZE {
                return 0;
            }
            $crate::pack(record($crate::Buffer::SIZE as u32))
        }

        $($crate::export! { $kind $f })*
    };
}

/// One part of `module!`.
#[doc(hidden)]
#[macro_export]
macro_rules! export {
    (route $decide:path) => {
        static mut PLAN: $crate::Plan = $crate::Plan::new();

        #[no_mangle]
        pub extern "C" fn sb_route(_: u32, len: u32) -> u64 {
            let plan = unsafe { &mut *core::ptr::addr_of_mut!(PLAN) };
            match $crate::Request::load(record(len)) {
                Some(request) => {
                    plan.reset();
                    $decide(&request, plan);
                    $crate::pack(plan.bytes())
                }
                None => 0,
            }
        }
    };
    (filter $look:path) => {
        static mut VERDICT: $crate::Verdict = $crate::Verdict::new();

        #[no_mangle]
        pub extern "C" fn sb_filter(_: u32, len: u32) -> u64 {
            let verdict = unsafe { &mut *core::ptr::addr_of_mut!(VERDICT) };
            match $crate::Window::load(record(len)) {
                Some(window) => {
                    verdict.reset();
                    $look(&window, verdict);
                    $crate::pack(verdict.bytes())
                }
                None => 0,
            }
        }
    };
    (config $configure:path) => {
        #[no_mangle]
        pub extern "C" fn sb_configure(_: u32, len: u32) -> i32 {
            match $crate::Config::load(record(len)) {
                Some(config) if $crate::Configure::configure(&$configure, &config) => 0,
                _ => 1,
            }
        }
    };
    (observe $learn:path) => {
        #[no_mangle]
        pub extern "C" fn sb_observe(_: u32, len: u32) {
            if let Some(batch) = $crate::Batch::load(record(len)) {
                $learn(&batch);
            }
        }
    };
}
