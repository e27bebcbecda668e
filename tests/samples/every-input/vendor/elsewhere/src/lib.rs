pub const ELSEWHERE: &str = "elsewhere 1";
