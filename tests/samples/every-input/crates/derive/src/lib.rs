use proc_macro::TokenStream;

mod word;

#[proc_macro]
pub fn word(_: TokenStream) -> TokenStream {
    format!("{:?}", word::WORD).parse().expect("a literal")
}
