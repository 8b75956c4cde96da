use super::source::Source;
use crate::error::Result;

/// Goes past a grid's transform, which says nothing of weights.
pub(super) fn skip(source: &mut Source) -> Result<()> {
    let what = "a grid's transform";
    let mut name = source.text(what)?;
    if name == "NonlinearFrustumMap" {
        // A box, taper and depth; then the map behind it.
        source.skip(8 * (6 + 2), what)?;
        name = source.text(what)?;
    }
    let numbers = match &*name {
        "TranslationMap" => 3,
        "ScaleMap" | "UniformScaleMap" => 5 * 3,
        "ScaleTranslateMap" | "UniformScaleTranslateMap" => 6 * 3,
        "AffineMap" | "UnitaryMap" => 16,
        _ => {
            return Err(source.refuse(format!(
                "the file is damaged: '{}' is no transform of OpenVDB",
                name.escape_debug()
            )));
        }
    };
    source.skip(8 * numbers, what)
}
