//! Programs beside this project that tests compare with. Where one is missing they say so loudly
//! and do without; in CI that is a failure.

use std::process::{Command, Output};

/// Runs a tool.
pub fn tool(program: &str, arguments: &[&str]) -> Option<Output> {
    let output = Command::new(program)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .args(arguments)
        .output();
    let missing = match &output {
        Err(error) => Some(error.to_string()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            text.contains("No module named").then_some(text)
        }
    };
    if let Some(why) = missing {
        assert!(
            std::env::var_os("CI").is_none(),
            "{program} is needed in CI: {why}"
        );
        eprintln!(
            "SKIPPED: {program} {arguments:?}: {why} (docker/apt-packages.txt names what is needed)"
        );
        return None;
    }
    Some(output.unwrap())
}

/// Runs a script of `tests/suite`, which has to succeed; gives what it prints. The modules that it
/// needs belong to the system's own Python.
pub fn python(script: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let script = format!("{}/tests/suite/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = tool("/usr/bin/python3", &[&[&script[..]], arguments].concat())?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(output.stdout)
}
