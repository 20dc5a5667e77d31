/*
 * What a commit is worth. One run, a primary and its standby, which receives and replays later; the primary crashes, and is
 * started again or replaced by the standby. A client admits the run through pq::admit and a launcher settles it, both until
 * they know what became of it; the guard may end it first. A gateway reads: from memory, from the standby, from the primary.
 *
 * The history of a server is how much of the run it has: 0 nothing, 1 its admission, 2 its ending as well, of which there
 * may be two: the launcher's and the guard's.
 *
 * Left out: the old primary is gone when another takes its place (fencing is the cluster's); a second standby; a commit
 * whose wait for the standby somebody cancels.
 */
#include "server.pml"

#ifndef CRASHES
#define CRASHES 2
#endif

#define client 1
#define launcher 2
#define guard 3
#define sessions 4

#define by_launcher 1
#define by_guard 2

/* the primary: what is in its log, what of that is on disk, what others see */
byte written, flushed, visible;
byte ending;               /* which one, of what is written */
byte history;              /* its timeline: another after each promotion */
/* the standby */
byte received, replayed;
byte ending_there;
bit standby_away;
bit restarted;             /* and shows what its standby may lack */
/* writers wait for each other at the connection's and the run's row */
byte writer;
bit lost[sessions];        /* the session, with the server */
byte crashes;
/* what people were told */
bit acknowledged;          /* the admission */
bit refused;               /* the client says that there is no run */
byte told;                 /* which ending */
/* the gateway */
byte kept, kept_of;        /* the ending in memory, and of which history it is */
byte knows_history;        /* what its feed has seen */
byte seen;                 /* the most that a reader was told: 1 active, 2 ended */
byte seen_ending;

/* ---- a transaction that writes ----------------------------------------------------------------------------------- */

/* From the insert to the answer: the steps of a commit. */
inline commit(me, upto) {
    atomic { written = upto; printf("commit.write: session %d, up to %d\n", me, upto) };
#ifndef COMMIT_DOES_NOT_FLUSH
    atomic { flushed = written; printf("commit.flush: session %d\n", me) };
#if !defined(ASYNCHRONOUS) && !defined(STANDBY_NOT_WAITED_FOR)
    atomic { received >= upto; printf("commit.standby_has_it: session %d\n", me) };
#endif
#endif
    atomic { visible = upto; writer = nobody; printf("commit.visible: session %d, up to %d\n", me, upto) }
}

/* An answer about what stands already, which this server may have had before it was started again, and no other: it
   writes, so that its commit waits for the standby as the first one should have. */
inline confirm(me, upto) {
#if !defined(ASYNCHRONOUS) && !defined(STANDBY_NOT_WAITED_FOR) && !defined(REPLAY_DOES_NOT_WAIT) && !defined(COMMIT_DOES_NOT_FLUSH)
    atomic { received >= upto; writer = nobody; printf("replay.standby_has_it: session %d\n", me) }
#else
    atomic { writer = nobody; printf("replay.answer: session %d\n", me) }
#endif
}

inline begin(me) {
    atomic { writer == nobody && !lost[me] -> writer = me; printf("commit.lock: session %d\n", me) }
}

inline rollback(me) {
    atomic { lost[me] -> lost[me] = 0; printf("session.lost: session %d\n", me) }
}

/* pq::admit: the same call, with the same key, until what became of the first is known. */
proctype Client() {
    do
    ::  {
            begin(client);
            if
            :: visible == 0 -> commit(client, 1)
            :: visible > 0 -> confirm(client, 1)
            fi;
            atomic { acknowledged = 1; printf("admit.acknowledged: -\n") };
            break
        } unless { rollback(client) };
#ifdef DOUBT_IS_GUESSED
        atomic { refused = 1; printf("admit.give_up: -\n") };
        break
#endif
    od
}

/* pdpp_run_settle with an event id, until it is answered. */
proctype Launcher() {
    end_unborn: (acknowledged);
    do
    ::  {
            begin(launcher);
            if
            :: visible == 1 -> ending = by_launcher; commit(launcher, 2)
            :: visible == 2 -> confirm(launcher, 2)
            :: visible == 0 -> atomic { writer = nobody; printf("settle.unknown: -\n") } /* only if the promise was broken */
            fi;
            atomic { told = ending; printf("settle.answer: ending %d\n", ending) };
            break
        } unless { rollback(launcher) }
    od
}

proctype Guard() {
    end_idle: do
    ::  {
            atomic { visible == 1 && writer == nobody && !lost[guard] -> writer = guard; ending = by_guard; printf("commit.lock: session %d\n", guard) };
            commit(guard, 2)
        } unless { rollback(guard) }
    od
}

/* ---- the standby, and what befalls ------------------------------------------------------------------------------- */

proctype Standby() {
    end_idle: do
    :: atomic { received < flushed -> received = flushed; ending_there = ending; printf("standby.receive: up to %d\n", received) }
    :: atomic { replayed < received -> replayed = received; printf("standby.replay: up to %d\n", replayed) }
    od
}

/* Whoever was in the middle of a commit is told nothing. */
inline lose_sessions() {
    lost[client] = 1; lost[launcher] = 1; lost[guard] = 1;
    writer = nobody;
    crashes++
}

proctype Fate() {
    end_idle: do
    :: atomic {
        crashes < CRASHES -> lose_sessions();
        if :: written > flushed -> written = flushed :: else fi;
        visible = written;
        restarted = 1;
        printf("server.restart: has %d\n", visible)
       }
    :: atomic {
        crashes < CRASHES -> lose_sessions();
        written = received; flushed = received; visible = received; ending = ending_there; replayed = received;
        history++; restarted = 0;
        printf("server.promote: has %d\n", visible)
       }
#ifdef STANDBY_TELLS_AND_GOES
    :: atomic { !standby_away -> standby_away = 1; printf("standby.away: -\n") }
#endif
#ifdef COMMIT_DOES_NOT_FLUSH
    :: atomic { flushed < written -> flushed = written; printf("wal_writer.flush: up to %d\n", flushed) }
#endif
    od
}

/* ---- the gateway ------------------------------------------------------------------------------------------------- */

/* Nobody reads from a primary that was started again, before its standby has what it has. */
#ifdef RESTART_SHOWS_THE_UNREPLICATED
#define is_read 1
#else
#define is_read (!restarted || received >= visible)
#endif
#define is_news (visible != seen || (visible == 2 && seen_ending != ending) || (acknowledged && visible == 0))

#define answers(rank, which) \
    printf("gateway.tell: %d, ending %d\n", rank, which); \
    answer(rank, which)

inline answer(rank, which) {
#ifndef ASYNCHRONOUS
    holds(resolvable, !acknowledged || rank > 0);
    holds(no_step_back, rank >= seen && (seen < 2 || which == seen_ending));
    holds(acknowledged_stands, told == 0 || (rank == 2 && which == told));
#endif
    if :: rank > seen -> seen = rank; seen_ending = which :: else fi
}

/* A read, whenever it would say something that was not said before: memory, then the standby, then the primary. */
proctype Gateway() {
    byte which;
    end_idle: do
    ::  atomic {
            knows_history != history;
            knows_history = history;
#ifndef MEMORY_OUTLIVES_HISTORY
            kept = 0;
#endif
            printf("feed.history: %d\n", history)
        }
    ::  atomic { refused && visible > 0; holds(a_lost_answer_is_no_refusal, false) }
    ::  atomic { kept != 0 && kept != seen_ending; answers(2, kept) }
    ::  atomic { kept != 0 && knows_history == history; holds(memory_is_of_this_history, visible == 2 && kept == ending) }
    ::  atomic { kept == 0 && !standby_away && replayed == 2 && seen_ending != ending_there; answers(2, ending_there) }
#ifdef STANDBY_BELIEVED
    ::  atomic { kept == 0 && !standby_away && replayed < 2 && (replayed != seen || acknowledged); answers(replayed, 0) }
#endif
    ::  atomic {
            kept == 0 && (standby_away || replayed < 2) && is_read && is_news;
            if :: visible == 2 -> which = ending :: else -> which = 0 fi;
            answers(visible, which);
            if :: visible == 2 && knows_history == history -> kept = ending :: else fi;
            which = 0
        }
    od
}

init {
    atomic { run Client(); run Launcher(); run Guard(); run Standby(); run Fate(); run Gateway() }
}
