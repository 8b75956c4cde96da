use clap::ValueEnum;
use temporal_vdb::Codec;

/// [`Codec`] as it is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CodecName {
    /// Quick to write and to read
    Fast,
    /// Smaller, and two to five times slower
    Dense,
}

impl CodecName {
    /// As it is written.
    pub(crate) fn name(self) -> &'static str {
        match self {
            CodecName::Fast => "fast",
            CodecName::Dense => "dense",
        }
    }
}

impl From<CodecName> for Codec {
    fn from(name: CodecName) -> Self {
        match name {
            CodecName::Fast => Codec::Fast,
            CodecName::Dense => Codec::Dense,
        }
    }
}
