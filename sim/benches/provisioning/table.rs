//! The result as a table that a person reads.

use std::time::Duration;

/// One figure, with its bar where it has one.
pub(crate) struct Row {
    what: String,
    figure: String,
    detail: String,
    bar: String,
    is_met: Option<bool>,
}

impl Row {
    /// A figure without a bar.
    pub(crate) fn note(what: &str, figure: String) -> Self {
        Self { what: what.to_owned(), figure, detail: String::new(), bar: String::new(), is_met: None }
    }

    pub(crate) fn at_most(what: &str, figure: u64, bar: u64) -> Self {
        Self::note(what, grouped(figure)).with_bar(figure <= bar, format!("at most {}", grouped(bar)))
    }

    pub(crate) fn at_least(what: &str, figure: u64, bar: u64) -> Self {
        Self::note(what, grouped(figure)).with_bar(figure >= bar, format!("at least {}", grouped(bar)))
    }

    pub(crate) fn share(what: &str, figure: u64, total: u64) -> Self {
        let share = permille(figure, total);
        Self::note(what, grouped(figure)).with_detail(format!("{}.{} %", share / 10, share % 10))
    }

    pub(crate) fn time(what: &str, figure: Duration, bar: Option<Duration>) -> Self {
        let micros = figure.as_micros();
        let row = Self::note(what, format!("{}.{:03} ms", micros / 1_000, micros % 1_000));
        match bar {
            None => row,
            Some(bar) => row.with_bar(figure <= bar, format!("at most {} ms", bar.as_millis())),
        }
    }

    pub(crate) fn with_detail(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    pub(crate) fn with_bar(mut self, is_met: bool, bar: String) -> Self {
        self.is_met = Some(is_met);
        self.bar = bar;
        self
    }
}

/// How many of a thousand.
pub(crate) fn permille(part: u64, total: u64) -> u64 {
    part * 1_000 / total.max(1)
}

/// A number in groups of three digits.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Prints the table.
pub(crate) fn print(rows: &[Row]) {
    println!("{:<40} {:>18}  {:<16} {:<20}", "", "measured", "", "bar");
    for Row { what, figure, detail, bar, is_met } in rows {
        let verdict = match is_met {
            Some(true) => "met",
            Some(false) => "NOT MET",
            None => "",
        };
        let line = format!("{what:<40} {figure:>18}  {detail:<16} {bar:<20} {verdict}");
        println!("{}", line.trim_end());
    }
}
