//! Files that are named for layers.

use std::path::{Path, PathBuf};

/// How long a name gets before its end is told by a digest alone. File systems take 255 bytes, with
/// what others put behind it while they write.
const LONGEST: usize = 180;

/// The file of a layer in a folder: `<name>.<extension>`. Letters, digits, `.`, `-` and `_` stay, every
/// other byte becomes `%` and its two hex digits, and so does a dot at the beginning. So no two layers
/// have one file, and none has a file outside the folder.
pub(crate) fn layer_file(folder: &Path, layer: &str, extension: &str) -> PathBuf {
    let mut name = String::new();
    for (at, byte) in layer.bytes().enumerate() {
        match byte {
            b'.' if at == 0 => name += "%2E",
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' => name.push(byte as char),
            _ => name += &format!("%{byte:02X}"),
        }
    }
    if name.is_empty() {
        name.push('%');
    }
    if name.len() > LONGEST {
        name.truncate(LONGEST);
        // '~' stands in no other name.
        name += &format!("~{:016x}", digest(layer));
    }
    folder.join(format!("{name}.{extension}"))
}

/// FNV-1a.
fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(layer: &str) -> String {
        let path = layer_file(Path::new("out"), layer, "vdb");
        assert_eq!(path.parent(), Some(Path::new("out")), "{layer}");
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn names_stay_in_their_folder_and_apart() {
        for (layer, file) in [
            ("fc1.weight", "fc1.weight.vdb"),
            ("", "%.vdb"),
            (".", "%2E.vdb"),
            ("..", "%2E..vdb"),
            ("../a", "%2E.%2Fa.vdb"),
            ("/etc/passwd", "%2Fetc%2Fpasswd.vdb"),
            ("%2F", "%252F.vdb"),
            ("ü\n", "%C3%BC%0A.vdb"),
            ("-o", "-o.vdb"),
        ] {
            assert_eq!(name(layer), file);
        }
        let long = "layer.".repeat(100);
        let (a, b) = (name(&format!("{long}a")), name(&format!("{long}b")));
        assert!(a != b && a.len() < 220, "{a} {b}");
    }
}
