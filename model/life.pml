/*
 * The lives of runs of one connection. Two launchers, an owner who repeats what was not answered, another who does not,
 * somebody who cancels, a connector that fences what it writes, the worker, a reader, and a superuser who writes an ending
 * by hand. Sessions are killed at any step, launchers stand still between any two calls, time is over when it likes.
 *
 * Left out: when a boot is dead (boots.pml); what a commit is worth (failover.pml); events of no phase, which are locked
 * and numbered as a start is that finds its row changed; isolation levels above read committed, where a stale snapshot is an error (40001).
 */
#include "server.pml"

#ifndef RUNS
#define RUNS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif

/* endings */
#define none 0
#define completed 1
#define launch_failed 2
#define cancelled 3
#define abandoned 4
#define timed_out 5
#define by_hand 6

/* sessions; a launcher's boot has its number */
#define owner 3
#define other_owner 4
#define canceller 5
#define worker 6
#define connector 7
#define sessions 8

typedef Run {
    /* the spine, as committed */
    bit admitted;
    bit started;
    byte ending;
    byte endings;          /* terminal events: what the lifecycle index keeps at one */
    byte events;           /* the number of the last event */
    byte ended_by;         /* whose event id the ending has */
    byte late[3];          /* late outcomes, by whose event id they have */
    /* flight state, as committed */
    bit in_flight;
    byte boot;             /* who owns it */
    bit cancel_requested;
    /* what the clock says */
    bit over;              /* the time to start it in, before its start, or to end it in, after it */
    /* locks */
    byte writer;           /* who has the flight row, for no key update or for update */
    bit settling;          /* for update, which excludes fences */
    bit fenced;            /* somebody has it for key share */
    byte appending;        /* whose event stands in the indexes and is not committed */
    byte history;          /* who has the admission's row, of a run that has ended */
    /* what people know */
    bit acknowledged;
    byte told;             /* the ending that a writer was told */
    byte seen;             /* the most that the reader saw */
#ifdef NUMBER_BEFORE_LOCK
    byte drawn;
#endif
};
Run life[RUNS];
byte connection;           /* who has its row */
byte admissions;
byte keyed;                /* the run that the owner's key names, plus one */
byte key_told;             /* the run that the owner was told of, plus one */
bit killed[sessions];
bit dead[3];               /* of boots: the verdict that is on record */
bit at_rest[3];            /* launchers that do nothing any more */
byte kills;
bit wrote_by_hand;

#define is_lockable(r) (life[r].writer == nobody && !life[r].fenced)
#define is_unowned(r) (life[r].boot == nobody || dead[life[r].boot] || killed[life[r].boot])
#define is_boot_dead(r) (life[r].boot != nobody && dead[life[r].boot])
#define is_due(r) (life[r].in_flight && (is_boot_dead(r) || life[r].over))
#define is_claimable(r) (life[r].in_flight && life[r].boot == nobody && !life[r].cancel_requested && \
                         !life[r].over && life[r].writer == nobody)

/* ---- what the store does ---------------------------------------------------------------------------------------- */

inline draw_number(r) {
#ifdef NUMBER_BEFORE_LOCK
    atomic { life[r].drawn++; n = life[r].drawn }
#else
    skip
#endif
}

/* The row is there and locked, or it is gone: whoever waited for its removal finds nothing. */
inline lock_for_settle(r, me) {
#ifdef SETTLE_WITHOUT_LOCK
    atomic { got = life[r].in_flight; printf("flight.lock_for_settle: session %d does not, run %d\n", me, r) }
#else
    atomic {
        !life[r].in_flight || is_lockable(r);
        got = life[r].in_flight;
        if :: got -> life[r].writer = me; life[r].settling = 1 :: else fi;
        printf("flight.lock_for_settle: session %d, run %d, in flight %d\n", me, r, got)
    }
#endif
}

inline lock_for_event(r, me) {
    atomic {
        !life[r].in_flight || life[r].writer == nobody;
        got = life[r].in_flight;
        if :: got -> life[r].writer = me :: else fi;
        printf("flight.lock_for_event: session %d, run %d, in flight %d\n", me, r, got)
    }
}

/* The number is the last one and one, in a snapshot taken now. Of two that want the same the second waits at the key. */
inline append(r, me) {
    atomic {
#ifndef NUMBER_BEFORE_LOCK
        life[r].appending == nobody;
        n = life[r].events + 1;
#endif
        life[r].appending = me;
        printf("spine.append: session %d, run %d, number %d\n", me, r, n)
    }
}

inline delete_flight(r, me) {
#ifdef SETTLE_WITHOUT_LOCK
    atomic {
        life[r].writer == me || is_lockable(r);
        life[r].writer = me;
        life[r].settling = 1;
        printf("flight.delete_flight: session %d, run %d\n", me, r)
    }
#else
    skip /* under the lock that it has */
#endif
}

/* Of a commit: events have become visible. */
inline number_events(r, count) {
    holds(numbers_in_commit_order, n == life[r].events + 1);
    life[r].events = n + count - 1
}

/* Of a commit: the terminal event, unless one stands, and the removal of the flight row. */
inline end_run(r, me, how) {
#ifdef INDEX_NOT_UNIQUE
    did = 1;
#else
    did = (life[r].endings == 0);
#endif
    if :: did -> life[r].endings++; life[r].ended_by = me :: else fi;
#ifdef ENDING_OVERWRITTEN
    life[r].ending = how;
#else
    if :: life[r].ending == none -> life[r].ending = how :: else fi;
#endif
    life[r].in_flight = 0;
    holds(one_ending, life[r].endings == 1);
    holds(acknowledged_stands, life[r].told == none || life[r].told == life[r].ending)
}

/* Of a commit and of a rollback. */
inline unlock(r, me) {
    if :: life[r].writer == me -> life[r].writer = nobody; life[r].settling = 0 :: else fi;
    if :: life[r].appending == me -> life[r].appending = nobody :: else fi;
    if :: life[r].history == me -> life[r].history = nobody :: else fi
}

inline tell(r) {
    holds(acknowledged_stands, life[r].told == none || life[r].told == life[r].ending);
    life[r].told = life[r].ending
}

/* ---- owners ------------------------------------------------------------------------------------------------------ */

/* pdpp_run_now, with a key and repeated until it is answered, or without a key. */
proctype Owner(byte me; bit with_key) {
    byte r = RUNS;
    do
    ::  {
            if
#ifndef KEY_NOT_KEPT
            :: with_key && keyed -> atomic { r = keyed - 1; printf("admission.find_key: session %d, run %d\n", me, r) }
#endif
            :: else ->
                atomic { connection == nobody -> connection = me; printf("admission.lock_connection: session %d\n", me) };
                atomic {
                    if
#ifndef KEY_NOT_KEPT
                    :: with_key && keyed -> r = keyed - 1; connection = nobody;
                        printf("admission.take_key: session %d finds run %d\n", me, r)
#endif
                    :: else ->
                        if
                        :: admissions == RUNS -> connection = nobody /* all that the model has */
                        :: admissions > 0 && admissions < RUNS && life[admissions - 1].in_flight -> connection = nobody;
                            printf("admission.refuse_active: session %d\n", me)
                        :: else -> r = admissions; printf("admission.enter_flight: session %d, run %d\n", me, r)
                        fi
                    fi
                };
                if
                :: connection == me ->
#ifdef ADMISSION_IN_TWO
                    atomic { life[r].in_flight = 1; life[r].acknowledged = 1; printf("admission.acknowledge_early: run %d\n", r) };
#endif
                    atomic {
                        life[r].admitted = 1; life[r].in_flight = 1; life[r].events = 1; admissions++;
#ifdef NUMBER_BEFORE_LOCK
                        life[r].drawn = 1;
#endif
                        if :: with_key -> keyed = r + 1 :: else fi;
                        connection = nobody;
                        printf("admission.commit: session %d, run %d\n", me, r)
                    }
                :: else
                fi
            fi;
            if
            :: r < RUNS ->
                if
                :: atomic {
                    life[r].acknowledged = 1;
                    printf("admission.acknowledge: session %d, run %d\n", me, r);
                    if
                    :: with_key -> holds(one_key_one_run, key_told == 0 || key_told == r + 1); key_told = r + 1
                    :: else
                    fi
                   }
                :: printf("admission.answer_lost: session %d\n", me)
                fi
            :: else
            fi
        } unless {
            atomic { killed[me] -> killed[me] = 0; if :: connection == me -> connection = nobody :: else fi }
        };
        r = RUNS;
        if :: skip :: break fi
    od
}

/* pdpp_run_cancel */
proctype Canceller(byte r) {
    byte n;
    bit got, did, unowned;
    {
        draw_number(r);
#ifdef CANCEL_JUDGED_BEFORE_LOCK
        unowned = is_unowned(r);
#endif
        lock_for_settle(r, canceller);
        if
        :: got ->
            append(r, canceller);
#ifndef CANCEL_JUDGED_BEFORE_LOCK
            unowned = is_unowned(r);
#endif
            if
            :: unowned ->
                delete_flight(r, canceller);
                atomic {
                    holds(live_owner_is_asked, is_unowned(r));
                    life[r].cancel_requested = 1;
                    end_run(r, canceller, cancelled);
                    number_events(r, 1 + did);
                    unlock(r, canceller);
                    printf("cancel.settle: run %d\n", r);
                    tell(r)
                }
            :: else ->
                atomic {
                    life[r].cancel_requested = 1;
                    number_events(r, 1);
                    unlock(r, canceller);
                    printf("cancel.mark_cancel_requested: run %d\n", r)
                }
            fi
        :: else
        fi
    } unless {
        atomic { killed[canceller] -> unlock(r, canceller); printf("session.gone: session %d\n", canceller) }
    }
}

/* ---- launchers --------------------------------------------------------------------------------------------------- */

/*
 * pdpp_run_settle with an event id, until it is answered. pdpp_run_launch_failed does less: where it finds no flight row it
 * answers what stands, and keeps nothing.
 */
inline settle(r, me, how) {
    do
    ::  draw_number(r);
        lock_for_settle(r, me);
        if
        :: !got ->
            atomic { life[r].history == nobody -> life[r].history = me; printf("settle.lock_history: session %d, run %d\n", me, r) }
        :: else
        fi;
        if
#ifndef REPETITION_NOT_RECOGNISED
        :: life[r].ended_by == me || life[r].late[me] > 0 ->
            atomic { unlock(r, me); printf("settle.replay: session %d, run %d\n", me, r); tell(r) }
#endif
        :: else ->
#ifdef SETTLE_IN_TWO
            atomic { if :: got -> life[r].in_flight = 0; unlock(r, me) :: else fi; printf("settle.remove_first: session %d, run %d\n", me, r) };
#endif
            append(r, me);
            if
            :: got ->
                delete_flight(r, me);
                atomic {
                    number_events(r, 1);
                    end_run(r, me, how);
                    if :: !did -> life[r].late[me]++ :: else fi;
                    unlock(r, me);
                    printf("settle.commit: session %d, run %d, ending %d, settled %d\n", me, r, how, did)
                }
            :: else ->
                atomic {
                    number_events(r, 1);
                    life[r].late[me]++;
                    holds(nothing_twice, life[r].late[me] == 1);
                    unlock(r, me);
                    printf("settle.keep_late_outcome: session %d, run %d, ending %d\n", me, r, how)
                }
            fi
        fi;
        if
        :: atomic { tell(r); printf("settle.answer: session %d, run %d\n", me, r) }; break
        :: printf("settle.answer_lost: session %d, run %d\n", me, r)
        fi
    od
}

/* pdpp_run_started, until it is answered. */
inline start(r, me) {
    do
    ::  draw_number(r);
        lock_for_event(r, me);
        if
        :: !got -> break
        :: got && life[r].started -> atomic { unlock(r, me); printf("start.replay: session %d, run %d\n", me, r) }; break
        :: else ->
            append(r, me);
            atomic {
                number_events(r, 1);
                holds(nothing_after_the_ending, life[r].ending == none || life[r].ending == by_hand);
                life[r].started = 1;
                life[r].boot = me;
                life[r].over = 0;
                unlock(r, me);
                printf("start.commit: session %d, run %d\n", me, r)
            };
            if :: break :: printf("start.answer_lost: session %d, run %d\n", me, r) fi
        fi
    od
}

/* pdpp_run_extend; its event is left out, which is numbered as all others are. */
inline extend(r, me) {
    lock_for_event(r, me);
    if
    :: got -> atomic { life[r].over = 0; unlock(r, me); printf("extend.commit: session %d, run %d\n", me, r) }
    :: else
    fi
}

proctype Launcher(byte me) {
    byte r = RUNS, n;
    bit got, did, extended;
    {
        end_idle: do
#ifdef PROGRESS
        ::  printf("launcher.never_comes: session %d\n", me); goto still
#endif
        ::  atomic {
                if
                :: is_claimable(0) -> r = 0
#if RUNS > 1
                :: is_claimable(1) -> r = 1
#endif
                fi;
                life[r].writer = me;
                printf("claim.lock: session %d, run %d\n", me, r)
            };
            atomic { life[r].boot = me; unlock(r, me); printf("claim.commit: session %d, run %d\n", me, r) };
            do
            :: !life[r].started -> start(r, me)
            :: !extended -> extended = 1; extend(r, me)
            :: settle(r, me, (life[r].started -> completed : launch_failed)); break
            :: printf("launcher.stands_still: session %d\n", me); goto still
            od;
            r = RUNS
        od
    } unless {
        atomic { killed[me] -> if :: r < RUNS -> unlock(r, me) :: else fi; got = 0; did = 0; printf("session.gone: session %d\n", me) }
    };
    /* its process may live on, and say over another session how its run ended */
    if
    :: r < RUNS -> settle(r, me, completed)
    :: skip
    fi;
still:
    at_rest[me] = 1
}

/* pdpp_run_fence, and what the connector writes in the same transaction. */
proctype Connector(byte r) {
    bit got;
    {
        atomic {
#ifdef FENCE_WITHOUT_LOCK
            got = life[r].in_flight;
#else
            !life[r].in_flight || !life[r].settling;
            got = life[r].in_flight;
            life[r].fenced = got;
#endif
            printf("fence.lock_for_fence: run %d, in flight %d\n", r, got)
        };
        if
        :: got && life[r].ending == none ->
            atomic {
                holds(fenced_write_is_of_an_active_run, life[r].ending == none || life[r].ending == by_hand);
                life[r].fenced = 0;
                printf("fence.commit: run %d\n", r)
            }
        :: else -> life[r].fenced = 0
        fi
    } unless {
        atomic { killed[connector] -> life[r].fenced = 0; printf("session.gone: session %d\n", connector) }
    }
}

/* ---- the worker -------------------------------------------------------------------------------------------------- */

inline judge(r) {
    how = none;
    if
    :: (is_boot_dead(r) || life[r].over) && !life[r].started -> how = launch_failed
    :: is_boot_dead(r) && life[r].started -> how = abandoned
    :: !is_boot_dead(r) && life[r].over && life[r].started ->
        if :: life[r].cancel_requested -> how = cancelled :: else -> how = timed_out fi
    :: else
    fi
}

/* Passes of the guard. A run that somebody is at work on is not listed here: it would be left to the next pass. */
proctype Worker() {
    byte r = RUNS, n, how;
    bit got, did;
    {
        end_idle: do
        :: atomic { killed[1] && !dead[1] -> dead[1] = 1; printf("guard.watch_boots: boot 1 is dead\n") }
#ifdef WITH_SECOND_LAUNCHER
        :: atomic { killed[2] && !dead[2] -> dead[2] = 1; printf("guard.watch_boots: boot 2 is dead\n") }
#endif
        ::  atomic {
                is_due(0) && is_lockable(0) -> r = 0;
                printf("guard.due_runs: run %d\n", r);
#ifdef JUDGED_BEFORE_LOCK
                judge(r)
#endif
            };
            atomic {
                got = life[r].in_flight && is_lockable(r);
                if :: got -> life[r].writer = worker; life[r].settling = 1 :: else fi;
                printf("guard.try_lock_for_settle: run %d, locked %d\n", r, got);
#ifndef JUDGED_BEFORE_LOCK
                if :: got -> judge(r); printf("guard.judge: run %d, ending %d\n", r, how) :: else fi
#endif
            };
            if
            :: got && how != none ->
                draw_number(r);
                append(r, worker);
                delete_flight(r, worker);
                atomic {
                    holds(ended_for_cause, is_boot_dead(r) || life[r].over);
                    end_run(r, worker, how);
                    if :: did -> number_events(r, 1) :: else fi;
                    unlock(r, worker);
                    printf("guard.commit: run %d, ending %d\n", r, how)
                }
            :: else -> atomic { unlock(r, worker) }
            fi;
            atomic { r = RUNS; how = none; got = 0; did = 0; n = 0 }
        od
    } unless {
        atomic {
            killed[worker] -> killed[worker] = 0;
            if :: r < RUNS -> unlock(r, worker) :: else fi;
            r = RUNS; how = none; got = 0; did = 0; n = 0;
            printf("session.gone: session %d\n", worker)
        };
        goto end_idle
    }
}

/* ---- who looks, and what befalls --------------------------------------------------------------------------------- */

/* What a status says, in the order in which a run comes by it: unknown, active, its end asked for, which ending. */
#define view(r) (!life[r].admitted -> 0 : (life[r].ending != none -> 2 + life[r].ending : (life[r].in_flight && life[r].cancel_requested -> 2 : 1)))

/* pdpp_run_status, whenever it says something new. */
proctype Reader(byte r) {
    byte saw;
    end_idle: do
    ::  atomic {
#ifndef TWO_SNAPSHOTS
            view(r) != life[r].seen || (life[r].acknowledged && !life[r].admitted);
            saw = view(r);
#else
            saw = view(r);
            printf("status.read_lifecycle: run %d\n", r)
        };
        atomic {
            if :: saw == 1 && life[r].in_flight && life[r].cancel_requested -> saw = 2
               :: saw == 2 && !life[r].in_flight -> saw = 1
               :: else fi;
#endif
            printf("status.read: run %d, sees %d\n", r, saw);
            holds(resolvable, !life[r].acknowledged || saw > 0);
            holds(no_step_back, saw == life[r].seen || (saw > life[r].seen && life[r].seen <= 2));
            life[r].seen = saw;
            saw = 0
        }
    od
}

/* Time is over, whenever. */
proctype Clock() {
    end_idle: do
    :: atomic { life[0].in_flight && !life[0].over -> life[0].over = 1; printf("clock.over: run 0\n") }
    od
}

/* Sessions are killed, the whole server is, and a superuser writes an ending without anybody's lock. */
proctype Fate(byte r) {
    end_idle: do
    :: atomic {
        kills < KILLS -> kills++;
        if
        :: killed[1] = 1
#ifdef WITH_SECOND_LAUNCHER
        :: killed[2] = 1
#endif
#ifdef WITH_OWNERS
        :: killed[owner] = 1 :: killed[other_owner] = 1
#endif
#ifdef WITH_CANCELLER
        :: killed[canceller] = 1
#endif
#ifdef WITH_WORKER
        :: killed[worker] = 1
#endif
#ifdef WITH_CONNECTOR
        :: killed[connector] = 1
#endif
        :: killed[1] = 1; killed[2] = 1; killed[owner] = 1; killed[other_owner] = 1; killed[canceller] = 1;
           killed[worker] = 1; killed[connector] = 1 /* the server */
        fi;
        printf("fate.kill: sessions %d %d %d %d %d %d %d\n", killed[1], killed[2], killed[3], killed[4], killed[5], killed[6], killed[7])
       }
#ifdef WITH_HAND
    :: atomic {
        !wrote_by_hand && life[r].in_flight && life[r].appending == nobody && life[r].endings == 0 ->
        wrote_by_hand = 1;
        life[r].endings++; life[r].ending = by_hand; life[r].events++;
        printf("fate.write_by_hand: run %d\n", r)
       }
#endif
    od
}

init {
    atomic {
#ifdef WITH_OWNERS
        run Owner(owner, 1);
        run Owner(other_owner, 0);
#else
        life[0].admitted = 1; life[0].in_flight = 1; life[0].events = 1; life[0].acknowledged = 1; admissions = 1;
#ifdef NUMBER_BEFORE_LOCK
        life[0].drawn = 1;
#endif
#endif
        run Launcher(1);
        run Reader(0);
        run Fate(0);
#ifdef WITH_SECOND_LAUNCHER
        run Launcher(2);
#endif
#ifdef WITH_WORKER
        run Worker();
#ifndef WITHOUT_DEADLINES
        run Clock();
#endif
#endif
#ifdef WITH_CANCELLER
        run Canceller(0);
#endif
#ifdef WITH_CONNECTOR
        run Connector(0)
#endif
    }
}

#ifdef PROGRESS
/* Nobody has to come back for it, and nobody has to die. */
ltl a_dead_launchers_run_ends { [] ((life[0].admitted && life[0].boot == 1 && killed[1]) -> <> (life[0].ending != none)) }
ltl nobodys_run_ends { [] ((life[0].acknowledged && at_rest[1]) -> <> (life[0].ending != none)) }
#endif
