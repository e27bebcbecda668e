//! What the C library is asked for is answered otherwise, as variables say: see `shim.py`.

#![allow(clippy::missing_safety_doc, unused_unsafe)]

use std::ffi::{CStr, c_char, c_int, c_long, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

const NEXT: *mut c_void = -1_isize as *mut c_void;
const NO_SPACE: c_int = 28;
const KILL: c_int = 9;
const REALTIME: c_int = 0;
const REALTIME_COARSE: c_int = 5;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn getenv(name: *const c_char) -> *const c_char;
    fn access(path: *const c_char, mode: c_int) -> c_int;
    fn kill(process: c_int, signal: c_int) -> c_int;
    fn __errno_location() -> *mut c_int;
}

fn variable(name: &CStr) -> Option<&'static str> {
    let value = unsafe { getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    unsafe { CStr::from_ptr(value) }.to_str().ok().filter(|value| !value.is_empty())
}

/// The C library's own.
macro_rules! real {
    ($name:literal, $type:ty) => {{
        static FOUND: AtomicUsize = AtomicUsize::new(0);
        let mut found = FOUND.load(Ordering::Relaxed);
        if found == 0 {
            found = unsafe { dlsym(NEXT, $name.as_ptr()) } as usize;
            FOUND.store(found, Ordering::Relaxed);
        }
        unsafe { std::mem::transmute::<usize, $type>(found) }
    }};
}

// Renaming

static RENAMED: AtomicUsize = AtomicUsize::new(0);

/// Does something happen instead of this one?
unsafe fn rename_fails(to: *const c_char) -> bool {
    let (Some(place), Some(at)) = (variable(c"SHIM_RENAME_IN"), variable(c"SHIM_RENAME_AT")) else {
        return false;
    };
    if !unsafe { CStr::from_ptr(to) }.to_string_lossy().contains(place) {
        return false;
    }
    let number = RENAMED.fetch_add(1, Ordering::Relaxed) + 1;
    if at != "all" && at.parse() != Ok(number) {
        return false;
    }
    if variable(c"SHIM_RENAME_DOES") == Some("kill") {
        unsafe { kill(0, KILL) };
    }
    unsafe { *__errno_location() = NO_SPACE };
    true
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    type Real = unsafe extern "C" fn(*const c_char, *const c_char) -> c_int;
    if unsafe { rename_fails(to) } {
        return -1;
    }
    unsafe { real!(c"rename", Real)(from, to) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat(
    one: c_int,
    from: *const c_char,
    other: c_int,
    to: *const c_char,
) -> c_int {
    type Real = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char) -> c_int;
    if unsafe { rename_fails(to) } {
        return -1;
    }
    unsafe { real!(c"renameat", Real)(one, from, other, to) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn renameat2(
    one: c_int,
    from: *const c_char,
    other: c_int,
    to: *const c_char,
    flags: c_uint,
) -> c_int {
    type Real = unsafe extern "C" fn(c_int, *const c_char, c_int, *const c_char, c_uint) -> c_int;
    if unsafe { rename_fails(to) } {
        return -1;
    }
    unsafe { real!(c"renameat2", Real)(one, from, other, to, flags) }
}

// The clock

/// By how many seconds it is wrong now.
fn offset() -> c_long {
    let Some(seconds) = variable(c"SHIM_CLOCK").and_then(|text| text.parse().ok()) else {
        return 0;
    };
    let when = unsafe { getenv(c"SHIM_CLOCK_WHEN".as_ptr()) };
    let is_now = when.is_null() || unsafe { access(when, 0) } == 0;
    if is_now { seconds } else { 0 }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, to: *mut [c_long; 2]) -> c_int {
    type Real = unsafe extern "C" fn(c_int, *mut [c_long; 2]) -> c_int;
    let result = unsafe { real!(c"clock_gettime", Real)(clock, to) };
    if result == 0 && (clock == REALTIME || clock == REALTIME_COARSE) {
        unsafe { (*to)[0] += offset() };
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(to: *mut [c_long; 2], zone: *mut c_void) -> c_int {
    type Real = unsafe extern "C" fn(*mut [c_long; 2], *mut c_void) -> c_int;
    let result = unsafe { real!(c"gettimeofday", Real)(to, zone) };
    if result == 0 {
        unsafe { (*to)[0] += offset() };
    }
    result
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(to: *mut c_long) -> c_long {
    let mut now = [0, 0];
    unsafe { clock_gettime(REALTIME, &raw mut now) };
    if !to.is_null() {
        unsafe { *to = now[0] };
    }
    now[0]
}

// Coarse timestamps: whole seconds, even ones

/// Of `struct stat` on 64-bit Linux, and of `struct statx`: where the times are.
const OF_STAT: [usize; 3] = [72, 88, 104];
const OF_STATX: [usize; 4] = [64, 80, 96, 112];

unsafe fn coarsen(result: c_int, buffer: *mut c_void, times: &[usize], wide: bool) -> c_int {
    if result != 0 || variable(c"SHIM_COARSE").is_none() {
        return result;
    }
    for offset in times {
        let seconds = unsafe { buffer.byte_add(*offset) }.cast::<i64>();
        unsafe { *seconds &= !1 };
        let rest = unsafe { buffer.byte_add(offset + 8) };
        if wide {
            unsafe { *rest.cast::<i64>() = 0 };
        } else {
            unsafe { *rest.cast::<u32>() = 0 };
        }
    }
    result
}

macro_rules! stat {
    ($($name:ident $text:literal ($($arg:ident: $type:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($arg: $type,)* buffer: *mut c_void) -> c_int {
            type Real = unsafe extern "C" fn($($type,)* *mut c_void) -> c_int;
            let result = unsafe { real!($text, Real)($($arg,)* buffer) };
            unsafe { coarsen(result, buffer, &OF_STAT, true) }
        }
    )*};
}

stat! {
    stat c"stat" (path: *const c_char);
    stat64 c"stat64" (path: *const c_char);
    lstat c"lstat" (path: *const c_char);
    lstat64 c"lstat64" (path: *const c_char);
    fstat c"fstat" (file: c_int);
    fstat64 c"fstat64" (file: c_int);
}

macro_rules! stat_at {
    ($($name:ident $text:literal;)*) => {$(
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            folder: c_int,
            path: *const c_char,
            buffer: *mut c_void,
            flags: c_int,
        ) -> c_int {
            type Real = unsafe extern "C" fn(c_int, *const c_char, *mut c_void, c_int) -> c_int;
            let result = unsafe { real!($text, Real)(folder, path, buffer, flags) };
            unsafe { coarsen(result, buffer, &OF_STAT, true) }
        }
    )*};
}

stat_at! {
    fstatat c"fstatat";
    fstatat64 c"fstatat64";
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn statx(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    buffer: *mut c_void,
) -> c_int {
    type Real = unsafe extern "C" fn(c_int, *const c_char, c_int, c_uint, *mut c_void) -> c_int;
    let result = unsafe { real!(c"statx", Real)(folder, path, flags, mask, buffer) };
    unsafe { coarsen(result, buffer, &OF_STATX, false) }
}
