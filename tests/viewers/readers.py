"""OpenVDB's own readers, which take seconds: vdb_print, pyopenvdb, vdb_render."""

import re
import unittest

import pictures
from setting import Setting, missing, need, ran

GRIDS = ["density", "fall", "rise"]

# Before a corner, from above, as Blender's look does.
CAMERA = ["-res", "240x180", "-translate", "2.6,-3,2.2", "-lookat", "0,0,0", "-up", "0,0,1"]


class Readers(Setting):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.volume = cls.tvdb.export(cls.store, cls.folder / "run.vdb")
        cls.tvdb.export(cls.store, cls.folder / "frames.vdb", "--frames", "--every", "8")
        cls.frames = sorted(cls.folder.glob("frames.0*.vdb"))

    def test_vdb_print(self):
        need("vdb_print")
        for file in [self.volume, *self.frames]:
            printed = ran("vdb_print", "-l", file)
            self.assertRegex(printed, r"VDB version: \S+/224\n")
            self.assertEqual(re.findall(r"^Name: (.*)", printed, re.MULTILINE), GRIDS)
            for line in ["class: fog volume", "is_saved_as_half_float: true", "Background value: 0"]:
                self.assertEqual(len(re.findall(rf"^ *{line}$", printed, re.MULTILINE)), 3, line)

    def test_exact_files(self):
        need("vdb_print")
        self.tvdb("export", "--exact", self.store, "-o", self.folder / "exact")
        files = sorted((self.folder / "exact").glob("*.vdb"))
        self.assertGreater(len(files), 1)
        for file in files:
            printed = ran("vdb_print", "-l", file)
            self.assertRegex(printed, r"VDB version: \S+/224\n")
            self.assertIn("Type: Tree_float_5_4_3", printed)
            # Each bit of a weight is in it.
            self.assertNotIn("is_saved_as_half_float: true", printed)

    def test_pyopenvdb(self):
        try:
            import pyopenvdb
        except ImportError:
            missing("pyopenvdb")
        boxes = set()
        for file in [self.volume, *self.frames]:
            grids, metadata = pyopenvdb.readAll(str(file))
            self.assertEqual([grid.name for grid in grids], GRIDS)
            for grid in grids:
                self.check_grid(grid, pyopenvdb.GridClass.FOG_VOLUME)
            density = grids[0]
            first, last = density.evalActiveVoxelBoundingBox()
            edges = [b - a + 1 for a, b in zip(first, last)]
            self.assertEqual(first, (0, 0, 0))
            self.assertLessEqual(max(edges), 256)
            if file != self.volume:
                boxes.update(grid.evalActiveVoxelBoundingBox() for grid in grids)
                # Frames hold their bounds: all of the box can be seen from it.
                self.check_scene(density.transform, edges)
            told = {**metadata, **density.metadata}
            self.assertIsInstance(told["temporal_vdb_picture"], int)
            self.assertIsInstance(told["gamma"], float)
            self.assertIsInstance(told["layer_1"], str)
            self.assertIsInstance(told["scale_1"], float)
            self.assertEqual(told["run"], "run")
        self.assertEqual(len(boxes), 1, "frames differ in their boxes")

    def check_grid(self, grid, fog):
        self.assertEqual(grid.background, 0)
        self.assertEqual(grid.gridClass, fog)
        self.assertTrue(grid.saveFloatAsHalf)
        least, most = grid.evalMinMax()
        self.assertGreaterEqual(least, 0)
        self.assertGreater(most, 0, f"{grid.name} is empty")
        if grid.name != "density":
            self.assertLessEqual(most, 1)
        size = grid.transform.voxelSize()
        self.assertEqual(len(set(size)), 1, "voxels are cubes")

    def check_scene(self, transform, edges):
        """In a scene the longest edge is 2 long, and the middle at the origin."""
        size = transform.voxelSize()[0]
        self.assertAlmostEqual(size * max(edges), 2.0, places=5)
        middle = transform.indexToWorld(tuple((edge - 1) / 2 for edge in edges))
        for x in middle:
            self.assertAlmostEqual(x, 0.0, places=5)

    def test_the_whole_volume_lies_around_the_origin(self):
        try:
            import pyopenvdb
        except ImportError:
            missing("pyopenvdb")
        # As many voxels as are told are those of the matrices, also where the outermost do not move.
        told = self.tvdb("export", self.store, "-o", self.folder / "told.vdb", "--json")
        edges = [int(x) for x in re.search(r'"voxels": \[([^]]*)\]', told).group(1).split(",")]
        self.check_scene(pyopenvdb.read(str(self.folder / "told.vdb"), "density").transform, edges)

    def rendered(self, name, file, *options):
        out = self.folder / f"{name}.ppm"
        ran("vdb_render", file, out, *CAMERA, *options)
        return pictures.read(out)

    def test_vdb_render(self):
        need("vdb_render")
        picture = self.rendered("run", self.volume)
        share = pictures.told("vdb_render, of the background", pictures.difference(picture, picture[0, 0]))
        self.assertWithin(share, 0.05, 0.6)
        other = self.tvdb.export(self.shuffled, self.folder / "shuffled.vdb")
        other = self.rendered("shuffled", other)
        share = pictures.told("vdb_render, run and shuffled run", pictures.difference(picture, other))
        self.assertWithin(share, 0.03, 1.0)


if __name__ == "__main__":
    unittest.main()
