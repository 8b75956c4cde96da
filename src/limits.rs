/// The last step that can be stored: z ends at 2^31 - 1, and a step stays below it.
pub const MAX_STEP: usize = i32::MAX as usize - 1;
