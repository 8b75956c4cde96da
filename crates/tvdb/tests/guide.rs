//! The guide and the README, tried: every command that they show is run, page by page, each page in a folder
//! of its own that holds the made-up run of `examples/guide_run`. And links of all pages lead somewhere.
//!
//! What a fenced block is says its first line:
//!
//! - `console`: a line that begins with `$ ` is a command, and what follows is all that it prints. It succeeds,
//!   unless it prints a line that begins with `error: `: then it fails. (`$ echo $?` tells how.)
//! - `sh`: each line is a command that succeeds; it may print anything.
//! - `sh no-test`: commands that cannot be run here. They are of the few programs in [`ELSEWHERE`].
//!
//! A page's commands are of one shell. What differs from run to run is not compared (`masked`): times of day,
//! durations, sizes in bytes and numbers of blobs. To write what the commands print now into the pages:
//!
//! ```sh
//! TVDB_GUIDE=write cargo test -p tvdb --test guide
//! ```

#[path = "../examples/guide_run/run.rs"]
mod guide_run;

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Programs whose commands a page may show without their being tried.
const ELSEWHERE: [&str; 5] = ["cargo", "docker", "./run", "git", "apt-get"];

/// Other blocks that there are. Those in Rust are compiled with the library's documentation.
const NOT_COMMANDS: [&str; 4] = ["rust", "rust,no_run", "text", "toml"];

#[test]
fn what_the_pages_show_is_what_happens() {
    let mut wrong = String::new();
    for path in pages() {
        let page = Page::read(&path);
        let Some(printed) = page.run() else { continue };
        if env::var_os("TVDB_GUIDE").is_some_and(|word| word == "write") {
            page.write(&printed);
        } else {
            wrong += &page.differences(&printed);
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

/// The README and the pages of the guide, which has some; its pictures are in a folder of their own.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    for entry in fs::read_dir(root.join("docs/guide")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.ends_with("pictures") {
            continue;
        }
        assert!(
            path.extension().is_some_and(|ending| ending == "md"),
            "{}",
            path.display()
        );
        pages.push(path);
    }
    pages.sort();
    assert!(pages.len() > 2);
    pages
}

struct Page {
    path: PathBuf,
    lines: Vec<String>,
    commands: Vec<Shown>,
}

/// A command as a page shows it.
struct Shown {
    /// Its place among the page's lines.
    line: usize,
    text: String,
    /// What it prints; `None` where the page does not say.
    output: Option<Vec<String>>,
}

/// What a command did.
struct Printed {
    code: i32,
    lines: Vec<String>,
}

impl Page {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut page = Page {
            path: path.to_owned(),
            lines,
            commands: Vec::new(),
        };
        let mut fence: Option<(usize, String)> = None;
        for (number, line) in page.lines.iter().enumerate() {
            let Some(kind) = line.trim_start().strip_prefix("```") else {
                continue;
            };
            let Some((first, kind)) = fence.take() else {
                fence = Some((number + 1, kind.to_owned()));
                continue;
            };
            let block = &page.lines[first..number];
            let place = page.place(first - 1);
            match kind.as_str() {
                "console" => page.commands.extend(console(first, block, &place)),
                "sh" => page.commands.extend(script(first, block)),
                "sh no-test" => script(first, block).iter().for_each(|shown| {
                    let command = shown.text.split(" #").next().unwrap();
                    let mut words = command.split_whitespace();
                    let program = words.find(|word| *word != "sudo").unwrap();
                    // One command: no other is hidden behind it.
                    let is_one = !command.contains([';', '|', '&', '`', '(', '\n']);
                    assert!(
                        ELSEWHERE.contains(&program) && is_one,
                        "{place}: '{command}' can be tried"
                    );
                }),
                _ => assert!(
                    NOT_COMMANDS.contains(&kind.as_str()),
                    "{place}: a block of no known kind, '{kind}'"
                ),
            }
        }
        assert!(
            fence.is_none(),
            "{}: the last block does not end",
            path.display()
        );
        page
    }

    fn place(&self, line: usize) -> String {
        let name = self.path.file_name().unwrap().to_string_lossy();
        format!("{name}:{}", line + 1)
    }

    /// Runs the commands; `None` where there are none.
    fn run(&self) -> Option<Vec<Printed>> {
        if self.commands.is_empty() {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let work = folder.path().join("work");
        guide_run::write(&work).unwrap();
        // After each command comes a line that says how it ended, which is then so for the next one.
        let end = "--- end of a command of the guide:";
        let mut script = String::new();
        for shown in &self.commands {
            script += &format!("{}\n", shown.text);
            script += &format!("guide=$?; printf '\\n{end} %s\\n' $guide; (exit $guide)\n");
        }
        let (script_path, output_path) =
            (folder.path().join("script"), folder.path().join("output"));
        fs::write(&script_path, script).unwrap();
        let output = File::create(&output_path).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_tvdb"));
        let mut path = OsString::from(program.parent().unwrap());
        path.push(":");
        path.push(env::var_os("PATH").unwrap_or_default());
        Command::new("sh")
            .arg(&script_path)
            .current_dir(&work)
            .env("PATH", path)
            .env("HOME", &work)
            .env("LC_ALL", "C.UTF-8")
            .env_remove("COLUMNS")
            .env_remove("RUST_BACKTRACE")
            .env_remove("RUST_LIB_BACKTRACE")
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .status()
            .unwrap();

        let output = fs::read_to_string(&output_path).unwrap();
        let mut printed = Vec::new();
        let mut lines = Vec::new();
        for line in output.lines() {
            match line.strip_prefix(end) {
                None => lines.push(line.to_owned()),
                Some(code) => {
                    // Where what the command printed ended with a line, there is an empty one after it.
                    if lines.last().is_some_and(String::is_empty) {
                        lines.pop();
                    }
                    printed.push(Printed {
                        code: code.trim().parse().unwrap(),
                        lines: std::mem::take(&mut lines),
                    });
                }
            }
        }
        let name = self.path.display();
        assert_eq!(
            printed.len(),
            self.commands.len(),
            "{name}: the shell ended early\n{output}"
        );
        Some(printed)
    }

    /// What the page shows otherwise than it is.
    fn differences(&self, printed: &[Printed]) -> String {
        let mut found = String::new();
        for (shown, printed) in self.commands.iter().zip(printed) {
            let place = self.place(shown.line);
            let fails = shown
                .output
                .iter()
                .flatten()
                .any(|line| line.starts_with("error: "));
            if (printed.code != 0) != fails {
                let (command, code) = (&shown.text, printed.code);
                let lines = printed.lines.join("\n");
                found += &format!("{place}: `{command}` ends with {code}\n{lines}\n\n");
                continue;
            }
            let Some(output) = &shown.output else {
                continue;
            };
            let masked =
                |lines: &[String]| lines.iter().map(|line| masked(line)).collect::<Vec<_>>();
            if masked(output) != masked(&printed.lines) {
                found += &format!(
                    "{place}: `{}` prints\n{}\n\nand not\n{}\n\n",
                    shown.text,
                    printed.lines.join("\n"),
                    output.join("\n"),
                );
            }
        }
        found
    }

    /// Puts what the commands print into the page, where it is another thing.
    fn write(&self, printed: &[Printed]) {
        let mut lines = self.lines.clone();
        for (shown, printed) in self.commands.iter().zip(printed).rev() {
            let Some(output) = &shown.output else {
                continue;
            };
            let masked =
                |lines: &[String]| lines.iter().map(|line| masked(line)).collect::<Vec<_>>();
            if masked(output) != masked(&printed.lines) {
                let first = shown.line + shown.text.lines().count();
                lines.splice(first..first + output.len(), printed.lines.iter().cloned());
            }
        }
        if lines != self.lines {
            fs::write(&self.path, lines.join("\n") + "\n").unwrap();
        }
    }
}

/// The commands of a block that shows a terminal.
fn console(first: usize, block: &[String], place: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    let mut goes_on = false;
    for (offset, line) in block.iter().enumerate() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (None, Some(last)) if goes_on => last.text += &format!("\n{line}"),
            (Some(text), _) => commands.push(Shown {
                line: first + offset,
                text: text.to_owned(),
                output: Some(Vec::new()),
            }),
            (None, Some(last)) => last.output.as_mut().unwrap().push(line.clone()),
            (None, None) => panic!("{place}: begins with no command"),
        }
        let is_command = goes_on || line.starts_with("$ ");
        goes_on = is_command && line.ends_with('\\');
    }
    commands
}

/// The commands of a block of nothing else.
fn script(first: usize, block: &[String]) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    let mut goes_on = false;
    for (offset, line) in block.iter().enumerate() {
        match commands.last_mut() {
            Some(last) if goes_on => last.text += &format!("\n{line}"),
            _ if line.trim().is_empty() || line.starts_with('#') => continue,
            _ => commands.push(Shown {
                line: first + offset,
                text: line.clone(),
                output: None,
            }),
        }
        goes_on = line.ends_with('\\');
    }
    commands
}

/// A line without what differs from run to run: `2026-03-01 14:05:09`, `0.3 s`, `74 blobs`, and `20.5 kB` with
/// the spaces before it. A store merges steps behind recording, now earlier, now later, so the sizes of files
/// differ by pages; what is computed from them stands beside them: on a line with a size no number with a
/// decimal point is compared.
fn masked(line: &str) -> String {
    let mut text = String::new();
    let mut has_size = false;
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let inside = text.ends_with(|last: char| last.is_alphanumeric() || last == '.');
        if let Some(length) = time(rest) {
            text += "<time>";
            rest = &rest[length..];
        } else if let Some((length, what)) = number(rest).filter(|_| !inside) {
            if what == "<size>" {
                text.truncate(text.trim_end().len());
                text.push(' ');
                has_size = true;
            }
            text += what;
            rest = &rest[length..];
        } else {
            text.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    if has_size {
        let words = text
            .split_whitespace()
            .map(|word| match word.parse::<f64>() {
                Ok(_) if word.contains('.') => "<number>",
                _ => word,
            });
        text = words.collect::<Vec<_>>().join(" ");
    }
    text
}

/// The length of a date and a time that the text begins with.
fn time(text: &str) -> Option<usize> {
    ["0000-00-00 00:00:00", "0000-00-00T00:00:00Z"]
        .into_iter()
        .find_map(|form| {
            let begin = text.get(..form.len())?;
            let fits = |(a, b): (char, char)| if b == '0' { a.is_ascii_digit() } else { a == b };
            begin
                .chars()
                .zip(form.chars())
                .all(fits)
                .then_some(form.len())
        })
}

/// The length of a size, a duration or a number of blobs that the text begins with, and which of them it is.
fn number(text: &str) -> Option<(usize, &'static str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
    let unit = text[digits..].strip_prefix(' ').filter(|_| digits > 0)?;
    let letters = unit
        .find(|c: char| !c.is_alphanumeric())
        .unwrap_or(unit.len());
    let what = match &unit[..letters] {
        "B" | "kB" | "MB" | "GB" => "<size>",
        "us" | "ms" | "s" => "<duration>",
        "blobs" => "<blobs>",
        _ => return None,
    };
    Some((digits + 1 + letters, what))
}

#[test]
fn only_what_differs_from_run_to_run_is_masked() {
    for (line, expected) in [
        (
            "  40  2026-11-22 19:30:17       3  loss=0.312",
            "  40  <time>       3  loss=0.312",
        ),
        (
            "run.tvdb: compacted in 12.0 s, dense",
            "run.tvdb: compacted in <duration>, dense",
        ),
        (
            "frees   20.5 kB in the file; so",
            "frees <size> in the file; so",
        ),
        ("base   53.7 kB  11.9 %", "base <size> <number> %"),
        (
            "fc1.bias  256   F32   10,120   35.6 kB",
            "fc1.bias 256 F32 10,120 <size>",
        ),
        ("(4 tensors, 72.0 kB)", "(4 tensors, <size>)"),
        (
            "164 states, 74 blobs (378.4 kB)",
            "164 states, <blobs> ( <size>)",
        ),
        (
            "moved   17,045 weights (88.8 %)",
            "moved   17,045 weights (88.8 %)",
        ),
        ("3 steps, 2026-11-22", "3 steps, 2026-11-22"),
        ("F32.5 kB", "F32.5 kB"),
    ] {
        assert_eq!(masked(line), expected);
    }
}

#[test]
fn links_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let others = ["design", "format", "measurements"].map(|name| format!("docs/{name}.md"));
    let readmes = ["docker/README.md", "vendor/README.md"].map(str::to_owned);
    let others = others.into_iter().chain(readmes);
    for page in pages()
        .into_iter()
        .chain(others.map(|name| root.join(name)))
    {
        let text = fs::read_to_string(&page).unwrap();
        for link in prose(&text).flat_map(links) {
            if link.starts_with("https://") {
                continue;
            }
            let (path, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            assert!(target.exists(), "{}: {link}", page.display());
            if !heading.is_empty() {
                let text = fs::read_to_string(&target).unwrap();
                let found = prose(&text).filter_map(anchor).any(|name| name == heading);
                assert!(found, "{}: {link}", page.display());
            }
        }
    }
}

#[test]
fn pictures_are_shown_and_small() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    let texts: String = pages()
        .iter()
        .map(|page| fs::read_to_string(page).unwrap())
        .collect();
    for entry in fs::read_dir(guide.join("pictures")).unwrap() {
        let path = entry.unwrap().path();
        let (name, size) = (path.file_name().unwrap(), path.metadata().unwrap().len());
        let link = format!("](pictures/{})", name.display());
        assert!(texts.contains(&link), "no page shows {}", path.display());
        assert!(size <= 160_000, "{}: {size} bytes", path.display());
    }
}

/// The lines of a page that are in no block.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut inside = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        inside ^= is_fence;
        !inside && !is_fence
    })
}

/// Where the links of a line lead.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1);
    targets.map(|rest| rest.split(')').next().unwrap())
}

/// What a heading is called in a link.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').trim();
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    Some(kept.collect::<String>().to_lowercase().replace(' ', "-"))
}
