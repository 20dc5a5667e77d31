// What all of the peers need of a process: plain connections, and loops that share a number.
import { createRequire } from 'node:module';
import pg from 'pg';

const require = createRequire(import.meta.url);

/** The connection string of a database of the server that PGHOST, PGPORT, PGUSER and PGPASSWORD name. */
export function urlOf(database) {
  const { PGUSER = 'postgres', PGPASSWORD = '', PGHOST = 'localhost', PGPORT = '5432' } = process.env;
  return `postgres://${encodeURIComponent(PGUSER)}:${encodeURIComponent(PGPASSWORD)}@${PGHOST}:${PGPORT}/${database}`;
}

/** One connection. */
export async function connect(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  return client;
}

/** So many connections. */
export function connections(url, many) {
  return Promise.all(Array.from({ length: many }, () => connect(url)));
}

/** One column of one row, by a statement that is prepared where it has a name. */
export async function value(client, text, values = [], name = undefined) {
  const { rows } = await client.query({ text, values, name });
  return rows.length === 0 ? null : Object.values(rows[0])[0];
}

/** The version that a package has here. */
export function versionOf(name) {
  for (const folder of require.resolve.paths(name)) {
    try {
      return require(`${folder}/${name}/package.json`).version;
    } catch {
      // the next one
    }
  }
  throw new Error(`${name} is not installed`);
}

export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** The time in milliseconds, finer than Date.now() says it. */
export const clock = () => performance.timeOrigin + performance.now();

/** Runs one loop for each client, all at once, until each says that it is done. */
export function each(clients, loop) {
  return Promise.all(Array.from({ length: clients }, (_, client) => loop(client)));
}
