#pragma once
// What `pdpp --help` and `pdpp COMMAND --help` say below the options.

namespace pdpp::cli::help {

constexpr auto program =
    R"(The database is found the usual ways of PostgreSQL: --db takes a connection string (keywords or URI) or a database
name; what it leaves out comes from the service file and the environment.
Of several hosts (host=a,b) the primary is found, and found again when it moves; a standby tells how runs ended.
On a terminal the output is for people; where it is piped, and with --json, it is JSON. Errors go to standard error.

Exit codes:
  0  success; of run and wait: the run completed
  1  of run and wait: the run ended in any other way; of check: a violation was found;
     of doctor: something is wrong; of import: something could not be taken, or --dry-run found something;
     of controller: an ending could not be recorded before it had to stop;
     of serve: the system does not let it listen; of init: it was not agreed to
  2  the command line is wrong
  3  no such run was ever handed out
  4  the database cannot be reached, or only a standby that cannot tell
  5  the database refused
  124  of wait: the run has not ended in time

Environment:
  PGHOST, PGPORT, PGUSER, PGDATABASE, PGSERVICE, ...  the database, where --db leaves something out
  PDPP_OWNER_PASSWORD  of serve and token: the owner's password
  PDPP_OWNER_PASSWORD_FILE  of serve and token: a file whose first line is the owner's password, instead
  PDPP_OWNER_SUBJECT_ID  of serve and token: whose the owner's sessions are (default: owner_local)
  NOTIFY_SOCKET  of serve and controller: systemd's, which is told when they are up, reload and stop

Examples:
  pdpp run -- ./fetch-mail --since yesterday
  pdpp now gmail-anna
  pdpp wait --timeout 60 run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp status run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp runs --status failed --since yesterday
  pdpp --db postgresql://owner@db.example/pdpp timeline run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp serve --listen 127.0.0.1:8080 --db "service=pdpp"

`pdpp COMMAND --help` tells more about each.)";

constexpr auto init =
    R"(What is not there yet is made, in this order: the database (--create-db), the extension (an older one is
brought up to date), the gateway's role with the grants `owner` and `controller`, the settings of the
background worker (shared_preload_libraries, pdpp.databases, by ALTER SYSTEM; what they hold already stays, and
where the server's files have errors nothing is done), and a file with a random owner's password, which is never
printed. What will be done is shown first; on a terminal it asks. Again it does nothing, and says so. JSON output is the plan and what was done, a line each.

It takes a superuser of the server. Root is none, but is let in as the unix user that the server runs as, where
that is on this machine. The restart that the worker needs is named, and left to you.

The role is whom `pdpp serve` and `pdpp run` log in as with the same --db: over a local socket the unix user's name,
which the server asks the system for (peer). It gets no password. For the service of contrib/systemd it is
pdpp-gateway.

The password's file is PDPP_OWNER_PASSWORD_FILE, else /etc/pdpp/owner-password if root runs this, else
pdpp/owner-password in XDG_CONFIG_HOME (~/.config). It is for whoever runs this alone; under sudo, unless the role is
another's, for who called it. What comes next is said as commands that can be run as they stand.

On a standby the settings are all that is done: they are not replicated, and the rest comes from the primary.

Examples:
  pdpp init --db app --create-db
  pdpp init --db app --role pdpp-gateway --dry-run)";

constexpr auto doctor =
    R"(A line for each thing that was looked at: ok, a warning, or wrong, and then what to do about it; as JSON an object
a line. Looked at are the server and the database, the extension's version and the library's, the background
worker and its settings, lines of the server's files that would keep it from starting again, the role's grants and
login, poolers in between, keepalives, clocks, what durability and
replication promise, room for the log of the database, the queue of notifications, transactions that stay open, the
owner's password file, and with --config whether the gateway answers, and the server that it hands on to
(--upstream). Nothing is changed.

What cannot be seen is left out, and said: as a superuser, or a member of pg_monitor, more is seen. Root is let
in as the unix user that the server runs as. Of several hosts each is looked at.

Whether the runs are well is what `pdpp check` looks at.

Exits with 1 if something is wrong, a server that cannot be reached included, else with 0.

Examples:
  pdpp doctor --db app
  pdpp doctor --db service=pdpp --role pdpp-gateway --config /etc/pdpp/gateway.conf)";

constexpr auto run =
    R"(The run's handle is printed first, on the first line of standard error; how it ended is the last line there,
but on a terminal for one that says what comes next.
Where standard error is not a terminal, or with --json, both are JSON: the acknowledgement and the status.
In between, the command's own standard output and standard error are passed on as they are.

Lines of its standard output that are JSON objects like these are recorded as well, and nothing else is:
  {"type":"PROGRESS","stream":"mail","message":"fetching","count":10,"total":200}
  {"type":"DONE","status":"succeeded","records_emitted":200}
  {"type":"DONE","status":"failed","error":{"message":"the password was refused"}}
A DONE decides how the run ended (succeeded, failed, cancelled), whatever the exit code; one that cannot be
understood ends it as failed (connector_report_unreadable). In a flood of PROGRESS the newest are kept: 100 at
once, then 10 a second.

The command runs in a process group of its own, with PDPP_RUN_ID, PDPP_TRACE_ID and TRACEPARENT in its
environment; it cannot read from the terminal, but from a pipe or file. When it ends, what it left running
is killed, daemons too. Ctrl-C (or SIGTERM, SIGHUP) asks it and all that it started to end with SIGTERM,
and kills them after 10 seconds or a second Ctrl-C; so does --timeout. SIGKILL of pdpp kills them as well. An
ending that the database does not take is tried again for as long as it takes; a third Ctrl-C gives it up,
and the database ends the run by itself.

Exits with 0 if the run completed, with 1 if it ended in any other way.

Examples:
  pdpp run -- ./fetch-mail --since yesterday
  pdpp run --connector gmail --connection gmail-anna --timeout 600 -- node gmail.js
  pdpp run -- ./fetch-mail 2>run.log >mail.json; head -n 1 run.log | jq -r .run_id)";

constexpr auto status = R"(JSON output is the body of pdpp_run_status() as PostgreSQL prints it.
Exits with 3 if no such run was ever handed out. A standby is believed about endings only: with 4 if
it knows of none, and there is no primary to ask.

Example:
  pdpp status run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b)";

constexpr auto timeline =
    R"(On a terminal the whole timeline is printed, an event a line, unless --limit asks for one page.
JSON output is one page: the body of pdpp_run_timeline() as PostgreSQL prints it; its truncated
and next_cursor tell whether there is more. With --all it is one such body a line.
With --follow each line of JSON is a page too, of what was new; a lost connection is made again, and
nothing is skipped or repeated. A hot standby that is the only host, and cannot LISTEN, is asked once a second.
Exits with 3 if no such run was ever handed out. A standby is believed about runs that have ended: with 4 if
it knows of no ending, and there is no primary to ask.

Examples:
  pdpp timeline --follow run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp timeline run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp timeline --all run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b | jq '.data[].event_type')";

constexpr auto runs =
    R"(On a terminal a run a line; `pdpp status RUN` tells more. JSON output is the body of pdpp_run_list() as
PostgreSQL prints it: its data are run statuses, its next_cursor leads to the next page. With --all and
--watch it is one such body a line.
TIME is anything that PostgreSQL reads as one: 2026-11-22, '2026-11-22 09:00+01', yesterday.
With --watch the database tells when to look again (LISTEN); a lost connection is made again.
The primary is asked, never a standby: no page says that it is complete.

Examples:
  pdpp runs --status failed --since yesterday
  pdpp runs --watch --status active
  pdpp runs --connection gmail-anna --all | jq -r '.data[].run_id')";

constexpr auto connections =
    R"(On a terminal a connection a line. OFFERED BY is the controller that launches its runs; a run of one that nobody
offers ends as launch_failed by itself. JSON output is the body of pdpp_connection_list() as PostgreSQL prints it;
with --all it is one such body a line.
The primary is asked, never a standby: no page says that it is complete.

Examples:
  pdpp connections
  pdpp connections --not-offered
  pdpp connections --connector gmail --all | jq -r '.data[].connector_instance_id')";

constexpr auto now =
    R"help(On a terminal the first line is the handle; JSON output is the acknowledgement of the database. The run is
launched by whichever controller offers the connection; if none does, it ends as launch_failed by itself.
A connection that has a run in flight is refused (exit code 5), and the error names the active run.
If the database is lost at COMMIT, it is asked again what became of it: the answer is the truth, or in_doubt
(exit code 4), which names the handle to look for.

Examples:
  pdpp now gmail-anna
  pdpp now --connector gmail --data '{"since": "yesterday"}'
  pdpp wait "$(pdpp now gmail-anna | jq -r .run_id)")help";

constexpr auto retry =
    R"help(The new run is of the same connection, and is given what the first was given, unless --data says something
else. Its status names the run that it repeats (retry_of), and that one's names it (retried_by). The first
stays ended as it did. Otherwise it is a run as `pdpp now` starts it.
Exits with 3 if no such run was ever handed out, with 5 while it, or another of its connection, is in flight.

Example:
  pdpp retry run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b)help";

constexpr auto wait =
    R"help(Prints how the run ended; JSON output is the body of pdpp_run_status() as PostgreSQL prints it.
The database tells when there is something to see (LISTEN); a lost connection is made again. On a hot
standby that is the only host, and cannot listen, it looks once a second.
Exits with 0 if the run completed, with 1 if it ended in any other way, with 124 after --timeout,
with 3 if no such run was ever handed out, with 4 if only a standby is there and does not know it.

Examples:
  pdpp wait run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b
  pdpp wait --timeout 60 "$(pdpp now gmail-anna | jq -r .run_id)" || echo 'no mail today')help";

constexpr auto cancel =
    R"(Its controller stops it and says so; a run that nobody has started yet ends at once. Asking again does
no harm. JSON output is the body of pdpp_run_cancel() as PostgreSQL prints it.
Exits with 3 if no such run was ever handed out, with 5 if it has ended in another way.

Example:
  pdpp cancel run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b && pdpp wait run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b)";

constexpr auto serve = R"(The owner's password comes from PDPP_OWNER_PASSWORD, or is the first line of the file that
PDPP_OWNER_PASSWORD_FILE names, else of the one that `pdpp init` has made. Sessions are opened with
POST /owner/login, or with a bearer token as `pdpp token` prints it.

  GET /                                              this API, as an OpenAPI 3.1 document
  GET /_ref/runs/{run_id}                            the status
  GET /_ref/runs/{run_id}/timeline?limit=N&cursor=C  the events
  POST /_ref/connections/{connector_instance_id}/run starts a run of a connection
  POST /_ref/connectors/{connector_id}/run           the same for a connector with one connection
  POST /_ref/runs/{run_id}/cancel                    asks a run to end
  POST /_ref/runs/{run_id}/retry                     starts a run that repeats one that has ended
  GET, POST /rpc/{function}                          the SQL API by PostgREST's conventions
  POST /owner/login, /owner/logout                   the session's cookie
  GET /owner/session                                 whether there is a session

Prefer: wait=N holds back the status until it changes, and the answer to a run until it has ended. Accept:
text/event-stream follows a run or its timeline, Accept: application/x-ndjson gets all of a timeline.

With --upstream URL (http:// or https://) only reads of runs that are known here are answered as above; everything
else is handed on to the PDPP server there, and its answers back.

SIGINT and SIGTERM let the requests in flight finish, and end waits and streams. SIGHUP reads the password's
file and --config again: limits, timeouts and the log change at once (for new connections), the rest at the
next start. Each request leaves a line in the log, as info, or as warning from status 500 on.

Example:
  PDPP_OWNER_PASSWORD=... pdpp serve --listen 127.0.0.1:8080 --db service=pdpp)";

constexpr auto controller = R"(FILE is an array of objects:
  [{"connector_instance_id": "mail-anna", "connector_id": "mail",
    "command": ["/opt/mail/fetch", "--all"], "env": {"LANG": "C"}, "cwd": "/var/lib/mail",
    "timeout_seconds": 3600, "grace_seconds": 10}]
The first three keys are required. Without timeout_seconds a run takes as long as it takes; grace_seconds (10)
lie between SIGTERM and SIGKILL. The database knows of both: should the controller stand still, the run ends by
then all the same. A variable that env gives null to is taken away; PGPASSWORD and
PDPP_OWNER_PASSWORD are, unless env names them. Commands are launched as by `pdpp run`, with nothing to read,
and what they print counts as there.

A run that is cancelled, or runs out of time, gets SIGTERM, and SIGKILL after its grace, with all that it
started. One that was ended by somebody else meanwhile is killed at once. What a command leaves running is
killed when it ends.

SIGHUP reads FILE again; if it is wrong, the connections stay as they were. SIGTERM and SIGINT drain: nothing
more is claimed, runs may go on until the drain timeout and are then stopped (cancelled, controller_drained);
a second signal stops them at once, a third kills them. SIGKILL loses nothing either: a guardian for
each run kills all of its processes, and the database ends the runs.

An ending that the database does not take is kept and tried again for as long as the controller lives; once
a minute the log says so. If the drain timeout is over it is given up a few seconds later, and the database
ends the run by itself.

Exits with 0 when drained, 1 if an ending was given up, 2 if FILE is wrong, 4 if the database cannot be
reached at the start. Later it is waited for.

Example:
  pdpp controller --connections /etc/pdpp/connections.json --db service=pdpp)";

constexpr auto check =
    R"(A line for each violation: the invariant, the run, what was found; as JSON an object a line. What the
invariants are stands in docs/design/check.md. It reads everything, in one snapshot, and locks nothing: a
million runs take about half a minute. Calling pdpp_check() is granted to nobody but superusers.

Exits with 0 if there is none, with 1 if there is one, with 4 if there is no primary: what a standby has not
heard of cannot be checked there.

Example:
  pdpp check --db service=pdpp)";

constexpr auto prune =
    R"(Handles resolve as before, for ever: a run's admission, start and ending stay, and so do late outcomes. The
timeline of such a run says that it was pruned. Each batch is a transaction of its own, which nobody waits
for; interrupting does no harm. As JSON an object a batch. Calling pdpp_prune() is granted to nobody but
superusers. TIME and INTERVAL are anything that PostgreSQL reads as one.

Examples:
  pdpp prune --older-than '90 days'
  pdpp prune --before 2026-01-01 --batch-size 5000)";

constexpr auto import_runs =
    R"(The source is only read, in a transaction that cannot write; a file of SQLite is opened for reading, and nothing
is made beside it. What it has of runs comes here in its order and its words; the first ending of a run stands,
whatever came after it is kept beside it. What is here already is left as it is, so it may be interrupted and
repeated. Personal data comes along: pruning and backups concern both databases from then on.

--dry-run is the doctor: it names stranded runs, runs with several endings, ids that runs share, handles without
events, and rows that cannot be taken; it needs no extension, and exits with 1 if it found something.
--adjudicate ends runs that nobody else will end as abandoned. How to move in: docs/operating/moving-in.md.

Needs the role kind importer: select pdpp_grant('ROLE', 'importer').
Exits with 1 if something could not be taken, which is named with its reason; all the rest is here then.

Examples:
  pdpp import --from 'postgres:service=theirs' --dry-run
  pdpp import --from sqlite:/var/lib/theirs/spine.db
  pdpp import --from 'postgres:service=theirs' --follow)";

constexpr auto token =
    R"help(The token is made from the owner's password (PDPP_OWNER_PASSWORD, or the first line of the file
that PDPP_OWNER_PASSWORD_FILE names, else of the one that `pdpp init` has made), without asking any
server. It cannot be taken back but by changing the password.

Example:
  curl -H "Authorization: Bearer $(pdpp token --ttl 3600)" \
       http://127.0.0.1:8080/_ref/runs/run_0193a1b2c3d47e5f8a9b0c1d2e3f4a5b)help";

} // namespace pdpp::cli::help
