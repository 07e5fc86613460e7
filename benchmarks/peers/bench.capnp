@0xb7d2f0a4c1e83956;
# What bench.avpr says, in Cap'n Proto's words: its messages that do not stream.

struct Tick {
  symbol @0 :Text;
  price @1 :Float64;
  size @2 :Int32;
  at @3 :Int64;
}

interface Bench {
  echo @0 (tick :Tick) -> (tick :Tick);
  last @1 (symbol :Text, count :Int32) -> (tick :Tick);
  blob @2 (data :Data) -> (data :Data);
}
