//! Makes what fails smaller.

/// Leaves out what is not needed for `fails`: first the faults, then the story's own steps, each in ever smaller
/// pieces, until nothing more can go.
pub(super) fn shrink(
    mut faults: Vec<String>,
    mut steps: Vec<String>,
    fails: impl Fn(&[String], &[String]) -> bool,
) -> (Vec<String>, Vec<String>) {
    loop {
        let before = faults.len() + steps.len();
        faults = without_needless(faults, |faults| fails(faults, &steps));
        steps = without_needless(steps, |steps| fails(&faults, steps));
        if faults.len() + steps.len() == before {
            return (faults, steps);
        }
    }
}

/// Leaves out halves, quarters and so on down to single items, from the last to the first: what comes early decides
/// what comes late, so that the end can mostly go.
fn without_needless(mut items: Vec<String>, fails: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut len = items.len().div_ceil(2);
    while len > 0 {
        let mut end = items.len();
        while end > 0 {
            let start = end.saturating_sub(len);
            let rest: Vec<String> = items[..start].iter().chain(&items[end..]).cloned().collect();
            if fails(&rest) {
                items = rest;
            }
            end = start;
        }
        len /= 2;
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(items: &[&str]) -> Vec<String> {
        items.iter().map(|item| (*item).to_owned()).collect()
    }

    #[test]
    fn only_what_is_needed_is_left() {
        let fails = |faults: &[String], steps: &[String]| {
            let has = |items: &[String], item: &str| items.iter().any(|other| other == item);
            has(faults, "b") && has(faults, "f") && has(steps, "2")
        };
        let (faults, steps) =
            shrink(texts(&["a", "b", "c", "d", "e", "f", "g"]), texts(&["1", "2", "3"]), fails);
        assert_eq!((faults, steps), (texts(&["b", "f"]), texts(&["2"])));
        let (faults, steps) = shrink(texts(&["a"]), texts(&["1"]), |_, _| true);
        assert!(faults.is_empty() && steps.is_empty());
    }
}
