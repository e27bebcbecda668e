pub fn horsepower() -> u32 {
    90
}
