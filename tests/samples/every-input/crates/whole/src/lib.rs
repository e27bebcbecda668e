pub const NOTES: &str = env!("NOTES");
