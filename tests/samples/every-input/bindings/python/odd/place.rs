pub const ODD: &str = "odd 1";
