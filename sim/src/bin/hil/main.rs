//! The command `hil`.

use hil_sim::runner::{DEFAULT_SEED, Harness, run};
use hil_sim::scenario::Scenario;

fn main() {
    for file in std::env::args().skip(1) {
        let scenario = match Scenario::load(std::path::Path::new(&file)) {
            Ok(scenario) => scenario,
            Err(error) => {
                eprintln!("{error}");
                continue;
            }
        };
        let outcome = run(&scenario, &Harness::EXAMPLE, DEFAULT_SEED);
        if std::env::var("V").is_ok() {
            for entry in outcome.trace.entries() {
                println!(
                    "{:>14} {:<10} {}",
                    hil_sim::trace::Seconds(entry.at),
                    outcome.trace.name(entry.actor),
                    entry.what
                );
            }
        }
        match outcome.failure {
            None => println!("ok   {file} {}", outcome.elapsed),
            Some(failure) => println!("FAIL {file} {}: {failure}", outcome.elapsed),
        }
    }
}
