// A worker that is a process of its own, to be killed or frozen: `worker.mjs PEER DATABASE QUEUE NAME hold|finish`.
// Says on standard output what it does. One that holds has the work in hand until a line comes on its standard input.
import { createInterface } from 'node:readline';
import { urlOf } from './clients.mjs';

const [peer, database, queue, name, mode] = process.argv.slice(2);
const { serve } = await import(`./${peer}.mjs`);
const finish = new Promise((resolve) => createInterface({ input: process.stdin }).once('line', resolve));
const work = async (id, worker = '') => {
  console.log(`taken ${id} ${worker}`);
  if (mode === 'hold') await finish;
  console.log(`finishes ${id}`);
};
work.late = (id) => console.log(`late ${id}`);
await serve(urlOf(database), queue, work, { process: name });
console.log('ready');
