// What bench.avpr says, in thrift's words: its messages that do not stream.
struct Tick {
  1: string symbol
  2: double price
  3: i32 size
  4: i64 at
}

service Bench {
  Tick echo(1: Tick tick)
  Tick last(1: string symbol, 2: i32 count)
  binary blob(1: binary data)
}
