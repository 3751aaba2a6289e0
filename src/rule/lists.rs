//! Comparing and searching lists and maps. rhai's own call the engine for each item, thousands of operations' time that
//! counts as one.

use rhai::{Array, Dynamic, Engine, FuncRegistration, INT, Map};

use super::views::{Day, Fallible, runtime};

pub(super) fn register(engine: &mut Engine) {
    // Pure ones may be called on constants.
    let pure = |name: &'static str| FuncRegistration::new(name).in_global_namespace().with_purity(true);
    pure("==").register_into_engine(engine, |a: &mut Array, b: Array| equal_lists(a, &b));
    pure("!=").register_into_engine(engine, |a: &mut Array, b: Array| equal_lists(a, &b).map(|is_equal| !is_equal));
    pure("==").register_into_engine(engine, |a: &mut Map, b: Map| equal_maps(a, &b));
    pure("!=").register_into_engine(engine, |a: &mut Map, b: Map| equal_maps(a, &b).map(|is_equal| !is_equal));
    pure("contains").register_into_engine(engine, |a: &mut Array, value: Dynamic| {
        place_of(a, &value, 0).map(|place| place.is_some())
    });
    pure("index_of").register_into_engine(engine, |a: &mut Array, value: Dynamic| number_of(a, &value, 0));
    pure("index_of").register_into_engine(engine, |a: &mut Array, value: Dynamic, start: INT| {
        let end = INT::try_from(a.len()).unwrap_or(INT::MAX);
        let start = if start < 0 { end.saturating_add(start).max(0) } else { start };
        number_of(a, &value, usize::try_from(start).unwrap_or(usize::MAX))
    });
    engine.register_fn("dedup", dedup);
}

fn number_of(list: &Array, value: &Dynamic, start: usize) -> Fallible<INT> {
    Ok(place_of(list, value, start)?.and_then(|place| INT::try_from(place).ok()).unwrap_or(-1))
}

fn place_of(list: &Array, value: &Dynamic, start: usize) -> Fallible<Option<usize>> {
    for (place, item) in list.iter().enumerate().skip(start) {
        if equal(item, value)? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Takes out items that equal the one before.
fn dedup(list: &mut Array) -> Fallible<()> {
    let mut kept: Array = Vec::with_capacity(list.len());
    for item in list.drain(..) {
        if kept.last().map_or(Ok(false), |last| equal(last, &item))? {
            continue;
        }
        kept.push(item);
    }
    *list = kept;
    Ok(())
}

fn equal_lists(a: &Array, b: &Array) -> Fallible<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for (a, b) in a.iter().zip(b) {
        if !equal(a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn equal_maps(a: &Map, b: &Map) -> Fallible<bool> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for ((key, a), (other, b)) in a.iter().zip(b) {
        if key != other || !equal(a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// As `==` has it: values of different kinds are not equal, whole and other numbers, texts and letters are compared.
fn equal(a: &Dynamic, b: &Dynamic) -> Fallible<bool> {
    let text = |value: &Dynamic| value.as_char().ok().map(String::from);
    if let (Ok(a), Ok(b)) = (a.as_int(), b.as_int()) {
        Ok(a == b)
    } else if let (Some(a), Some(b)) = (number(a), number(b)) {
        Ok(a == b)
    } else if let (Ok(a), Ok(b)) = (a.as_immutable_string_ref(), b.as_immutable_string_ref()) {
        Ok(*a == *b)
    } else if let (Ok(a), Some(b)) = (a.as_immutable_string_ref(), text(b)) {
        Ok(a.as_str() == b)
    } else if let (Some(a), Ok(b)) = (text(a), b.as_immutable_string_ref()) {
        Ok(a == b.as_str())
    } else if let (Some(a), Some(b)) = (text(a), text(b)) {
        Ok(a == b)
    } else if let (Ok(a), Ok(b)) = (a.as_bool(), b.as_bool()) {
        Ok(a == b)
    } else if let (Some(a), Some(b)) = (a.read_lock::<Array>(), b.read_lock::<Array>()) {
        equal_lists(&a, &b)
    } else if let (Some(a), Some(b)) = (a.read_lock::<Map>(), b.read_lock::<Map>()) {
        equal_maps(&a, &b)
    } else if let (Some(a), Some(b)) = (a.read_lock::<Day>(), b.read_lock::<Day>()) {
        Ok(*a == *b)
    } else if a.type_id() != b.type_id() {
        Ok(false)
    } else if a.is_unit() {
        Ok(true)
    } else {
        Err(runtime("only numbers, texts, truth values, dates, lists and maps are compared"))
    }
}

fn number(value: &Dynamic) -> Option<f64> {
    value.as_float().ok().or_else(|| value.as_int().ok().map(|whole| whole as f64))
}
