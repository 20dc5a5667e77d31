// What `bench/peers` runs: our handles and those of the peers, on one server, in one process.
import { loadavg } from 'node:os';
import { urlOf, value, versionOf } from './clients.mjs';
import { Server } from './server.mjs';
import { loads } from './rounds.mjs';
import { behaviours } from './behaviours.mjs';
import { print } from './table.mjs';
import * as ours from './ours.mjs';
import * as pgBoss from './pg-boss.mjs';
import * as graphile from './graphile-worker.mjs';
import * as dbos from './dbos.mjs';

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const options = { rounds: number('ROUNDS', 5), seconds: number('SECONDS_EACH', 5), clients: number('CLIENTS', 8), waits: number('WAITS', 40),
  bound: number('BOUND', 150) };
const wanted = process.env.PEERS?.split(',');
const peers = [ours, pgBoss, graphile, dbos].filter((peer) => !wanted || wanted.includes(peer.name));
const say = (text) => console.error(text);
console.log = say; // standard output is for the table, whatever a package says
const databaseOf = (peer) => `peers_${peer.file}`;

const server = await Server.open();
const told = { options, peers: [], rounds: {}, behaviours: {}, load: loadavg()[0].toFixed(1), absent: [],
  server: (await value(server.client, 'show server_version')).split(' ')[0] };
if (!wanted) {
  // the package calls functions of a schema that it does not bring
  told.absent.push([`absurd (absurd-sdk ${versionOf('absurd-sdk')})`, 'no version of its npm package has the SQL that it calls: the schema comes with absurdctl, which is no npm package']);
}
for (const peer of peers) {
  const url = await server.create(databaseOf(peer));
  await peer.install(url, 'queue');
  const version = await peer.version(url);
  told.peers.push({ name: peer.name, version, configured: peer.configured });
  told.rounds[peer.name] = [];
  say(`${peer.name} ${version}: ${peer.configured}`);
}
const ids = Object.fromEntries(peers.map((peer) => [peer.name, []]));
for (let round = 0; round < options.rounds; round++) {
  for (const [load, run] of Object.entries(loads)) {
    // one after the other, so that what else the machine does meets all of them; whoever is first is another one each time
    for (let i = 0; i < peers.length; i++) {
      const peer = peers[(i + round) % peers.length];
      const database = databaseOf(peer);
      const found = await run(peer, urlOf(database), { ...options, server, database, ids: ids[peer.name] });
      (told.rounds[peer.name][round] ??= {})[load] = found;
      if (found?.rate) say(`round ${round + 1}, ${load}, ${peer.name}: ${Math.round(found.rate)}/s`);
    }
  }
}
if (options.bound > 0) {
  say(`behaviour, each for at most ${options.bound} s ...`);
  told.behaviours = await behaviours(peers, server, options, say);
}
print(told);
await server.close();
process.exit(0);
