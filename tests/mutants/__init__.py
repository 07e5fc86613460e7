"""Do the tests notice a defect? `make mutants` seeds thirty, one at a time: see `defects`."""
