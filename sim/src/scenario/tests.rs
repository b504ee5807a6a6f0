use super::*;
#[test]
fn probe() {
    for (i, y) in std::fs::read_to_string("/tmp/bad.txt").unwrap().split("=====\n").enumerate() {
        match Scenario::parse("bad.yaml", y) { Ok(s) => println!("{i} OK {}", s.steps.iter().map(Step::describe).collect::<Vec<_>>().join("\n   ")), Err(e) => println!("{i}\n{e}\n") }
    }
    std::fs::write("/tmp/schema.json", schema()).unwrap();
}
