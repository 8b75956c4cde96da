//! The tree of a float grid, node by node: every count against the bytes that are there.

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use super::chunk::{self, Packing};
use super::source::{Source, shown};
use crate::error::Result;

/// Edges of the nodes, in voxels.
const UPPER: i32 = 4096;
const LOWER: i32 = 128;
const LEAF: i32 = 8;

/// Slots of the nodes, each edge of a node having so many.
const UPPER_SLOTS: usize = 32 * 32 * 32;
const LOWER_SLOTS: usize = 16 * 16 * 16;
const LEAF_VOXELS: usize = 512;

/// What is in a tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    pub(crate) background: f32,
    pub(crate) upper_nodes: u64,
    pub(crate) lower_nodes: u64,
    pub(crate) leaves: u64,
    /// Active voxels of leaves.
    pub(crate) voxels: u64,
    /// Voxels that active tiles stand for.
    pub(crate) tile_voxels: u64,
    /// The first and the last active voxel of each axis.
    pub(crate) bounds: Option<[(i64, i64); 3]>,
}

impl Tree {
    /// Bytes of memory that the tree takes at most, once its tiles are voxels.
    pub(crate) fn memory_bytes(&self) -> u64 {
        // What OpenVDB's nodes take on machines of 64 bits, and what allocating them adds; upper and
        // lower nodes twice, since the tree is put together anew.
        let nodes = 2 * (271_000 * self.upper_nodes + 34_100 * self.lower_nodes);
        let leaves = self.leaves + self.tile_voxels / LEAF_VOXELS as u64;
        nodes + 2_300 * leaves
    }

    fn reach(&mut self, begin: [i32; 3], end: [i64; 3]) {
        let begin = begin.map(i64::from);
        let bounds = self
            .bounds
            .get_or_insert([0, 1, 2].map(|axis| (begin[axis], end[axis])));
        for axis in 0..3 {
            bounds[axis].0 = bounds[axis].0.min(begin[axis]);
            bounds[axis].1 = bounds[axis].1.max(end[axis]);
        }
    }

    fn add_tile(&mut self, origin: [i32; 3], edge: i32) {
        let edge = i64::from(edge);
        self.tile_voxels = self.tile_voxels.saturating_add(edge.pow(3) as u64);
        self.reach(origin, origin.map(|first| i64::from(first) + edge - 1));
    }
}

/// Checks a tree from its first byte to its last, which are within the source's end. `values` is
/// where the leaves' values have to begin, if the file says it.
pub(super) fn check(
    source: &mut Source,
    name: &str,
    compression: u32,
    half: bool,
    values: Option<u64>,
) -> Result<Tree> {
    let mut walk = Walk {
        source,
        name,
        packing: Packing { compression, half },
        tree: Tree::default(),
        leaf_masks: Vec::new(),
    };
    walk.root()?;
    if values.is_some_and(|values| values != walk.source.at()) {
        return Err(walk.damaged("its structure does not end where its values begin"));
    }
    walk.values()?;
    Ok(walk.tree)
}

/// A bit for each slot of a node.
type Mask<const BYTES: usize> = Box<[u8; BYTES]>;

struct Walk<'a> {
    source: &'a mut Source,
    name: &'a str,
    packing: Packing,
    tree: Tree,
    /// Of each leaf the digest of its mask, which stands in the file twice.
    leaf_masks: Vec<u64>,
}

impl Walk<'_> {
    fn damaged(&self, what: &str) -> crate::error::Error {
        self.source.refuse(format!(
            "the file is damaged: grid '{}', before byte {}: {what}",
            shown(self.name),
            self.source.at()
        ))
    }

    fn root(&mut self) -> Result<()> {
        let what = "the root of a tree";
        if self.source.i32(what)? != 1 {
            return Err(self.damaged("a tree has one buffer"));
        }
        self.tree.background = f32::from_bits(self.source.u32(what)?);
        let tiles = self.source.u32(what)?;
        let children = self.source.u32(what)?;
        self.source
            .need(u64::from(tiles) * 17, "the root's tiles")?;
        let mut origins = HashSet::new();
        for _ in 0..tiles {
            let origin = self.origin(&mut origins)?;
            self.source.skip(4, what)?;
            match self.source.u8(what)? {
                0 => {}
                1 => self.tree.add_tile(origin, UPPER),
                _ => return Err(self.damaged("a tile is neither active nor inactive")),
            }
        }
        for _ in 0..children {
            let origin = self.origin(&mut origins)?;
            self.upper(origin)?;
        }
        Ok(())
    }

    fn origin(&mut self, known: &mut HashSet<[i32; 3]>) -> Result<[i32; 3]> {
        let what = "a place in the root's table";
        let origin = [
            self.source.i32(what)?,
            self.source.i32(what)?,
            self.source.i32(what)?,
        ];
        if origin.iter().any(|edge| edge % UPPER != 0) {
            return Err(self.damaged("a node lies between the places of nodes"));
        }
        if !known.insert(origin) {
            return Err(self.damaged("two nodes lie at one place"));
        }
        Ok(origin)
    }

    /// The masks of children and of active tiles of a node, and its values.
    fn node<const BYTES: usize>(&mut self, slots: usize) -> Result<(Mask<BYTES>, Mask<BYTES>)> {
        let what = "the masks of a node";
        let (mut children, mut active) = (Box::new([0; BYTES]), Box::new([0; BYTES]));
        self.source.fill(&mut children[..], what)?;
        self.source.fill(&mut active[..], what)?;
        if children.iter().zip(&active[..]).any(|(a, b)| a & b != 0) {
            return Err(self.damaged("a slot of a node is both a child and a tile"));
        }
        chunk::skip(
            self.source,
            self.packing,
            slots as u64,
            ones(&active[..]).into(),
        )?;
        Ok((children, active))
    }

    fn upper(&mut self, origin: [i32; 3]) -> Result<()> {
        self.tree.upper_nodes += 1;
        let (children, active) = self.node::<{ UPPER_SLOTS / 8 }>(UPPER_SLOTS)?;
        for slot in set_bits(&active[..]) {
            self.tree.add_tile(place(origin, slot, 5, LOWER), LOWER);
        }
        for slot in set_bits(&children[..]) {
            self.lower(place(origin, slot, 5, LOWER))?;
        }
        Ok(())
    }

    fn lower(&mut self, origin: [i32; 3]) -> Result<()> {
        self.tree.lower_nodes += 1;
        let (children, active) = self.node::<{ LOWER_SLOTS / 8 }>(LOWER_SLOTS)?;
        for slot in set_bits(&active[..]) {
            self.tree.add_tile(place(origin, slot, 4, LEAF), LEAF);
        }
        for slot in set_bits(&children[..]) {
            let mask: [u8; LEAF_VOXELS / 8] = self.source.array("the mask of a leaf")?;
            self.leaf_masks.push(xxh3_64(&mask));
            self.leaf(place(origin, slot, 4, LEAF), &mask);
        }
        Ok(())
    }

    /// Bytes of the mask are columns of eight z, eight of those a row.
    fn leaf(&mut self, origin: [i32; 3], mask: &[u8; LEAF_VOXELS / 8]) {
        self.tree.leaves += 1;
        self.tree.voxels += u64::from(ones(mask));
        let mut rows = 0u8;
        let (mut cols, mut zs) = (0u8, 0u8);
        for (row, bytes) in mask.chunks_exact(8).enumerate() {
            for (col, &byte) in bytes.iter().enumerate() {
                rows |= u8::from(byte != 0) << row;
                cols |= u8::from(byte != 0) << col;
                zs |= byte;
            }
        }
        if rows != 0 {
            let used = [rows, cols, zs];
            let begin = [0, 1, 2].map(|axis| origin[axis] + used[axis].trailing_zeros() as i32);
            let end = [0, 1, 2]
                .map(|axis| i64::from(origin[axis]) + 7 - i64::from(used[axis].leading_zeros()));
            self.tree.reach(begin, end);
        }
    }

    /// The values of the leaves, in the order of the leaves.
    fn values(&mut self) -> Result<()> {
        for leaf in 0..self.leaf_masks.len() {
            let mask: [u8; LEAF_VOXELS / 8] = self.source.array("the mask of a leaf")?;
            if xxh3_64(&mask) != self.leaf_masks[leaf] {
                return Err(self.damaged("a leaf has two masks that differ"));
            }
            let active = ones(&mask).into();
            chunk::skip(self.source, self.packing, LEAF_VOXELS as u64, active)?;
        }
        Ok(())
    }
}

fn ones(mask: &[u8]) -> u32 {
    mask.iter().map(|byte| byte.count_ones()).sum()
}

fn set_bits(mask: &[u8]) -> impl Iterator<Item = usize> {
    let bits = |(at, byte): (usize, &u8)| {
        let byte = *byte;
        (0..8)
            .filter(move |bit| byte >> bit & 1 == 1)
            .map(move |bit| 8 * at + bit)
    };
    mask.iter()
        .enumerate()
        .filter(|(_, byte)| **byte != 0)
        .flat_map(bits)
}

/// Where a slot of a node begins: the node has 2^log slots along each edge, of `edge` voxels each.
fn place(origin: [i32; 3], slot: usize, log: u32, edge: i32) -> [i32; 3] {
    let last = (1 << log) - 1;
    let at = [slot >> (2 * log), slot >> log & last, slot & last];
    [0, 1, 2].map(|axis| origin[axis] + at[axis] as i32 * edge)
}
