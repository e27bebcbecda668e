pub const PART: &str = "part 1";
pub const FILE: &str = module_path!();
