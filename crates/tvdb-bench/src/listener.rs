/// Is told how far a measurement is.
pub trait Listener: Sync {
    /// There are so many units of work ahead, none of which is done.
    fn begin(&self, units: u64);

    /// What is being done now, in a few words: `reading steps`.
    fn doing(&self, what: &str);

    /// One unit of work is done.
    fn advance(&self);
}
