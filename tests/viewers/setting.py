"""What tests share: a folder, a run and its shuffled self, and programs that may be missing."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

import runs

LISTS = "docker/apt-packages.txt and docker/apt-viewers.txt name what is needed"


def need(*programs):
    """Goes on if there are these programs; else the test is skipped, and in CI it fails."""
    for program in programs:
        if shutil.which(program) is None:
            missing(program)


def missing(what):
    assert "CI" not in os.environ, f"{what} is needed in CI: {LISTS}"
    print(f"SKIPPED: there is no {what}: {LISTS}", file=sys.stderr)
    raise unittest.SkipTest(f"no {what}")


def ran(*command, seconds=900, **options):
    """Runs a program, which has to succeed; gives what it prints."""
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, errors="replace", timeout=seconds, **options
    )
    printed = done.stdout + done.stderr
    assert done.returncode == 0, f"{command} ends with {done.returncode}\n{printed[-4000:]}"
    return printed


def traces():
    """The folders of real runs, if TEMPORAL_VDB_TRACES names where they are."""
    folder = pathlib.Path(os.environ.get("TEMPORAL_VDB_TRACES", "/nowhere"))
    if not folder.is_dir():
        print("SKIPPED: TEMPORAL_VDB_TRACES does not name a folder of real runs", file=sys.stderr)
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir())


class Setting(unittest.TestCase):
    """A folder with the store `store` of a made-up run and `shuffled` of the same, shuffled. The folder is
    kept where a test fails."""

    @classmethod
    def setUpClass(cls):
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tvdb-viewers-"))
        cls.failed = False
        cls.tvdb = runs.Tvdb(os.environ["TVDB"])
        checkpoints = sorted(pathlib.Path(os.environ["TVDB_CHECKPOINTS"]).glob("*.safetensors"))
        cls.store = cls.tvdb.record(cls.folder / "run.tvdb", checkpoints)
        shuffled = runs.shuffle(checkpoints, cls.folder / "shuffled")
        cls.shuffled = cls.tvdb.record(cls.folder / "shuffled.tvdb", shuffled)

    @classmethod
    def tearDownClass(cls):
        if cls.failed:
            print(f"what was made is kept in {cls.folder}", file=sys.stderr)
        else:
            shutil.rmtree(cls.folder)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before:
            type(self).failed = True

    def assertWithin(self, value, least, most):
        self.assertGreaterEqual(value, least)
        self.assertLessEqual(value, most)
