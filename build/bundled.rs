use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::{fail, out_dir, run_cmake};

/// As in `cpp/cmake/discover_openvdb.cmake`, which looks once more at what was built.
const SUPPORTED: std::ops::RangeInclusive<u32> = 10..=13;

/// Builds OpenVDB's core library from the source in OPENVDB_SOURCE, and returns the folder it was
/// installed in. Nothing is fetched: its CMake files look for TBB, Blosc, zlib and, for older versions,
/// Boost's headers on the machine. `vendor/README.md` is for those who use it.
pub(crate) fn build() -> PathBuf {
    let shared = wants_shared();
    let source = source();
    let version = version_of(&source);
    if !SUPPORTED.contains(&version) {
        fail(&format!(
            "OpenVDB {version} in {} is not one that this release of temporal-vdb knows.\n\
             Set OPENVDB_SOURCE to the source of a version from {} to {}.",
            source.display(),
            SUPPORTED.start(),
            SUPPORTED.end()
        ));
    }
    let installed = out_dir().join(if shared {
        "openvdb-shared"
    } else {
        "openvdb-static"
    });
    let on = |yes: bool| if yes { "ON" } else { "OFF" };
    let built = run_cmake(
        cmake::Config::new(&source)
            .out_dir(&installed)
            .profile("Release")
            .define("CMAKE_INSTALL_LIBDIR", "lib")
            .define("CMAKE_POSITION_INDEPENDENT_CODE", "ON")
            .define("OPENVDB_BUILD_CORE", "ON")
            .define("OPENVDB_CORE_SHARED", on(shared))
            .define("OPENVDB_CORE_STATIC", on(!shared))
            .define("USE_PIC_IN_STATIC_LIBS", "ON")
            .define("OPENVDB_BUILD_BINARIES", "OFF")
            .define("OPENVDB_INSTALL_CMAKE_MODULES", "OFF")
            // Compiling all of OpenVDB for all types of grids takes longest; one is used here.
            .define("USE_EXPLICIT_INSTANTIATION", "OFF")
            // Files are read whole here, and it is what would need libboost_iostreams.
            .define("OPENVDB_USE_DELAYED_LOADING", "OFF")
            .define("USE_BLOSC", "ON")
            .define("USE_ZLIB", "ON"),
    );
    if !built {
        eprintln!(
            "OpenVDB in {} did not build: see the messages above. It needs TBB, Blosc, zlib and, if \
             older, Boost's headers (Debian, Ubuntu: apt-get install libtbb-dev libblosc-dev \
             zlib1g-dev libboost-dev).",
            source.display()
        );
        std::process::exit(1)
    }
    installed
}

/// OPENVDB_LINKAGE: static unless it says otherwise.
fn wants_shared() -> bool {
    match env::var("OPENVDB_LINKAGE").as_deref() {
        Err(env::VarError::NotPresent) | Ok("static" | "") => false,
        Ok("shared") => true,
        other => fail(&format!(
            "OPENVDB_LINKAGE is {}, but must be static or shared.",
            match other {
                Ok(text) => format!("'{text}'"),
                Err(error) => error.to_string(),
            }
        )),
    }
}

/// The folder with OpenVDB's CMakeLists.txt: OPENVDB_SOURCE, or what that archive holds.
fn source() -> PathBuf {
    let advice = "Set it to the absolute path of OpenVDB's source: the unpacked folder, or the \
                  archive of a release (.tar.gz, .tar.xz, .zip).";
    let Some(named) = env::var_os("OPENVDB_SOURCE").filter(|path| !path.is_empty()) else {
        fail(&format!(
            "The feature `bundled` of temporal-vdb builds OpenVDB, but OPENVDB_SOURCE is not set.\n\
             {advice}\n\
             An OpenVDB that is installed is used without that feature."
        ))
    };
    let named = PathBuf::from(named);
    let complain = |what: &str| -> ! {
        fail(&format!(
            "OPENVDB_SOURCE is {}, {what}.\n{advice}",
            named.display()
        ))
    };
    if !named.is_absolute() {
        complain("but must be an absolute path");
    }
    println!("cargo::rerun-if-changed={}", named.display());
    if named.is_dir() {
        if !is_source(&named) {
            complain("but there is no OpenVDB in that folder");
        }
        return named;
    }
    if !named.is_file() {
        complain("but there is no such folder or file");
    }
    match unpack(&named) {
        Ok(Some(source)) => source,
        Ok(None) => complain("but that archive does not hold one folder with OpenVDB in it"),
        Err(why) => complain(&format!("which cannot be unpacked: {why}")),
    }
}

fn is_source(folder: &Path) -> bool {
    folder.join("CMakeLists.txt").is_file() && folder.join("openvdb/openvdb").is_dir()
}

/// Unpacks an archive, unless it has been, and finds the source in it.
fn unpack(archive: &Path) -> Result<Option<PathBuf>, String> {
    let text = |error: std::io::Error| error.to_string();
    let about = fs::metadata(archive).map_err(text)?;
    let stamp = format!("{} {:?}", about.len(), about.modified().map_err(text)?);
    let name = archive.file_name().unwrap_or(OsStr::new("source"));
    let folder = out_dir().join("openvdb-source").join(name);
    let stamp_file = folder.with_extension("unpacked");
    if fs::read_to_string(&stamp_file).ok().as_ref() != Some(&stamp) {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(text)?;
        let cmake = env::var_os("CMAKE").unwrap_or_else(|| "cmake".into());
        let output = Command::new(cmake)
            .args(["-E", "tar", "xf"])
            .arg(archive)
            .current_dir(&folder)
            .output()
            .map_err(text)?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
        }
        fs::write(&stamp_file, stamp).map_err(text)?;
    }
    let entries = fs::read_dir(&folder).map_err(text)?;
    let mut folders = entries.flatten().map(|entry| entry.path());
    Ok(folders.find(|folder| is_source(folder)))
}

/// The major version that a source says it is; the patches of distributions leave it alone.
fn version_of(source: &Path) -> u32 {
    let file = source.join("CMakeLists.txt");
    let text = fs::read_to_string(&file).unwrap_or_default();
    let version = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("set(OpenVDB_MAJOR_VERSION"))
        .find_map(|rest| rest.trim_end_matches(')').trim().parse().ok());
    version.unwrap_or_else(|| {
        fail(&format!(
            "The version of OpenVDB cannot be read from {}: it does not set OpenVDB_MAJOR_VERSION.",
            file.display()
        ))
    })
}
