//! The scenario files and the tests that run them.
