//! What C++ throws, as errors: of all bridges the same.

use std::path::PathBuf;

use crate::error::Error;

/// What the kernels threw, as `describe_current_exception` in cpp/bridge/exceptions.cc tells it.
impl From<cxx::Exception> for Error {
    fn from(exception: cxx::Exception) -> Self {
        let text = exception.what();
        let mut fields = text.splitn(6, '\x1f');
        let mut next = || fields.next().unwrap_or_default();
        let (tag, row, col, bits, os, message) = (next(), next(), next(), next(), next(), next());
        let (row, col) = (
            row.parse().unwrap_or_default(),
            col.parse().unwrap_or_default(),
        );
        match tag {
            "not_finite" => Error::NotFinite {
                row,
                col,
                value: f32::from_bits(bits.parse().unwrap_or_default()),
            },
            "exact_mark" => Error::ExactMark { row, col, step: 0 },
            "not_a_layer" => Error::NotALayer {
                path: PathBuf::new(),
                reason: message.to_owned(),
            },
            "io" => {
                let source = std::io::Error::from_raw_os_error(os.parse().unwrap_or_default());
                Error::Io {
                    path: PathBuf::new(),
                    source,
                }
            }
            "out_of_memory" | "oom" => Error::OutOfMemory,
            "openvdb" => {
                let (exception, message) =
                    message.split_once(": ").unwrap_or(("Exception", message));
                Error::OpenVdb {
                    exception: exception.to_owned(),
                    message: message.to_owned(),
                }
            }
            _ => Error::Unexpected {
                message: message.to_owned(),
            },
        }
    }
}
