"""The viewers of others, which take minutes: Blender, vdb_view, NanoVDB's programs, Pixar's USD."""

import contextlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time
import unittest

import pictures
from setting import Setting, missing, need, ran, traces

HERE = pathlib.Path(__file__).parent


def small(script):
    """A look script that renders less, in a tenth of the time."""
    text = script.read_text()
    for large, little in [("x = 640", "x = 320"), ("y = 480", "y = 240"), ("samples = 16", "samples = 6")]:
        assert text.count(large) == 1, large
        text = text.replace(large, little)
    script.write_text(text)
    return script


@contextlib.contextmanager
def display():
    """A screen that nobody sees."""
    reader, writer = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "800x600x24", "+extension", "GLX"],
        pass_fds=[writer],
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(writer)
        number = os.read(reader, 20).decode().strip()
        assert number, "Xvfb did not start"
        yield {**os.environ, "DISPLAY": f":{number}", "LIBGL_ALWAYS_SOFTWARE": "1"}
    finally:
        os.close(reader)
        server.terminate()
        server.wait()


class Viewers(Setting):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.volume = cls.tvdb.export(cls.store, cls.folder / "run.vdb", "--look")
        cls.tvdb.export(cls.store, cls.folder / "frames.vdb", "--frames", "--every", "8", "--look", "--up", "y")
        cls.frames = sorted(cls.folder.glob("frames.0*.vdb"))
        cls.scene = None

    # ---- Blender

    def blender(self, script, out, *arguments):
        printed = ran("blender", "-b", "--factory-startup", "--python", script, "--", out, *arguments)
        self.assertNotIn("Traceback", printed)
        self.assertTrue(out.exists(), printed[-2000:])
        return printed

    def in_default_scene(self, name, *volumes):
        out = self.folder / f"{name}.png"
        printed = self.blender(HERE / "default_scene.py", out, *volumes)
        if volumes:
            loaded = re.search(r"^LOADED (\d+) (.*)$", printed, re.MULTILINE)
            self.assertEqual(loaded.groups(), (str(len(volumes)), "density fall rise"))
        return pictures.read(out)

    def share_of_scene(self, name, *volumes):
        """How much of Blender's default scene differs clearly for a volume in it."""
        if self.scene is None:
            type(self).scene = self.in_default_scene("empty")
        picture = self.in_default_scene(name, *volumes)
        return pictures.told(f"Blender's default scene, {name}", pictures.difference(picture, self.scene)), picture

    def test_blender_default_scene(self):
        need("blender", "pngtopnm")
        share, picture = self.share_of_scene("run", self.volume)
        self.assertWithin(share, 0.05, 0.12)
        volume = self.tvdb.export(self.shuffled, self.folder / "shuffled.vdb")
        share, other = self.share_of_scene("shuffled", volume)
        self.assertWithin(share, 0.05, 0.12)
        share = pictures.difference(pictures.smooth(picture), pictures.smooth(other))
        pictures.told("run and shuffled run", share)
        self.assertWithin(share, 0.02, 0.12)

    def test_blender_default_scene_of_real_runs(self):
        need("blender", "pngtopnm")
        for trace in traces():
            with self.subTest(trace.name):
                checkpoints = sorted(trace.glob("*.safetensors"))
                store = self.tvdb.record(self.folder / f"{trace.name}.tvdb", checkpoints)
                volume = self.tvdb.export(store, self.folder / f"{trace.name}.vdb")
                share, _ = self.share_of_scene(trace.name, volume)
                self.assertWithin(share, 0.05, 0.12)

    def test_blender_shows_what_is_wrong(self):
        need("blender", "pngtopnm")
        try:
            import pyopenvdb
        except ImportError:
            missing("pyopenvdb")
        grids, _ = pyopenvdb.readAll(str(self.volume))
        large = self.folder / "large.vdb"
        for grid in grids:
            grid.transform.scale(100.0)
        pyopenvdb.write(str(large), grids)
        share, _ = self.share_of_scene("a hundred times as large", large)
        self.assertGreater(share, 0.12)
        grids, _ = pyopenvdb.readAll(str(self.volume))
        grids[0].clear()
        empty = self.folder / "without.vdb"
        pyopenvdb.write(str(empty), grids)
        share, _ = self.share_of_scene("without density", empty)
        self.assertLess(share, 0.01)

    def test_blender_sequence(self):
        need("blender", "pngtopnm")
        share, _ = self.share_of_scene("frames", *self.frames)
        self.assertWithin(share, 0.01, 0.12)  # plates, of which two are small

    def test_blender_look(self):
        need("blender", "pngtopnm")
        # Frames are plates, seen from the side.
        for name, frame, least in [("run", [], 0.2), ("frames", ["2"], 0.05)]:
            with self.subTest(name):
                out = self.folder / f"{name}-look.png"
                self.blender(small(self.folder / f"{name}.blender.py"), out, *frame)
                picture = pictures.read(out)
                self.assertEqual(picture.shape, (240, 320, 3))
                share = pictures.difference(picture, picture[0, 0])
                self.assertWithin(pictures.told(f"{name}, with its colours", share), least, 0.6)
                orange, blue = pictures.coloured(picture)
                pictures.told("orange", orange), pictures.told("blue", blue)
                self.assertWithin(orange, least / 10, 0.5)
                self.assertWithin(blue, least / 10, 0.5)

    # ---- OpenVDB's and NanoVDB's programs

    def test_vdb_view(self):
        need("Xvfb", "script", "vdb_view", "xdotool", "xwd", "xwdtopnm")
        out = self.folder / "vdb_view.xwd"
        with display() as shown:
            viewer = subprocess.Popen(
                # A terminal of its own: it does not start without.
                ["script", "-qfec", f"exec vdb_view {self.volume}", "/dev/null"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=shown,
            )
            try:
                tree = self.settled(viewer, out, shown)
                # The tree off, and the data on.
                ran("xdotool", "mousemove", "400", "300", "key", "1", "sleep", "1", "key", "3", env=shown)
                data = self.settled(viewer, out, shown, tree)
            finally:
                viewer.terminate()
                viewer.wait()
        share = pictures.difference(tree, tree[300, 2])
        self.assertWithin(pictures.told("vdb_view, the tree", share), 0.1, 0.9)
        share = pictures.difference(data, tree)
        self.assertWithin(pictures.told("vdb_view, the data", share), 0.05, 0.9)

    def settled(self, viewer, out, shown, before=None):
        """A screen as soon as two pictures of it are alike and it shows something, other than before."""
        last, until = None, time.monotonic() + 120
        while True:
            time.sleep(2)
            self.assertIsNone(viewer.poll(), "vdb_view has ended")
            self.assertLess(time.monotonic(), until, "vdb_view does not come to rest")
            ran("xwd", "-root", "-silent", "-out", out, env=shown)
            picture = pictures.read(out)
            blank = picture[300, 2] if before is None else before
            rests = last is not None and pictures.difference(picture, last) == 0
            if rests and pictures.difference(picture, blank) > 0.01:
                return picture
            last = picture

    def test_nanovdb(self):
        need("nanovdb_convert", "nanovdb_print", "nanovdb_validate")
        for file in [self.volume, self.frames[-1]]:
            out = file.with_suffix(".nvdb")
            ran("nanovdb_convert", "-f", file, out)
            printed = ran("nanovdb_print", out)
            grids = re.findall(r"^\d+ +(\w+) +float +FOG ", printed, re.MULTILINE)
            self.assertEqual(grids, ["density", "fall", "rise"])
            ran("nanovdb_validate", out)

    # ---- USD

    def test_usd(self):
        python = shutil.which("python3")  # not the system's own: pip may belong to another one
        known = {**os.environ, "PYTHONPATH": os.environ.get("TVDB_USD", "")}
        if subprocess.run([python, "-c", "import pxr"], env=known, capture_output=True).returncode != 0:
            print("SKIPPED: there is no usd-core; ./run test --viewers gets it with pip", file=sys.stderr)
            self.skipTest("no usd-core")
        for scene, frames in [("run.usda", 1), ("frames.usda", len(self.frames))]:
            ran(python, HERE / "read_usd.py", self.folder / scene, frames, env=known)


if __name__ == "__main__":
    unittest.main(verbosity=2)
