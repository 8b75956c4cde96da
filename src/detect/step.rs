//! The rule by which a weight gets from one value to another: by a delta, by an exact mark, or not at
//! all. Detectors and the coding both follow it.

/// What brings a state to a weight of other bits.
pub(crate) struct Step {
    pub(crate) delta: Option<f32>,
    pub(crate) mark: Option<f32>,
}

/// How to get from `state` to exactly `weight`, or `None` where it is near enough.
pub(crate) fn step_to(state: f32, weight: f32, threshold: f32) -> Option<Step> {
    let distance = (f64::from(weight) - f64::from(state)).abs();
    // At threshold 0 other bits are a change even where the distance is 0: -0.0 is not +0.0.
    if threshold > 0.0 && distance <= f64::from(threshold) {
        return None;
    }
    let delta = weight - state;
    let usable = delta.is_finite() && delta != 0.0;
    let landed = if usable { state + delta } else { state };
    let exact = state.is_finite() && weight.is_finite() && landed.to_bits() == weight.to_bits();
    Some(Step {
        delta: usable.then_some(delta),
        mark: (!exact).then_some(weight),
    })
}
