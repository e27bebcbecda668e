fn main() {
    let profile = if cfg!(debug_assertions) { "dev" } else { "release" };
    let voice = if cfg!(feature = "loud") { "LOUD" } else { "quiet" };
    println!("{voice} {profile}");
}
