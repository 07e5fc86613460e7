// avsc: Avro's own RPC for node. Defaults everywhere. It has no streams.
//
//     node avsc_peer.js server
//     node avsc_peer.js client --about
//     node avsc_peer.js client ADDRESS WORKLOAD --seconds 1 --server-pid PID
//     node avsc_peer.js client ADDRESS WORKLOAD --count 200
//
// The same command lines as those of client_main and server_main, and the same one line of JSON.
'use strict';

const fs = require('fs');
const net = require('net');
const path = require('path');

const ROOT = path.resolve(__dirname, '..', '..');
const avsc = require(path.join(ROOT, 'build', 'bench', 'node', 'node_modules', 'avsc'));

const WARM_UP_SHARE = 0.4; // as in client_main
const TICKS_A_SECOND = 100; // of /proc/PID/stat, on every Linux there is

const all = JSON.parse(fs.readFileSync(path.join(ROOT, 'benchmarks', 'bench.avpr'), 'utf8'));
const { echo, last, blob } = all.messages;
const service = avsc.Service.forProtocol({ ...all, messages: { echo, last, blob } });

// Neither side keeps the process from ending with its parent, which holds standard input open.
process.stdin.resume();
process.stdin.on('end', () => process.exit(3));

function serve() {
  const server = service.createServer()
    .onEcho((tick, done) => {
      done(null, { symbol: tick.symbol, price: tick.price, size: tick.size, at: tick.at });
    })
    .onLast((symbol, count, done) => {
      done(null, { symbol: 'EURUSD', price: 1.0825, size: count, at: 1763700000000000 });
    })
    .onBlob((data, done) => done(null, data));
  const listener = net.createServer((connection) => {
    connection.setNoDelay(true);
    server.createChannel(connection);
  });
  listener.listen(0, '127.0.0.1', () => {
    console.log(`tcp://127.0.0.1:${listener.address().port}`);
  });
}

function open(address) {
  const [host, port] = address.replace('tcp://', '').split(':');
  return new Promise((resolve, reject) => {
    const connection = net.connect(Number(port), host, () => {
      connection.setNoDelay(true);
      const client = service.createClient();
      client.createChannel(connection);
      resolve({ client, connection });
    });
    connection.on('error', reject);
  });
}

function call(client, name, ...values) {
  return new Promise((resolve, reject) => {
    client[name](...values, (error, value) => (error ? reject(error) : resolve(value)));
  });
}

const now = () => Number(process.hrtime.bigint()) / 1e9;

async function echoes(client, count, took) {
  // Microseconds: avsc's longs are numbers, of which nanoseconds would lose the end. As long.
  const at = Date.now() * 1000;
  for (let i = 0; i < count; i++) {
    const start = now();
    const tick = await call(client, 'echo', {
      symbol: 'EURUSD', price: 1.0825, size: i & 63, at,
    });
    took.push(now() - start);
    if (tick.symbol !== 'EURUSD' || tick.price !== 1.0825 || tick.size !== (i & 63) || tick.at !== at) {
      throw new Error(`sent tick ${i}, got ${JSON.stringify(tick)}`);
    }
  }
}

async function lasts(client, count) {
  for (let i = 0; i < count; i++) {
    const tick = await call(client, 'last', 'FX', i & 63);
    if (tick.size !== (i & 63)) throw new Error(`asked for size ${i & 63}, got ${tick.size}`);
  }
}

const together = (number, job) => Promise.all(Array.from({ length: number }, job));

function inFlight(number) {
  return async ({ client }, count) => {
    const took = [];
    await together(number, () => echoes(client, count / number, took));
    return took;
  };
}

async function megabytes({ client }, count) {
  const data = require('crypto').randomBytes(1 << 20);
  const took = [];
  for (let i = 0; i < count; i++) {
    const start = now();
    const back = await call(client, 'blob', data);
    took.push(now() - start);
    if (!back.equals(data)) throw new Error('other bytes came back');
  }
  return took;
}

async function connects({ address }, count) {
  const took = [];
  for (let i = 0; i < count; i++) {
    const start = now();
    const { client, connection } = await open(address);
    await echoes(client, 1, []);
    took.push(now() - start);
    connection.destroy();
  }
  return took;
}

// By the names in workloads.py: what is done, and what counts are multiples of.
const WORKLOADS = {
  'unary, one at a time': [inFlight(1), 1],
  'unary, 8 in flight': [inFlight(8), 8],
  'unary, 64 in flight': [inFlight(64), 64],
  'unary, 512 in flight': [inFlight(512), 512],
  '1 MiB echo': [megabytes, 1],
  'connect and first call': [connects, 1],
  'a small call, its bytes': [
    ({ client }, count) => together(64, () => lasts(client, count / 64)), 64,
  ],
  'idle connections': [null, 1],
};

const HELD = [10, 100, 300, 1000]; // as in workloads.py

const own = () => (({ user, system }) => (user + system) / 1e6)(process.cpuUsage());

function cpu(pid) {
  const fields = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

function machine() {
  const fields = fs.readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/ +/).slice(1).map(Number);
  return (fields[0] + fields[1] + fields[2] + fields[5] + fields[6] + fields[7]) / TICKS_A_SECOND;
}

const resident = (pid) => Number(fs.readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096;

async function measureMemory(address, pid) {
  const start = now();
  const kept = [];
  const held = [];
  for (const number of HELD) {
    while (kept.length < number) {
      const opened = await open(address);
      await echoes(opened.client, 1, []);
      kept.push(opened);
    }
    held.push([number, resident(process.pid), resident(pid)]);
  }
  return { count: kept.length, seconds: now() - start, held };
}

async function measure(work, step, seconds, pid) {
  let count = step;
  for (;;) {
    const start = now();
    await work(count);
    const took = now() - start;
    const enough = took >= seconds * WARM_UP_SHARE;
    const growth = enough ? seconds / took : Math.min(Math.max(seconds / took / 2, 2), 8);
    count = Math.max(1, Math.round((count * growth) / step)) * step;
    if (enough) break;
  }
  const before = [machine(), cpu(pid), own()];
  const start = now();
  const latencies = await work(count);
  const took = now() - start;
  const [busy, server, client] = [machine(), cpu(pid), own()].map((value, i) => value - before[i]);
  latencies.sort((a, b) => a - b);
  const percentile = (percent) => latencies[Math.max(0, Math.ceil(latencies.length * percent / 100) - 1)];
  return {
    count,
    seconds: took,
    client_cpu: client,
    server_cpu: server,
    others_cores: Math.max(0, busy - client - server) / took,
    p50: percentile(50),
    p99: percentile(99),
  };
}

async function main(words) {
  if (words[0] === '--about') {
    const { version } = require(path.join(ROOT, 'build', 'bench', 'node', 'node_modules', 'avsc', 'package.json'));
    return { versions: { avsc: version, node: process.versions.node }, workloads: Object.keys(WORKLOADS) };
  }
  const [address, name, ...options] = words;
  const option = (key) => Number(options[options.indexOf(key) + 1]);
  if (name === 'idle connections') return measureMemory(address, option('--server-pid'));
  const [work, step] = WORKLOADS[name];
  const opened = { address, ...(await open(address)) };
  const done = (count) => work(opened, count);
  if (options.includes('--count')) {
    await done(option('--count'));
    return { count: option('--count') };
  }
  return measure(done, step, option('--seconds'), option('--server-pid'));
}

if (process.argv[2] === 'server') {
  serve();
} else {
  main(process.argv.slice(3)).then(
    (found) => process.stdout.write(JSON.stringify(found) + '\n', () => process.exit(0)),
    (error) => {
      console.error(String(error));
      process.exit(1);
    },
  );
}
