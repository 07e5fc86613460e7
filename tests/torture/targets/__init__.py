"""What is fuzzed: one module each, with

    run(data)   does what these bytes say; raises for whatever must not happen
    seeds()     inputs to begin with

They know no fuzzer, so that `make test` can replay what one has found. Bytes are not only what a
peer sends: they are decisions (`Script`), so that few of them lead far.
"""
