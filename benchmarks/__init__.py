"""How fast avrpc is, beside other RPC libraries: `python -m benchmarks`.

What is measured is one table, in `workloads`, and what is hoped for another, in `goals`. Who is
measured is one table, in `peers`, with a file of its own for each. `harness` starts the processes
and takes the rounds, `client_main` and `server_main` are those processes, `relay` counts bytes on
the wire, `figures` turns rounds into medians and ratios without any IO, and `report` shows them.
`environments` gets what does not fit into the project's own environment. `page` puts a run into the
pages, with the help of `blocks` and `charts`.

Three rules make the figures comparable:

- Each measurement has a server process and a client process of its own, over loopback TCP.
- Within a round every peer does the same workload right after the other, and each round begins
  with another peer, so that a busy minute of the machine hits all of them. A ratio is taken
  within a round; its median over the rounds is what counts. Rates of two runs do not compare.
- Both ends of every peer build and read a real message object for every message: all four fields
  of a Tick are set by one end and looked at by the other. (Floors, which are no RPC libraries, say
  on top of their files what they leave out.)
"""
