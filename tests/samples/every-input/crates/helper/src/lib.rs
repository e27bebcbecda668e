pub const HELPER: &str = "helper 1";
/// For a build script that a test gives this crate.
pub const FOUND: Option<&str> = option_env!("FOUND_BY_HELPER");
