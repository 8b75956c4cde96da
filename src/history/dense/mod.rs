//! The dense coding of a block: each weight's mask, and each change, coded by how likely it is for
//! a weight of its size and past. Smaller than the fast coding, and slower to read and to write.
//!
//! A block is of one tile. What the decoder knows of a weight before it decodes something of it is
//! a *context* (`contexts`); contexts share tables of frequencies, in a *codebook* that several
//! groups may have in common. A *census* of what comes in which context leads to one. The order in
//! which things are coded is that of a *walk*.

mod bits;
mod census;
mod codebook;
mod contexts;
mod decode;
mod encode;
mod number;
mod rans;
mod walk;

pub(crate) use census::Census;
pub(crate) use codebook::Codebook;
pub(crate) use decode::DenseBlock;
pub(crate) use encode::DenseTile;

/// The first byte of a block.
const FORM: u8 = 4;

/// What a cell holds: nothing, weights told by the gaps between them, or the masks of all weights
/// of rows that changed.
const CELL_EMPTY: u8 = 0;
const CELL_GAPS: u8 = 1;
const CELL_ROWS: u8 = 2;

/// A stretch of slabs is coded by itself, so that a reader need not decode what comes after the
/// step that it wants: the fewest that have so many changes.
const STRETCH_CHANGES: usize = 8 << 10;

#[cfg(test)]
mod measure {
    use super::*;
    use crate::Dtype;
    use crate::history::*;
    fn run<E: Element>(layers: &[(Vec<Vec<E>>, usize, usize)], dtype: Dtype, label: &str) {
        use std::time::Instant;
        let mut tiles: Vec<(usize, Vec<E>, Vec<TileChanges<E>>, Tiling, usize)> = vec![];
        let mut changes = 0;
        for (states, rows, cols) in layers {
            let tiling = Tiling::new((*rows as i32, *cols as i32));
            for tile in 0..tiling.count() {
                let rect = tiling.rect(tile);
                let get = |s: &Vec<E>| -> Vec<E> {
                    (0..rect.height)
                        .flat_map(|r| {
                            s[(rect.row + r) * cols + rect.col..][..rect.width]
                                .iter()
                                .map(|b| b.to_ordered())
                                .collect::<Vec<_>>()
                        })
                        .collect()
                };
                let group = std::env::var("GROUP").map_or(usize::MAX, |g| g.parse().unwrap());
                let mut at = 0;
                while at + 1 < states.len() {
                    let end = (at + group.min(states.len())).min(states.len() - 1);
                    let mut steps = vec![];
                    for t in at..end {
                        let (a, b) = (get(&states[t]), get(&states[t + 1]));
                        let mut c = TileChanges::default();
                        for (p, (x, y)) in a.iter().zip(&b).enumerate() {
                            if x != y {
                                c.push(p as u16, x.code_to(*y), None);
                                changes += 1;
                            }
                        }
                        steps.push(c);
                    }
                    tiles.push((rect.width, get(&states[at]), steps, tiling, tile));
                    at = end;
                }
            }
        }
        let t0 = Instant::now();
        let fasts: Vec<Vec<u8>> = tiles
            .iter()
            .map(|t| fast::encode(&t.3, t.4..t.4 + 1, std::iter::once(&t.2[..])))
            .collect();
        let fast_enc = t0.elapsed().as_secs_f64();
        let mut fast_dec = f64::MAX;
        let mut dense_dec = f64::MAX;
        for _ in 0..5 {
            let t0 = Instant::now();
            for (t, b) in tiles.iter().zip(&fasts) {
                let block = fast::decode::<E>(b, &t.3, t.4..t.4 + 1, t.2.len()).unwrap();
                let mut o = t.1.clone();
                let mut s = vec![];
                block.add_all(0, &mut o, &mut s).unwrap();
            }
            fast_dec = fast_dec.min(t0.elapsed().as_secs_f64());
        }
        let t0 = Instant::now();
        let mut census = Census::new();
        let dense: Vec<DenseTile<E>> = tiles
            .iter()
            .map(|t| DenseTile::new(dtype, t.0, t.1.clone(), &t.2))
            .collect();
        let cells_t = t0.elapsed().as_secs_f64();
        for d in &dense {
            d.count(&mut census);
        }
        let count_t = t0.elapsed().as_secs_f64();
        let book = census.codebook();
        let book_t = t0.elapsed().as_secs_f64();
        let bb = book.to_bytes();
        let t1 = Instant::now();
        let book = Codebook::from_bytes(&bb).unwrap();
        let load = t1.elapsed().as_secs_f64();
        let tables = book.encode_tables();
        let t0 = Instant::now();
        let blobs: Vec<Vec<u8>> = dense.iter().map(|d| d.encode(&book, &tables)).collect();
        let enc_t = t0.elapsed().as_secs_f64();
        for _ in 0..std::env::var("REPEAT").map_or(5, |r| r.parse().unwrap()) {
            let t0 = Instant::now();
            for (t, b) in tiles.iter().zip(&blobs) {
                if b.is_empty() {
                    continue;
                }
                let block = DenseBlock {
                    dtype,
                    width: t.0,
                    before: &t.1,
                    steps: t.2.len(),
                }
                .decode(b, &book, t.2.len())
                .unwrap();
                let mut o = t.1.clone();
                let mut s = vec![];
                block.add_all(0, &mut o, &mut s).unwrap();
            }
            dense_dec = dense_dec.min(t0.elapsed().as_secs_f64());
        }
        for (t, b) in tiles.iter().zip(&blobs) {
            if !b.is_empty() {
                assert!(
                    DenseBlock {
                        dtype,
                        width: t.0,
                        before: &t.1,
                        steps: t.2.len()
                    }
                    .decode(b, &book, t.2.len())
                    .unwrap()
                    .by_step(0)
                    .unwrap()
                        == t.2
                );
            }
        }
        let size = |b: &[Vec<u8>]| b.iter().map(Vec::len).sum::<usize>() as f64 / changes as f64;
        let ns = |s: f64| s * 1e9 / changes as f64;
        println!(
            "{label}: {changes} changes, fast {:.4} dense {:.4} + book {:.4} ({} B) B/change; enc fast {:.1} dense cells {:.1} count {:.1} book {:.1} ({:.2} ms) encode {:.1} ns; dec fast {:.2} dense {:.2} ns; load {:.0} us",
            size(&fasts),
            size(&blobs),
            bb.len() as f64 / changes as f64,
            bb.len(),
            ns(fast_enc),
            ns(cells_t),
            ns(count_t - cells_t),
            ns(book_t - count_t),
            (book_t - count_t) * 1e3,
            ns(enc_t),
            ns(fast_dec),
            ns(dense_dec),
            load * 1e6
        );
    }
    #[test]
    fn measure() {
        for run_name in std::env::var("RUNS")
            .unwrap_or("finetune_bf16 embeddings_f32 mlp_sgd_f32".into())
            .split(' ')
        {
            let dir = if run_name.starts_with('/') {
                run_name.to_owned()
            } else {
                format!("/work/shared/traces/{run_name}")
            };
            let mut files: Vec<_> = std::fs::read_dir(dir)
                .unwrap()
                .map(|e| e.unwrap().path())
                .collect();
            files.sort();
            let mut two: Vec<(String, Vec<Vec<u16>>, usize, usize)> = vec![];
            let mut four: Vec<(String, Vec<Vec<u32>>, usize, usize)> = vec![];
            for f in files {
                let b = std::fs::read(f).unwrap();
                let st = safetensors::SafeTensors::deserialize(&b).unwrap();
                for (n, v) in st.tensors() {
                    if v.dtype() == safetensors::Dtype::BF16 {
                        let d: Vec<u16> = v
                            .data()
                            .chunks(2)
                            .map(|c| u16::from_le_bytes(c.try_into().unwrap()))
                            .collect();
                        match two.iter_mut().find(|x| x.0 == n) {
                            Some(x) => x.1.push(d),
                            None => two.push((n, vec![d], v.shape()[0], v.shape()[1])),
                        }
                    } else {
                        let d: Vec<u32> = v
                            .data()
                            .chunks(4)
                            .map(|c| u32::from_le_bytes(c.try_into().unwrap()))
                            .collect();
                        match four.iter_mut().find(|x| x.0 == n) {
                            Some(x) => x.1.push(d),
                            None => four.push((n, vec![d], v.shape()[0], v.shape()[1])),
                        }
                    }
                }
            }
            if !two.is_empty() {
                run(
                    &two.into_iter().map(|x| (x.1, x.2, x.3)).collect::<Vec<_>>(),
                    Dtype::Bf16,
                    run_name,
                );
            }
            if !four.is_empty() {
                run(
                    &four
                        .into_iter()
                        .map(|x| (x.1, x.2, x.3))
                        .collect::<Vec<_>>(),
                    Dtype::F32,
                    run_name,
                );
            }
        }
    }
}
