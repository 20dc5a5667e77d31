// What the server does for somebody: statements, write-ahead log, and CPU of all its processes.
import { readFileSync, readdirSync } from 'node:fs';
import { connect, urlOf, value } from './clients.mjs';

const TICK = 10; // milliseconds, on every Linux that Node runs on

function stat(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /s, '').split(' ');
    return { parent: Number(fields[1]), own: Number(fields[11]) + Number(fields[12]), reaped: Number(fields[13]) + Number(fields[14]) };
  } catch {
    return null; // it has ended, and its parent has its time
  }
}

export class Server {
  static async open() {
    const server = new Server();
    server.client = await connect(urlOf('postgres'));
    await server.client.query('create extension if not exists pg_stat_statements');
    server.postmaster = Number((await value(server.client, "select pg_read_file('postmaster.pid')")).split('\n')[0]);
    return server;
  }

  /** CPU so far, in milliseconds, of the processes that live and of those that have ended. */
  cpu() {
    const first = stat(this.postmaster);
    let ticks = first.own + first.reaped;
    for (const entry of readdirSync('/proc')) {
      if (!/^\d+$/.test(entry)) continue;
      const found = stat(entry);
      if (found?.parent === this.postmaster) ticks += found.own;
    }
    return ticks * TICK;
  }

  async #now(database) {
    const { rows } = await this.client.query(`select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8 as wal,
        (select coalesce(sum(calls), 0)::float8 from pg_stat_statements as s join pg_database as d on d.oid = s.dbid where d.datname = $1) as statements`,
      [database]);
    return { ...rows[0], cpu: this.cpu(), at: performance.now() };
  }

  /** Runs something that says how many lives it had, and says what each of them took. */
  async measure(database, something) {
    const before = await this.#now(database);
    const lives = await something();
    const after = await this.#now(database);
    return { lives, rate: (lives * 1000) / (after.at - before.at), statements: (after.statements - before.statements) / lives,
      wal: (after.wal - before.wal) / lives, cpu: (after.cpu - before.cpu) / lives };
  }

  /** A new database of that name. */
  async create(database) {
    await this.client.query(`create database "${database}" template template0 encoding 'UTF8'`);
    return urlOf(database);
  }

  close() {
    return this.client.end();
  }
}
