pub const LINKED: &str = "linked 1";
