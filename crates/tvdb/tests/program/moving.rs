//! A store in which it is known what moves.

use safetensors::tensor::{Dtype, TensorView, serialize};

use super::Folder;

/// Steps at which some weights of the 4 x 6 matrix change; all others are frozen.
const MOVES: [((usize, usize), &[usize]); 5] = [
    ((0, 0), &[1, 2, 3, 5]),
    ((1, 2), &[1, 2, 3, 5]),
    ((3, 5), &[1, 2, 3, 5, 7]),
    ((2, 2), &[4, 6]),
    ((3, 0), &[2, 4, 6]),
];

/// `fc.weight` moves as above, by 0.5 up at odd steps and down at even ones; of `bias`, a vector of 300,
/// the last element by 1 at each step; `counter` is kept whole.
pub(super) fn moving() -> Folder {
    let folder = Folder::new();
    let (mut matrix, mut bias) = ([0f32; 24], [0f32; 300]);
    for step in 0..8i64 {
        for ((row, col), steps) in MOVES {
            if steps.contains(&(step as usize)) {
                matrix[row * 6 + col] += if step % 2 == 0 { -0.5 } else { 0.5 };
            }
        }
        bias[299] = step as f32;
        let bytes = |values: &[f32]| -> Vec<u8> {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        };
        let (matrix, bias, counter) = (bytes(&matrix), bytes(&bias), step.to_le_bytes());
        let view =
            |dtype, shape: &[usize], data| TensorView::new(dtype, shape.to_vec(), data).unwrap();
        let tensors = [
            ("fc.weight", view(Dtype::F32, &[4, 6], &matrix[..])),
            ("bias", view(Dtype::F32, &[300], &bias[..])),
            ("counter", view(Dtype::I64, &[1], &counter[..])),
        ];
        folder.write(&step.to_string(), serialize(tensors, None).unwrap());
        folder.ok(&["record", "run.tvdb", &step.to_string()]);
    }
    folder
}
