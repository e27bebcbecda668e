pub const FILE: &str = file!();
